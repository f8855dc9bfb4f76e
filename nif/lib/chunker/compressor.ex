defmodule Chunker.Compressor do
  @moduledoc """
  Compression of bytes that arrive in pieces.

      iex> {:ok, compressor} = Chunker.Compressor.open(codec: :lz4)
      iex> {:ok, first} = Chunker.Compressor.feed(compressor, "a piece, ")
      iex> {:ok, second} = Chunker.Compressor.feed(compressor, ["and ", "another"])
      iex> {:ok, last} = Chunker.Compressor.finish(compressor)
      iex> Chunker.decompress(first <> second <> last)
      {:ok, "a piece, and another"}

  `Chunker.compress_stream/2` does this for an enumerable of pieces.

  A compressor holds the codec's window and one piece in memory. It belongs to the process that opened it:
  when that process ends, the compressor is closed and its memory freed. An error closes it too.
  """

  alias Chunker.{Native, Options, Scheduling, Telemetry}

  @enforce_keys [:encoder, :codec, :level]
  @derive {Inspect, only: [:codec, :level]}
  defstruct @enforce_keys

  @opaque t :: %__MODULE__{encoder: reference, codec: Chunker.codec(), level: integer | nil}

  @doc """
  Returns a new compressor. Takes the options of `Chunker.compress/2`.

      iex> Chunker.Compressor.open(codec: :xz, level: 10)
      {:error, :invalid_compression_level}
  """
  @spec open([Chunker.compress_option()]) :: {:ok, t} | {:error, Chunker.error()}
  def open(options \\ []) do
    {codec, level, dictionary} = Options.compression(options)

    with {:ok, encoder} <- Native.compressor_open_dirty(codec, level, dictionary),
         do: {:ok, %__MODULE__{encoder: encoder, codec: codec, level: level}}
  end

  @doc """
  Reads all of `piece` and returns the output so far, often nothing.

  Returns `{:error, :chunker_busy}` if another process is feeding the compressor.
  """
  @spec feed(t, iodata) :: {:ok, binary} | {:error, Chunker.error()}
  def feed(%__MODULE__{encoder: encoder, codec: codec, level: level}, piece) do
    piece = IO.iodata_to_binary(piece)

    Telemetry.measure(:compress, byte_size(piece), fn ->
      Scheduling.compressor_feed(encoder, piece, codec, level)
    end)
  end

  @doc """
  Ends the input, returns the rest of the output, and closes the compressor.

  Without this call, the compressed data is truncated.
  """
  @spec finish(t) :: {:ok, binary} | {:error, Chunker.error()}
  def finish(%__MODULE__{encoder: encoder}),
    do: Telemetry.measure(:compress, 0, fn -> Native.compressor_finish_dirty(encoder) end)

  @doc false
  @spec close(t) :: term
  def close(%__MODULE__{encoder: encoder}), do: Native.compressor_close(encoder)
end
