defmodule BinaryCache.Incoming do
  @moduledoc """
  NARs that wait for their narinfo.

  Nix sends a NAR first, and then the narinfo that says which store paths it refers to. Chunks without these
  references are others than those with them, and what a store has once it keeps for a day at least. So a NAR is
  not chunked when it comes, but written to a file, decompressed, under the name it was sent by: that of the digest
  of what was sent. It is removed once its narinfo is accepted, or when none came in time.

  | in the file | bytes |
  |---|---|
  | SHA-256 digest of the NAR | 32 |
  | bytes that were sent, big-endian | 8 |
  | how they were compressed: place in the list of names | 1 |
  | the NAR | the rest |
  """

  import BinaryCache.Refusal, only: [refuse: 2]
  alias BinaryCache.{Body, Cache, Files, Refusal, Unpacker}
  alias Chunker.{Hasher, Nix}
  alias Ingest.Http.Request

  @enforce_keys [:path, :nar_hash, :nar_size, :file_size, :compression]
  defstruct @enforce_keys

  @type t :: %__MODULE__{
          path: Path.t(),
          nar_hash: Chunker.digest(),
          nar_size: pos_integer,
          file_size: pos_integer,
          compression: String.t()
        }

  @header_bytes 41
  @compressions ~w(none xz zstd bzip2 gzip lz4)
  @piece_bytes 1024 * 1024

  @doc """
  Keeps the NAR in a request's body, which must have the digest `file_hash`, in Nix's base32.

  It is durable when this returns.
  """
  @spec receive_nar(Cache.t(), Request.t(), String.t()) ::
          {:ok, Unpacker.t(), Request.t()} | {:error, Refusal.t(), Request.t()}
  def receive_nar(cache, request, file_hash) do
    Files.fill!(path(cache, file_hash), fn file ->
      Files.append!(file, <<0::unit(8)-size(@header_bytes)>>)
      [sent, nar] = [Hasher.new(), Hasher.new()]

      emit = fn block ->
        :ok = Hasher.update(nar, block)
        Files.append!(file, block)
      end

      take = fn piece, unpacker ->
        :ok = Hasher.update(sent, piece)
        Unpacker.feed(unpacker, piece, emit)
      end

      with {:ok, unpacker, request} <- Body.reduce(request, Unpacker.new(cache.limits), take) do
        with :ok <- check_hash(Hasher.finalize(sent), file_hash),
             {:ok, unpacker} <- Unpacker.finish(unpacker, emit) do
          Files.overwrite!(file, 0, header(Hasher.finalize(nar), unpacker))
          {:ok, unpacker, request}
        else
          {:error, refusal} -> {:error, refusal, request}
        end
      end
    end)
  end

  defp check_hash(digest, file_hash) do
    case Nix.base32_encode(digest) do
      ^file_hash -> :ok
      actual -> refuse(422, "the body has the hash #{actual}, not the one in its name")
    end
  end

  defp header(nar_hash, %{received: received, compression: compression}) do
    index = Enum.find_index(@compressions, &(&1 == compression))
    <<nar_hash::binary-size(32), received::64, index>>
  end

  @doc """
  Returns the NAR that was sent with the digest `file_hash`, `nil` if none waits.
  """
  @spec find(Cache.t(), String.t()) :: t | nil
  def find(cache, file_hash) do
    path = path(cache, file_hash)

    Files.with_file!(path, fn file ->
      {:ok, <<nar_hash::binary-size(32), file_size::64, index>>} = :file.pread(file, 0, @header_bytes)
      {:ok, length} = :file.position(file, :eof)

      %__MODULE__{
        path: path,
        nar_hash: nar_hash,
        nar_size: length - @header_bytes,
        file_size: file_size,
        compression: Enum.at(@compressions, index)
      }
    end)
  end

  @doc """
  Returns a stream of the NAR's bytes in pieces of 1 MiB.

  Throws `:gone` if the NAR waits no longer, and `:damaged` at its end if its bytes have changed.
  """
  @spec stream(t) :: Enumerable.t()
  def stream(%__MODULE__{path: path, nar_hash: nar_hash}) do
    Stream.resource(
      fn ->
        case :file.open(path, [:raw, :read, :binary]) do
          {:ok, file} ->
            {:ok, @header_bytes} = :file.position(file, @header_bytes)
            {file, Hasher.new()}

          {:error, :enoent} ->
            throw(:gone)

          {:error, reason} ->
            raise File.Error, reason: reason, action: "open", path: path
        end
      end,
      fn {file, hasher} ->
        case :file.read(file, @piece_bytes) do
          {:ok, piece} ->
            :ok = Hasher.update(hasher, piece)
            {[piece], {file, hasher}}

          :eof ->
            unless Hasher.finalize(hasher) == nar_hash, do: throw(:damaged)
            {:halt, {file, hasher}}

          {:error, reason} ->
            raise File.Error, reason: reason, action: "read", path: path
        end
      end,
      fn {file, _} -> :file.close(file) end
    )
  end

  @spec remove(t) :: :ok
  def remove(%__MODULE__{path: path}) do
    _ = Files.remove!(path)
    :ok
  end

  @doc """
  Removes the NAR that was sent with the digest `file_hash`, if one waits.
  """
  @spec discard(Cache.t(), String.t()) :: :ok
  def discard(cache, file_hash) do
    _ = Files.remove!(path(cache, file_hash))
    :ok
  end

  @doc """
  Removes NARs that have waited for longer than the limits say, and returns how many.
  """
  @spec expire(Cache.t()) :: non_neg_integer
  def expire(cache), do: Files.expire!(cache.incoming, cache.limits.expiry)

  defp path(cache, file_hash), do: Path.join(cache.incoming, file_hash)
end
