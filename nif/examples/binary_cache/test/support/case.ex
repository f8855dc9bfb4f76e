defmodule BinaryCache.Case do
  @moduledoc """
  Caches in new folders, and requests to them byte by byte.
  """

  use ExUnit.CaseTemplate
  alias Chunker.Nix

  using do
    quote do
      import BinaryCache.Case
      alias BinaryCache.Nar
    end
  end

  setup context do
    root = Path.join(System.tmp_dir!(), "binary-cache-#{System.pid()}-#{System.unique_integer([:positive])}")

    on_exit(fn ->
      _ = System.cmd("chmod", ["-R", "u+w", root], stderr_to_stdout: true)
      File.rm_rf!(root)
    end)

    if context[:cache],
      do: start_cache(Keyword.merge([root: Path.join(root, "cache")], context.cache)),
      else: %{root: root}
  end

  @doc """
  Starts a cache, and returns its name, port and root.
  """
  def start_cache(options) do
    name = options[:name] || :"binary_cache_#{System.unique_integer([:positive])}"
    options = Keyword.merge([http: [port: 0], name: name], options)
    start_supervised!({BinaryCache, options}, id: name)
    %{cache: name, port: BinaryCache.port(name), root: options[:root], options: options}
  end

  @doc """
  Stops a cache and starts it again on the same folder.
  """
  def restart(%{cache: name, options: options}) do
    :ok = stop_supervised(name)
    start_cache(Keyword.put(options, :name, name))
  end

  @doc """
  Returns a secret key with a name, and its public key.
  """
  def key(name) do
    {:ok, secret} = Chunker.Signing.generate_key()
    {:ok, key} = Nix.secret_key(name, secret)
    {:ok, public} = Nix.public_key(key)
    {key, public}
  end

  @doc """
  Sends a request and returns status, headers and body; `:closed` if there was no answer, `:cut` if the body was not
  as long as announced.
  """
  def request(port, method, path, body \\ nil, headers \\ []) do
    length = if body, do: [{"Content-Length", IO.iodata_length(body)}], else: []
    exchange(port, [head(method, path, length ++ [{"Connection", "close"} | headers]), body || ""])
  end

  def head(method, path, headers) do
    lines = for {name, value} <- [{"Host", "x"} | headers], do: "#{name}: #{value}\r\n"
    ["#{method} #{path} HTTP/1.1\r\n", lines, "\r\n"]
  end

  @doc """
  Sends bytes, and returns the answer like `request/5`. With `shutdown: true`, nothing more can come.
  """
  def exchange(port, bytes, options \\ []) do
    {:ok, socket} = :gen_tcp.connect({127, 0, 0, 1}, port, [:binary, active: false])
    # It may be refused before all is sent.
    _ = :gen_tcp.send(socket, bytes)
    if options[:shutdown], do: :gen_tcp.shutdown(socket, :write)
    answer = socket |> read_all([]) |> IO.iodata_to_binary()
    :gen_tcp.close(socket)
    parse(answer, hd(String.split(IO.iodata_to_binary([bytes]), " ", parts: 2)))
  end

  defp read_all(socket, answer) do
    case :gen_tcp.recv(socket, 0, 60_000) do
      {:ok, bytes} -> read_all(socket, [answer, bytes])
      {:error, _} -> answer
    end
  end

  defp parse("HTTP/1.1 100 Continue\r\n\r\n" <> answer, method), do: parse(answer, method)

  defp parse("HTTP/1.1 " <> <<status::binary-size(3)>> <> rest, method) do
    [head, body] = :binary.split(rest, "\r\n\r\n")

    headers =
      for line <- head |> String.split("\r\n") |> tl(),
          [name, value] = String.split(line, ": ", parts: 2),
          into: %{},
          do: {String.downcase(name), value}

    case if(method == "HEAD", do: body, else: whole(headers, body)) do
      :cut -> :cut
      body -> {String.to_integer(status), headers, body}
    end
  end

  defp parse(_, _), do: :closed

  defp whole(%{"transfer-encoding" => "chunked"}, body), do: dechunk(body, [])

  defp whole(%{"content-length" => length}, body),
    do: if("#{byte_size(body)}" == length, do: body, else: :cut)

  defp dechunk(body, pieces) do
    with [size, rest] <- :binary.split(body, "\r\n"),
         size = String.to_integer(size, 16),
         <<piece::binary-size(size), "\r\n", rest::binary>> <- rest do
      if size == 0, do: IO.iodata_to_binary(pieces), else: dechunk(rest, [pieces, piece])
    else
      _ -> :cut
    end
  end

  @doc """
  Returns the status and the text of an answer.
  """
  def outcome({status, _, body}), do: {status, String.trim_trailing(body, "\n")}
  def outcome(other), do: other

  @doc """
  Pushes a NAR as a store path, and returns both answers' status.
  """
  def push(port, nar, store_path, options \\ []) do
    {sent, narinfo} = BinaryCache.Nar.to_send(nar, store_path, options)
    first = request(port, "PUT", "/" <> narinfo.url, sent)
    {elem(first, 0), put_narinfo(port, narinfo)}
  end

  def put_narinfo(port, narinfo) do
    {:ok, text} = Chunker.Nix.NarInfoFile.to_text(narinfo)
    path = "/#{BinaryCache.Record.hash_part(narinfo.narinfo.store_path)}.narinfo"
    {status, _, _} = request(port, "PUT", path, text)
    status
  end

  @doc """
  Returns the narinfo of a store path as the cache serves it, or the status.
  """
  def get_narinfo(port, store_path) do
    case request(port, "GET", "/#{BinaryCache.Record.hash_part(store_path)}.narinfo") do
      {200, _, text} ->
        {:ok, narinfo} = Chunker.Nix.NarInfoFile.parse(text)
        narinfo

      {status, _, _} ->
        status
    end
  end

  @doc """
  Returns the NAR of a store path by its narinfo, `:cut` if it did not come whole.
  """
  def pull(port, store_path) do
    %{url: url, compression: compression} = get_narinfo(port, store_path)

    with {200, _, sent} <- request(port, "GET", "/" <> url),
         do: if(compression == "zstd", do: Chunker.decompress!(sent, codec: :zstd), else: sent)
  end

  @doc """
  Returns whether a condition becomes true within some seconds.
  """
  def eventually(condition, tries \\ 500),
    do: condition.() or (tries > 0 and (Process.sleep(10) == :ok and eventually(condition, tries - 1)))

  @doc """
  Returns what a cache has stored or half stored: names of records and of NARs that wait, and bytes in the store.
  """
  def stored(cache, root) do
    {:ok, usage} = Chunker.Store.usage(BinaryCache.store(cache))
    {File.ls!(Path.join(root, "paths")), File.ls!(Path.join(root, "incoming")), usage.bytes}
  end
end
