defmodule Chunker.Manifest do
  @moduledoc """
  The list of an input's chunks, in a form that you can name, send, store and verify.

  A manifest lists the chunks of one input in order, with the profile that cut them. Equal inputs have equal
  canonical bytes, and the digest of these bytes, the `:root_digest`, names the input.

      iex> manifest = Chunker.Manifest.new!(Chunker.chunk!("abc"))
      iex> manifest.profile
      "fastcdc-v2020/nc1/262144-1048576-4194304/sha256"
      iex> {:ok, ^manifest} = Chunker.Manifest.parse(manifest.bytes)
      iex> Chunker.Manifest.verify(manifest, ["a", "bc"])
      :ok
      iex> Chunker.Manifest.verify(manifest, "abd")
      {:error, :chunk_digest_mismatch}
  """

  alias Chunker.{Error, Native, Options, Scheduling}

  @enforce_keys [:bytes, :profile, :hash, :total_length, :chunks, :root_digest]
  @derive {Inspect, only: [:profile, :total_length]}
  defstruct @enforce_keys

  @typedoc """
  Canonical bytes, profile id, hash algorithm, length of the input in bytes, chunks, and the digest of the
  canonical bytes with the same algorithm. Only `new/2` and `parse/2` create manifests.
  """
  @type t :: %__MODULE__{
          bytes: binary,
          profile: String.t(),
          hash: Chunker.hash_algorithm(),
          total_length: non_neg_integer,
          chunks: [Chunker.chunk()],
          root_digest: Chunker.digest()
        }

  @typedoc "Returns the bytes of a chunk from where it is stored."
  @type fetch :: (Chunker.chunk() -> {:ok, iodata} | {:error, term})

  @doc """
  Returns the manifest of an input with the given chunks, which were cut with the same
  [profile](Chunker.html#module-profiles).

  Returns `{:error, :chunk_sequence_invalid}` if the chunks do not follow each other from offset 0, or have
  lengths that no input can have with this profile.
  """
  @spec new([Chunker.chunk() | Chunker.payload_chunk()], [Chunker.option()]) ::
          {:ok, t} | {:error, Chunker.error()}
  def new(chunks, options \\ []) do
    profile = Options.profile(options)

    without_payloads =
      Enum.map(chunks, fn
        {hash, offset, length, _payload} -> {hash, offset, length}
        chunk -> chunk
      end)

    without_payloads |> Native.manifest_new_dirty(profile) |> from_parts()
  end

  @doc """
  Like `new/2`, but returns the manifest alone, or raises `Chunker.Error`.
  """
  @spec new!([Chunker.chunk() | Chunker.payload_chunk()], [Chunker.option()]) :: t
  def new!(chunks, options \\ []), do: chunks |> new(options) |> Error.unwrap!()

  @doc """
  Returns the manifest with these canonical bytes.

  ## Options

    * `:max_bytes` - largest number of bytes to accept, by default 64 MiB, which is 1.8 million chunks
  """
  @spec parse(binary, max_bytes: non_neg_integer) :: {:ok, t} | {:error, Chunker.error()}
  def parse(bytes, options \\ []) do
    options = Keyword.validate!(options, max_bytes: nil)
    bytes |> Native.manifest_parse_dirty(options[:max_bytes]) |> from_parts()
  end

  @doc """
  Like `parse/2`, but returns the manifest alone, or raises `Chunker.Error`.
  """
  @spec parse!(binary, max_bytes: non_neg_integer) :: t
  def parse!(bytes, options \\ []), do: bytes |> parse(options) |> Error.unwrap!()

  defp from_parts({:ok, {bytes, profile, hash, total_length, chunks, root_digest}}) do
    {:ok,
     %__MODULE__{
       bytes: bytes,
       profile: profile,
       hash: hash,
       total_length: total_length,
       chunks: chunks,
       root_digest: root_digest
     }}
  end

  defp from_parts({:error, _} = error), do: error

  @doc """
  Checks that `payload` is the content of `chunk` in the manifest.
  """
  @spec verify_chunk(t, Chunker.chunk(), binary) :: :ok | {:error, Chunker.error()}
  def verify_chunk(%__MODULE__{hash: algorithm}, {hash, _offset, length}, payload) do
    cond do
      byte_size(payload) != length -> {:error, :chunk_length_mismatch}
      Scheduling.hash(payload, algorithm) != {:ok, hash} -> {:error, :chunk_digest_mismatch}
      true -> :ok
    end
  end

  @doc """
  Checks that `input` is exactly the manifest's input. It is a binary, or an enumerable of pieces, each an
  `t:iodata/0`. Holds one chunk and one piece in memory.
  """
  @spec verify(t, binary | Enumerable.t()) :: :ok | {:error, Chunker.error()}
  def verify(%__MODULE__{} = manifest, input) when is_binary(input), do: verify(manifest, [input])

  def verify(%__MODULE__{chunks: chunks} = manifest, input) do
    result =
      Enum.reduce_while(input, {chunks, [], 0}, fn piece, {chunks, buffer, bytes} ->
        case verify_prefix(manifest, chunks, [buffer, piece], bytes + IO.iodata_length(piece)) do
          {:error, _} = error -> {:halt, error}
          rest -> {:cont, rest}
        end
      end)

    case result do
      {[], _, 0} -> :ok
      {_, _, _} -> {:error, :chunk_length_mismatch}
      error -> error
    end
  end

  defp verify_prefix(_, [], _, bytes) when bytes > 0, do: {:error, :chunk_length_mismatch}

  defp verify_prefix(manifest, [{_, _, length} = chunk | chunks], buffer, bytes)
       when bytes >= length do
    <<payload::binary-size(length), rest::binary>> = IO.iodata_to_binary(buffer)

    with :ok <- verify_chunk(manifest, chunk, payload),
         do: verify_prefix(manifest, chunks, rest, bytes - length)
  end

  defp verify_prefix(_, chunks, buffer, bytes), do: {chunks, buffer, bytes}

  @doc """
  Returns a stream of the input's chunks as binaries. `fetch` returns each chunk, and the stream verifies it.

  Raises `Chunker.Error` if a chunk does not match the manifest, or if `fetch` does not return it; the output
  until then is a correct prefix of the input.
  """
  @spec stream!(t, fetch) :: Enumerable.t()
  def stream!(%__MODULE__{chunks: chunks} = manifest, fetch) do
    Stream.map(chunks, &(manifest |> fetch_chunk(&1, fetch) |> Error.unwrap!()))
  end

  @doc """
  Reassembles the input, from chunks that `fetch` returns, into a collectable such as a `File.Stream`.

  Verifies every chunk before it collects it. Returns the collectable, or the first error;
  `:chunk_unavailable` means that `fetch` returned an error.

      iex> manifest = Chunker.Manifest.new!(Chunker.chunk!("abc"))
      iex> Chunker.Manifest.reassemble(manifest, fn {_hash, 0, 3} -> {:ok, "abc"} end, [])
      {:ok, ["abc"]}
      iex> Chunker.Manifest.reassemble(manifest, fn _ -> {:error, :enoent} end, [])
      {:error, :chunk_unavailable}
  """
  @spec reassemble(t, fetch, Collectable.t()) ::
          {:ok, Collectable.t()} | {:error, Chunker.error()}
  def reassemble(%__MODULE__{} = manifest, fetch, into) do
    {:ok, manifest |> stream!(fetch) |> Enum.into(into)}
  rescue
    error in Error -> {:error, error.code}
  end

  defp fetch_chunk(manifest, chunk, fetch) do
    case fetch.(chunk) do
      {:ok, payload} ->
        payload = IO.iodata_to_binary(payload)
        with :ok <- verify_chunk(manifest, chunk, payload), do: {:ok, payload}

      {:error, _} ->
        {:error, :chunk_unavailable}
    end
  end
end
