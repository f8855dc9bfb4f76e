defmodule Ingest.Case do
  @moduledoc """
  Servers over new stores, requests byte by byte, and what a client sends.
  """

  use ExUnit.CaseTemplate

  alias Chunker.Store

  using do
    quote do
      import Ingest.Case
    end
  end

  setup context do
    root = Path.join(System.tmp_dir!(), "ingest-#{System.pid()}-#{System.unique_integer([:positive])}")
    on_exit(fn -> File.rm_rf!(root) end)
    store = Store.open!(root, cache: :none)

    if context[:server] do
      name = :"ingest_#{System.unique_integer([:positive])}"
      server = start_supervised!({Ingest, Keyword.merge([store: store, port: 0, name: name], context.server)})
      %{root: root, store: store, server: server, port: Ingest.port(server)}
    else
      %{root: root, store: store}
    end
  end

  @doc """
  Returns a connection to a server.
  """
  def connect(port, options \\ []) do
    {:ok, socket} = :gen_tcp.connect({127, 0, 0, 1}, port, [:binary, active: false, nodelay: true] ++ options)
    socket
  end

  @doc """
  Sends `bytes` and returns all that is answered until the connection ends.
  """
  def exchange(port, bytes) do
    socket = connect(port)
    # It may be refused before all of it is sent.
    _ = :gen_tcp.send(socket, bytes)
    read_all(socket)
  end

  @doc """
  Returns all that comes until the connection ends, however it does.
  """
  def read_all(socket, answer \\ "") do
    case :gen_tcp.recv(socket, 0, 10_000) do
      {:ok, bytes} -> read_all(socket, answer <> bytes)
      {:error, _} -> answer
    end
  end

  @doc """
  Returns the status of an answer, with the code of a refusal.
  """
  def outcome("HTTP/1.1 " <> <<status::binary-size(3)>> <> _ = answer) do
    case Regex.run(~r/"code":"(\w+)"/, answer) do
      [_, code] -> {String.to_integer(status), code}
      nil -> String.to_integer(status)
    end
  end

  @doc """
  Returns the body of an answer, and whether it is as long as its head says.
  """
  def body(answer) do
    [head, body] = :binary.split(answer, "\r\n\r\n")
    [_, length] = Regex.run(~r/^content-length: (\d+)/mi, head)
    {body, byte_size(body) == String.to_integer(length)}
  end

  @doc """
  Returns the bytes of a request.
  """
  def request(method, target, body \\ nil, headers \\ ["Connection: close"]) do
    headers = ["Host: localhost" | headers]
    headers = if method == "POST", do: ["Content-Type: application/octet-stream" | headers], else: headers
    headers = if body, do: ["Content-Length: #{byte_size(body)}" | headers], else: headers
    ["#{method} #{target} HTTP/1.1\r\n", Enum.map(headers, &[&1, "\r\n"]), "\r\n", body || ""]
  end

  @doc """
  Returns a pack of one chunk, and the request that stores it.
  """
  def pack(chunk, headers \\ ["Connection: close"]) do
    length = <<byte_size(chunk)::little-32>>

    pack =
      IO.iodata_to_binary(["CPK1", <<1::little-32>>, Chunker.digest(chunk, :blake3), length, length, chunk])

    {pack, request("POST", "/v1/packs/blake3", pack, headers)}
  end

  @doc """
  Uploads a file as one chunk, over one connection; returns its root once it is acknowledged, else `nil`.
  """
  def upload(port, data) do
    {_, put} = pack(data, [])
    manifest = Chunker.Manifest.new!(Chunker.chunk!(data, hash: :blake3), hash: :blake3)
    root = "blake3-" <> Base.encode16(manifest.root_digest, case: :lower)
    commit = request("PUT", "/v1/manifests/#{root}", manifest.bytes)

    with {:ok, socket} <- :gen_tcp.connect({127, 0, 0, 1}, port, [:binary, active: false]),
         :ok <- :gen_tcp.send(socket, put),
         {:ok, "HTTP/1.1 200" <> _} <- :gen_tcp.recv(socket, 0, 10_000),
         :ok <- :gen_tcp.send(socket, commit),
         "HTTP/1.1 20" <> _ <- read_all(socket) do
      root
    else
      _ -> nil
    end
  end

  @doc """
  Waits until a condition holds; says whether it does.
  """
  def eventually(condition, attempts \\ 500) do
    condition.() || (attempts > 0 && Process.sleep(10) && eventually(condition, attempts - 1))
  end
end
