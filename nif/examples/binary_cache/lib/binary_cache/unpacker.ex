defmodule BinaryCache.Unpacker do
  @moduledoc """
  Takes a NAR out of what was sent, as it comes, within the limits.

  The first bytes say how it is compressed. The name does not: Nix gives a NAR compressed by gzip the name of one
  that is not.
  """

  import BinaryCache.Refusal, only: [refuse: 2]
  alias BinaryCache.{Limits, Refusal}
  alias Chunker.Decompressor

  @enforce_keys [:limits]
  defstruct @enforce_keys ++ [state: :begin, head: "", compression: nil, received: 0, produced: 0]

  @typedoc """
  `:compression` has the name that Nix uses, `:received` and `:produced` are bytes.
  """
  @type t :: %__MODULE__{
          limits: Limits.t(),
          state: :begin | :plain | {:gzip, :zlib.zstream()} | {:codec, Decompressor.t()},
          head: binary,
          compression: String.t() | nil,
          received: non_neg_integer,
          produced: non_neg_integer
        }

  @typedoc "Is called with each block of the NAR, at most 1 MiB."
  @type emit :: (binary -> :ok)

  @nar_magic <<13::little-64, "nix-archive-1", 0, 0, 0>>
  @ratio_from 64 * 1024 * 1024

  @spec new(Limits.t()) :: t
  def new(limits), do: %__MODULE__{limits: limits}

  @doc """
  Reads all of `piece`, and emits what it contains.
  """
  @spec feed(t, binary, emit) :: {:ok, t} | {:error, Refusal.t()}
  def feed(unpacker, piece, emit) do
    unpacker = %{unpacker | received: unpacker.received + byte_size(piece)}
    unpack(unpacker, piece, emit)
  end

  @doc """
  Ends the input, which must be whole, and emits the rest.
  """
  @spec finish(t, emit) :: {:ok, t} | {:error, Refusal.t()}
  def finish(unpacker, emit) do
    with {:ok, unpacker} <- complete(unpacker, emit),
         do: if(unpacker.produced < byte_size(@nar_magic), do: unknown(), else: {:ok, unpacker})
  end

  defp complete(%{state: :begin}, _), do: unknown()
  defp complete(%{state: :plain} = unpacker, _), do: {:ok, unpacker}

  defp complete(%{state: {:gzip, stream}} = unpacker, _) do
    :ok = :zlib.inflateEnd(stream)
    {:ok, unpacker}
  rescue
    ErlangError -> failed(:truncated_data, unpacker)
  end

  defp complete(%{state: {:codec, decompressor}} = unpacker, emit) do
    case Decompressor.finish(decompressor) do
      {:more, block} -> with {:ok, unpacker} <- produce(unpacker, block, emit), do: complete(unpacker, emit)
      {:ok, block} -> produce(unpacker, block, emit)
      {:error, code} -> failed(code, unpacker)
    end
  end

  defp unpack(%{state: :begin, head: head} = unpacker, piece, emit) do
    case head <> piece do
      bytes when byte_size(bytes) < byte_size(@nar_magic) -> {:ok, %{unpacker | head: bytes}}
      bytes -> with {:ok, unpacker} <- recognize(unpacker, bytes), do: unpack(unpacker, bytes, emit)
    end
  end

  defp unpack(%{state: :plain} = unpacker, piece, emit), do: produce(unpacker, piece, emit)

  defp unpack(%{state: {:gzip, stream}} = unpacker, piece, emit) do
    {progress, output} = :zlib.safeInflate(stream, piece)

    with {:ok, unpacker} <- produce(unpacker, IO.iodata_to_binary(output), emit) do
      if progress == :continue, do: unpack(unpacker, "", emit), else: {:ok, unpacker}
    end
  rescue
    error in ErlangError ->
      if error.original == :data_error,
        do: failed(:decode_error, unpacker),
        else: reraise(error, __STACKTRACE__)
  end

  defp unpack(%{state: {:codec, decompressor}} = unpacker, piece, emit) do
    case Decompressor.feed(decompressor, piece) do
      {:more, block} -> with {:ok, unpacker} <- produce(unpacker, block, emit), do: unpack(unpacker, "", emit)
      {:ok, block} -> produce(unpacker, block, emit)
      {:error, code} -> failed(code, unpacker)
    end
  end

  defp recognize(unpacker, @nar_magic <> _), do: {:ok, %{unpacker | state: :plain, compression: "none"}}

  defp recognize(unpacker, <<0x1F, 0x8B, _::binary>>) do
    stream = :zlib.open()
    # 16 and the largest window: gzip, and nothing else. One member may follow another.
    :ok = :zlib.inflateInit(stream, 16 + 15, :reset)
    {:ok, %{unpacker | state: {:gzip, stream}, compression: "gzip"}}
  end

  defp recognize(unpacker, <<0x28, 0xB5, 0x2F, 0xFD, _::binary>>), do: codec(unpacker, :zstd)
  defp recognize(unpacker, <<0xFD, "7zXZ", 0, _::binary>>), do: codec(unpacker, :xz)
  defp recognize(unpacker, "BZh" <> _), do: codec(unpacker, :bzip2)
  defp recognize(unpacker, <<0x04, 0x22, 0x4D, 0x18, _::binary>>), do: codec(unpacker, :lz4)
  defp recognize(_, _), do: unknown()

  defp codec(%{limits: limits} = unpacker, codec) do
    options = [codec: codec, max_output: limits.max_nar_bytes, max_window_log: limits.max_window_log]
    {:ok, decompressor} = Decompressor.open(options)
    {:ok, %{unpacker | state: {:codec, decompressor}, compression: Atom.to_string(codec)}}
  end

  defp produce(unpacker, "", _), do: {:ok, unpacker}

  defp produce(%{produced: 0, state: state} = unpacker, block, emit) when state != :plain do
    # A first block may be short.
    length = min(byte_size(block), byte_size(@nar_magic))

    if binary_part(block, 0, length) == binary_part(@nar_magic, 0, length),
      do: emit(unpacker, block, emit),
      else: unknown()
  end

  defp produce(unpacker, block, emit), do: emit(unpacker, block, emit)

  defp emit(%{limits: limits} = unpacker, block, emit) do
    produced = unpacker.produced + byte_size(block)

    cond do
      produced > limits.max_nar_bytes ->
        too_large(limits)

      produced > @ratio_from and produced > limits.max_ratio * unpacker.received ->
        refuse(413, "the NAR is more than #{limits.max_ratio} times larger than what was sent")

      true ->
        :ok = emit.(block)
        {:ok, %{unpacker | produced: produced}}
    end
  end

  defp unknown, do: refuse(415, "the body is not a NAR, nor one compressed by xz, zstd, bzip2, gzip or LZ4")

  defp too_large(limits), do: refuse(413, "the NAR has more than #{limits.max_nar_bytes} bytes")

  defp failed(:size_exceeded, %{limits: limits}), do: too_large(limits)

  defp failed(code, %{limits: limits}) when code in [:window_exceeded, :memory_limit_exceeded],
    do: refuse(413, "decompressing the NAR takes more memory than 2^#{limits.max_window_log} bytes")

  defp failed(:truncated_data, unpacker), do: refuse(400, "the #{unpacker.compression} data is truncated")
  defp failed(_, unpacker), do: refuse(400, "the #{unpacker.compression} data is damaged")
end
