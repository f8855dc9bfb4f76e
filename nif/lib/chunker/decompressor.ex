defmodule Chunker.Decompressor do
  @moduledoc """
  Decompression of bytes that arrive in pieces, in bounded memory.

      iex> {:ok, decompressor} = Chunker.Decompressor.open(max_output: 1_000_000)
      iex> <<head::binary-size(9), tail::binary>> = Chunker.compress!("some bytes")
      iex> {:ok, first} = Chunker.Decompressor.feed(decompressor, head)
      iex> {:ok, second} = Chunker.Decompressor.feed(decompressor, tail)
      iex> {:ok, last} = Chunker.Decompressor.finish(decompressor)
      iex> first <> second <> last
      "some bytes"

  A small piece may have a large content, so a call returns at most a block of it, 1 MiB unless
  `:slice_bytes` is configured otherwise. `{:more, block}` says that the next call has more without another
  piece:

      def write(decompressor, piece, file) do
        case Chunker.Decompressor.feed(decompressor, piece) do
          {:ok, block} -> IO.binwrite(file, block)
          {:more, block} -> with :ok <- IO.binwrite(file, block), do: write(decompressor, "", file)
          {:error, code} -> {:error, code}
        end
      end

  `Chunker.decompress_stream/2` does this for an enumerable of pieces.

  A decompressor holds the codec's window and what it was fed and has not returned. It belongs to the process
  that opened it: when that ends, the decompressor is closed and its memory freed. After an error it is closed
  too. What was returned before an error is a correct prefix of the content.
  """

  alias Chunker.{Native, Nif, Options, Telemetry}

  @opaque t :: reference

  @doc """
  Returns a decompressor that has seen no data. Takes the options of `Chunker.decompress/2`: without
  `:codec`, it is the one that the first bytes of the data name.
  """
  @spec open([Chunker.decompress_option()]) :: {:ok, t} | {:error, Chunker.error()}
  def open(options \\ []) do
    {codec, limits, dictionary} = Options.decompression(options)
    Nif.decompressor_open_dirty(codec, limits, dictionary)
  end

  @doc """
  Reads all of `piece` and returns what it contains, or a block of that and `:more`.

  `{:error, :chunker_busy}` says that another process is feeding the decompressor.
  """
  @spec feed(t, iodata) :: {:ok, binary} | {:more, binary} | {:error, Chunker.error()}
  def feed(decompressor, piece) do
    piece = IO.iodata_to_binary(piece)

    Telemetry.measure(:decompress, byte_size(piece), fn ->
      Native.decompressor_feed(decompressor, piece)
    end)
  end

  @doc """
  Ends the data and returns the rest of the content; with `:more`, call it again.

  `{:ok, rest}` says that the data were whole, and closes the decompressor; truncated data is an error.
  """
  @spec finish(t) :: {:ok, binary} | {:more, binary} | {:error, Chunker.error()}
  def finish(decompressor),
    do: Telemetry.measure(:decompress, 0, fn -> Native.decompressor_finish(decompressor) end)

  @doc false
  @spec close(t) :: term
  def close(decompressor), do: Nif.decompressor_close(decompressor)
end
