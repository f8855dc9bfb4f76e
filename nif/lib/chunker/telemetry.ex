defmodule Chunker.Telemetry do
  @moduledoc """
  Events for `:telemetry`, if that library is loaded at the first call; otherwise nothing is measured.

  | event | measurements | when |
  |---|---|---|
  | `[:chunker, :chunk, :stop]` | `:duration`, `:bytes`, `:chunks` | `Chunker.chunk/2` returned |
  | `[:chunker, :feed, :stop]` | `:duration`, `:bytes`, `:chunks` | `Chunker.feed/2` returned; a stream feeds every piece |
  | `[:chunker, :finish, :stop]` | `:duration`, `:bytes`, `:chunks` | `Chunker.finish/1` returned; a stream finishes at its end |
  | `[:chunker, :chunk_batch, :stop]` | `:duration`, `:bytes`, `:inputs` | `Chunker.chunk_batch/2` returned |
  | `[:chunker, :compress_batch, :stop]` | `:duration`, `:bytes`, `:inputs` | `Chunker.compress_batch/2` returned |
  | `[:chunker, :compress, :stop]` | `:duration`, `:bytes`, `:output_bytes` | `Chunker.compress/2` or `Chunker.compress_adaptive/2` returned, or a `Chunker.Compressor` was fed or finished |
  | `[:chunker, :decompress, :stop]` | `:duration`, `:bytes`, `:output_bytes` | `Chunker.decompress/2` returned, or a `Chunker.Decompressor` was fed or finished |
  | `[:chunker, :upload, :stop]` | `:duration`, `:bytes` | `Chunker.Upload.answer/5` returned; a streamed body is not sent yet |

  `:duration` is in native time units. `:bytes` is the length of the input: for a finish 0, for an upload the
  length of the request's body. A stream emits one event for each feed, and one for its finish; their sum is
  the stream's.

  The metadata of an upload is `:operation`, one of `t:Chunker.Upload.Request.operation/0`, or `nil` if the
  head alone decided; `:status`; and `:code`, that of a refusal, or `nil`. The metadata of every other event
  is `%{result: :ok}` or `%{result: {:error, code}}`; with an error, the counts of what was not produced are
  0.

      :telemetry.attach("chunks", [:chunker, :chunk, :stop], fn _event, measurements, _metadata, _config ->
        Logger.info("\#{measurements.chunks} chunks of \#{measurements.bytes} bytes")
      end, nil)
  """

  alias Chunker.Config

  @doc false
  @spec measure(atom, non_neg_integer, (() -> result)) :: result when result: term
  def measure(operation, bytes, call) do
    if Config.get().telemetry do
      start = System.monotonic_time()
      result = call.()
      duration = System.monotonic_time() - start
      {outcome, amount} = outcome(result)
      measurements = %{amount(operation) => amount, duration: duration, bytes: bytes}
      # `:telemetry` is not a dependency, so the compiler may not know it.
      apply(:telemetry, :execute, [[:chunker, operation, :stop], measurements, %{result: outcome}])

      result
    else
      call.()
    end
  end

  @doc false
  @spec upload(integer, non_neg_integer, map) :: :ok
  def upload(start, bytes, metadata) do
    if Config.get().telemetry do
      measurements = %{duration: System.monotonic_time() - start, bytes: bytes}
      apply(:telemetry, :execute, [[:chunker, :upload, :stop], measurements, metadata])
    end

    :ok
  end

  defp amount(operation) when operation in [:chunk, :feed, :finish], do: :chunks
  defp amount(operation) when operation in [:chunk_batch, :compress_batch], do: :inputs
  defp amount(operation) when operation in [:compress, :decompress], do: :output_bytes

  defp outcome({:ok, items}) when is_list(items), do: {:ok, length(items)}
  defp outcome({:ok, {_, output}}), do: {:ok, byte_size(output)}
  defp outcome({:error, _} = error), do: {error, 0}
  defp outcome({_ok_or_more, output}), do: {:ok, byte_size(output)}
end
