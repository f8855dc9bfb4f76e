defmodule Bench do
  @moduledoc "What the benchmarks share."

  @doc "Returns the nanoseconds of a call, on average over `calls`."
  def ns(call, calls \\ 1) do
    start = System.monotonic_time(:nanosecond)
    repeat(call, calls)
    (System.monotonic_time(:nanosecond) - start) / calls
  end

  defp repeat(_, 0), do: :ok

  defp repeat(call, calls) do
    call.()
    repeat(call, calls - 1)
  end

  @doc "Returns how many calls take about a millisecond."
  def calls(call) do
    call.()
    max(1, round(1_000_000 / ns(call, 3)))
  end

  def median(values), do: values |> Enum.sort() |> Enum.at(div(length(values), 2))

  @doc "Returns the value below which a share of the values lies."
  def quantile(values, share),
    do: values |> Enum.sort() |> Enum.at(min(length(values) - 1, trunc(length(values) * share)))

  def row(cells), do: IO.puts("| " <> Enum.join(cells, " | ") <> " |")

  def header(cells) do
    row(cells)
    row(Enum.map(cells, fn _ -> "---" end))
  end

  def size(bytes) when bytes >= 1_048_576, do: "#{div(bytes, 1_048_576)} MiB"
  def size(bytes), do: "#{div(bytes, 1024)} KiB"

  def time(ns) when ns >= 10_000_000, do: "#{Float.round(ns / 1.0e6, 1)} ms"
  def time(ns) when ns >= 10_000, do: "#{Float.round(ns / 1.0e3, 1)} µs"
  def time(ns), do: "#{round(ns)} ns"
end
