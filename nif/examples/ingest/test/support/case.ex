defmodule Ingest.Case do
  @moduledoc """
  Servers over new stores, and requests byte by byte.

  What every server of the protocol does is tested in `npm/test/dedup/`, against this one as well.
  """

  use ExUnit.CaseTemplate

  using do
    quote do
      import Ingest.Case
    end
  end

  setup context do
    root = Path.join(System.tmp_dir!(), "ingest-#{System.pid()}-#{System.unique_integer([:positive])}")
    on_exit(fn -> File.rm_rf!(root) end)

    if context[:server] do
      name = :"ingest_#{System.unique_integer([:positive])}"
      server = start_supervised!({Ingest, Keyword.merge([root: root, port: 0, name: name], context.server)})
      %{root: root, server: server, port: Ingest.port(server)}
    else
      %{root: root}
    end
  end

  @doc """
  Returns a connection to a server.
  """
  def connect(port) do
    {:ok, socket} = :gen_tcp.connect({127, 0, 0, 1}, port, [:binary, active: false])
    socket
  end

  @doc """
  Sends `bytes` and returns all that is answered until the connection ends.
  """
  def exchange(port, bytes) do
    socket = connect(port)
    :ok = :gen_tcp.send(socket, bytes)
    read_all(socket, "")
  end

  @doc """
  Returns all that comes until the connection ends.
  """
  def read_all(socket, answer \\ "") do
    case :gen_tcp.recv(socket, 0, 5_000) do
      {:ok, bytes} -> read_all(socket, answer <> bytes)
      {:error, :closed} -> answer
    end
  end

  @doc """
  Returns the status of an answer, and the code of its error.
  """
  def outcome(answer) do
    ["HTTP/1.1 " <> <<status::binary-size(3)>> <> _ | _] = String.split(answer, "\r\n")

    case Regex.run(~r/"code":"(\w+)"/, answer) do
      [_, code] -> {String.to_integer(status), code}
      nil -> String.to_integer(status)
    end
  end

  @doc """
  Returns the head of a request to store a chunk of these bytes.
  """
  def put_chunk(bytes, headers \\ "Connection: close\r\n") do
    "PUT /v1/chunks/sha256/#{digest(bytes)} HTTP/1.1\r\nHost: x\r\n" <>
      "Content-Length: #{byte_size(bytes)}\r\n#{headers}\r\n"
  end

  def digest(bytes), do: Ingest.Digest.of(bytes, :sha256)

  @doc """
  Returns the names of all files of a store, unfinished ones included.
  """
  def files(root) do
    root |> Path.join("**") |> Path.wildcard() |> Enum.filter(&File.regular?/1) |> Enum.map(&Path.basename/1)
  end
end
