# Whether others wait: how late a ticker of 1 ms is, and how long chunking 64 KiB and 256 KiB takes, with nothing
# else to do, beside two processes that chunk 256 MiB each again and again, and beside the same in one
# call each.
Code.require_file("support.exs", __DIR__)

defmodule Bench.Fairness do
  @moduledoc "Two processes that wait, beside two that work."

  @seconds 5

  def run(name) do
    tasks = [
      Task.async(fn -> tick(deadline(), []) end)
      | for(
          kib <- [64, 256],
          do: Task.async(fn -> call(:crypto.strong_rand_bytes(kib * 1024), deadline(), []) end)
        )
    ]

    Bench.row([name | for(values <- Task.await_many(tasks, :infinity), cell <- cells(values), do: cell)])
  end

  def beside(name, job) do
    workers = for _ <- 1..2, do: spawn_link(fn -> forever(job) end)
    Process.sleep(200)
    run(name)
    for worker <- workers, do: Process.unlink(worker) && Process.exit(worker, :kill)
    Process.sleep(1500)
  end

  defp cells(values),
    do: Enum.map([Bench.median(values), Bench.quantile(values, 0.99), Enum.max(values)], &Bench.time/1)

  defp deadline, do: now() + @seconds * 1_000_000_000
  defp now, do: System.monotonic_time(:nanosecond)

  defp tick(deadline, late) do
    start = now()
    Process.sleep(1)
    late = [now() - start - 1_000_000 | late]
    if now() < deadline, do: tick(deadline, late), else: late
  end

  defp call(data, deadline, latency) do
    start = now()
    {:ok, _} = Chunker.chunk(data)
    latency = [now() - start | latency]
    Process.sleep(5)
    if now() < deadline, do: call(data, deadline, latency), else: latency
  end

  defp forever(job) do
    {:ok, _} = job.()
    forever(job)
  end
end

large = :crypto.strong_rand_bytes(256 * 1024 * 1024)

columns =
  for what <- ["ticker late", "64 KiB", "256 KiB"], column <- ["#{what}: median", "99 %", "worst"], do: column

Bench.header(["beside" | columns])
Bench.Fairness.run("nothing")
Bench.Fairness.beside("two jobs in slices", fn -> Chunker.chunk(large) end)
one_call = fn -> Chunker.Native.chunk_data_dirty(large, nil, false) end
Bench.Fairness.beside("two jobs in one call each", one_call)
