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

  A small piece may decompress to a lot of data, so a call returns at most one block, 1 MiB unless you
  configure `:slice_bytes`. `{:more, block}` means that the next call returns more, without another piece:

      def write(decompressor, piece, file) do
        case Chunker.Decompressor.feed(decompressor, piece) do
          {:ok, block} -> IO.binwrite(file, block)
          {:more, block} -> with :ok <- IO.binwrite(file, block), do: write(decompressor, "", file)
          {:error, code} -> {:error, code}
        end
      end

  `Chunker.decompress_stream/2` does this for an enumerable of pieces.

  A decompressor holds the codec's window, and the input that it has not decompressed yet, in memory. It
  belongs to the process that opened it: when that process ends, the decompressor is closed and its memory
  freed. An error closes it too; the output before an error is a correct prefix of the content.
  """

  alias Chunker.{Native, Options, Scheduling, Telemetry}

  @opaque t :: reference

  @doc """
  Returns a new decompressor. Takes the options of `Chunker.decompress/2`; without `:codec`, it detects the
  codec from the first bytes of the data.
  """
  @spec open([Chunker.decompress_option()]) :: {:ok, t} | {:error, Chunker.error()}
  def open(options \\ []) do
    {codec, limits, dictionary} = Options.decompression(options)
    Native.decompressor_open_dirty(codec, limits, dictionary)
  end

  @doc """
  Reads all of `piece` and returns its content, or a block of that with `:more`.

  Returns `{:error, :chunker_busy}` if another process is feeding the decompressor.
  """
  @spec feed(t, iodata) :: {:ok, binary} | {:more, binary} | {:error, Chunker.error()}
  def feed(decompressor, piece) do
    piece = IO.iodata_to_binary(piece)

    Telemetry.measure(:decompress, byte_size(piece), fn ->
      Scheduling.decompressor_feed(decompressor, piece)
    end)
  end

  @doc """
  Ends the data and returns the rest of the content; after `:more`, call it again.

  `{:ok, rest}` means that the data was complete, and closes the decompressor; truncated data is an error.
  """
  @spec finish(t) :: {:ok, binary} | {:more, binary} | {:error, Chunker.error()}
  def finish(decompressor),
    do: Telemetry.measure(:decompress, 0, fn -> Scheduling.decompressor_finish(decompressor) end)

  @doc false
  @spec close(t) :: term
  def close(decompressor), do: Native.decompressor_close(decompressor)
end
