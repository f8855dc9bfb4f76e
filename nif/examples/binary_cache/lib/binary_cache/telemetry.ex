defmodule BinaryCache.Telemetry do
  @moduledoc """
  Events for `:telemetry`, if that library is loaded.

  | event | measurements | metadata | when |
  |---|---|---|---|
  | `[:binary_cache, :receive, :stop]` | `:duration`, `:bytes` | `:result` | a NAR was sent, or refused; `:bytes` are those of its body, as announced |
  | `[:binary_cache, :publish, :stop]` | `:duration`, `:bytes` | `:result`, `:store_path` | a narinfo was sent, or refused; `:bytes` is the size of its NAR |
  | `[:binary_cache, :serve, :stop]` | `:duration`, `:bytes` | `:result`, `:store_path` | a NAR was read to its end, or the reader has gone, or it is damaged; `:bytes` are those that were sent |

  `:duration` is in native units of time. A result is `:ok`, `{:refused, status}`, or `:stopped` for a NAR that was not
  read to its end. The chunks and the store have events and metrics of their own: `Chunker.Telemetry`,
  `Chunker.metrics/0`.
  """

  @spec measure(atom, non_neg_integer, map, (() -> {result, outcome :: term})) :: result when result: term
  def measure(operation, bytes, metadata, work) do
    start = System.monotonic_time()
    {result, outcome} = work.()
    stop(operation, start, bytes, Map.put(metadata, :result, outcome))
    result
  end

  @spec stop(atom, integer, non_neg_integer, map) :: :ok
  def stop(operation, start, bytes, metadata) do
    # `:telemetry` is no dependency, so the compiler need not know it.
    if function_exported?(:telemetry, :execute, 3) do
      measurements = %{duration: System.monotonic_time() - start, bytes: bytes}
      apply(:telemetry, :execute, [[:binary_cache, operation, :stop], measurements, metadata])
    end

    :ok
  end
end
