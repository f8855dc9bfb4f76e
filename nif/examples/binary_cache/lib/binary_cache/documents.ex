defmodule BinaryCache.Documents do
  @moduledoc """
  Listings of NARs, build logs and realisations, which Nix sends along with NARs, and the cache keeps unchanged.

  They are not signed, and the last one sent under a name replaces the one before, as in every Nix cache. A listing is
  removed with its store path, or after a day if that never arrives.

  | in the file | |
  |---|---|
  | `CBD1`, and a line feed | |
  | the `Content-Encoding` of the bytes | a line |
  | the bytes | |
  | SHA-256 digest of all of that | 32 bytes |
  """

  import BinaryCache.Refusal, only: [refuse: 2]
  alias BinaryCache.{Body, Cache, Catalog, Files, Refusal}
  alias Chunker.Hasher
  alias Ingest.Http.Request

  @typedoc "The directory of a kind of document, and the name of the file in it."
  @type name :: {kind :: String.t(), String.t()}

  @kinds %{
    "listings" => "application/json",
    "logs" => "text/plain; charset=utf-8",
    "realisations" => "application/json"
  }

  @base32 "[0-9a-df-np-sv-z]{32}"
  @names [
    {"listings", Regex.compile!("\\A/(#{@base32})\\.ls\\z")},
    {"logs", Regex.compile!("\\A/log/(#{@base32}-[0-9A-Za-z+._?=-]{1,211})\\z")},
    {"realisations", ~r"\A/realisations/(sha256:[0-9a-f]{64}![0-9A-Za-z+._?=-]{1,150})\.doi\z"}
  ]

  @doc """
  Returns the name of the document at an address, `nil` if it is not the address of one.
  """
  @spec name(String.t()) :: name | nil
  def name(target) do
    Enum.find_value(@names, fn {kind, regex} ->
      with [_, name] <- Regex.run(regex, target), do: {kind, name}
    end)
  end

  @doc """
  Returns the type of a document's content.
  """
  @spec content_type(name) :: String.t()
  def content_type({kind, _}), do: Map.fetch!(@kinds, kind)

  @doc """
  Creates the directories.
  """
  @spec prepare!(Path.t()) :: :ok
  def prepare!(directory) do
    for {kind, _} <- @kinds, do: directory |> Path.join(kind) |> Files.prepare!()
    :ok
  end

  @doc """
  Keeps the body of a request. It is durable when this returns.
  """
  @spec put(Cache.t(), Request.t(), name) :: {:ok, Request.t()} | {:error, Refusal.t(), Request.t()}
  def put(cache, request, name) do
    case request |> Request.values("content-encoding") |> Enum.join(",") do
      encoding when encoding == "" or byte_size(encoding) <= 20 ->
        fill(cache, request, name, encoding)

      _ ->
        with {:error, refusal} <- refuse(415, "the Content-Encoding is too long"),
             do: {:error, refusal, request}
    end
  end

  defp fill(cache, request, name, encoding) do
    Files.fill!(path(cache, name), fn file ->
      hasher = Hasher.new()

      append = fn bytes ->
        :ok = Hasher.update(hasher, bytes)
        Files.append!(file, bytes)
      end

      append.(head(encoding))

      with {:ok, _, request} <- Body.reduce(request, :ok, fn piece, :ok -> {append.(piece), :ok} end) do
        Files.append!(file, Hasher.finalize(hasher))
        {:ok, request}
      end
    end)
  end

  defp head(encoding), do: "CBD1\n#{encoding}\n"

  @doc """
  Returns a document's encoding, its length in bytes, and a stream of its bytes, or `nil` if it is not stored.

  If the document is damaged, the stream raises instead of yielding its last piece.
  """
  @spec get(Cache.t(), name) ::
          {:ok, encoding :: String.t(), non_neg_integer, Enumerable.t()} | :damaged | nil
  def get(cache, name) do
    path = path(cache, name)

    Files.with_file!(path, fn file ->
      with {:ok, <<"CBD1\n", head::binary>>} <- :file.pread(file, 0, 26),
           [encoding, _] <- :binary.split(head, "\n"),
           {:ok, size} <- :file.position(file, :eof),
           length when length >= 0 <- size - byte_size(head(encoding)) - 32 do
        {:ok, encoding, length, stream(path, encoding, length)}
      else
        _ -> :damaged
      end
    end)
  end

  @piece_bytes 256 * 1024

  defp stream(path, encoding, length) do
    Stream.resource(
      fn ->
        {:ok, file} = :file.open(path, [:raw, :read, :binary])
        {:ok, _} = :file.position(file, byte_size(head(encoding)))
        hasher = Hasher.new()
        :ok = Hasher.update(hasher, head(encoding))
        {file, hasher, length}
      end,
      fn
        {file, hasher, 0} -> {:halt, {file, hasher, 0}}
        {file, hasher, left} -> next(path, file, hasher, left)
      end,
      fn {file, _, _} -> :file.close(file) end
    )
  end

  defp next(path, file, hasher, left) do
    take = min(left, @piece_bytes)

    with {:ok, <<piece::binary-size(take)>>} <- :file.read(file, take),
         :ok <- Hasher.update(hasher, piece),
         true <- left > take or :file.read(file, 32) == {:ok, Hasher.finalize(hasher)} do
      {[piece], {file, hasher, left - take}}
    else
      _ -> raise "#{path} is damaged"
    end
  end

  @doc """
  Removes the listing of a store path, by its hash.
  """
  @spec remove_listing(Cache.t(), String.t()) :: :ok
  def remove_listing(cache, hash) do
    _ = Files.remove!(path(cache, {"listings", hash}))
    :ok
  end

  @doc """
  Removes listings that have waited for their store path longer than the limits allow, and returns how many.
  """
  @spec expire(Cache.t()) :: non_neg_integer
  def expire(cache) do
    lonely? = fn hash -> Catalog.read(cache.records, hash) == nil end
    Files.expire!(Path.join(cache.documents, "listings"), cache.limits.expiry, lonely?)
  end

  defp path(cache, {kind, name}), do: Path.join([cache.documents, kind, name])
end
