# Whether others wait: how late a ticker of 1 ms is, with nothing else to do, beside processes that store and read
# files, and beside ones that upload and download them through the protocol's engine.
Code.require_file("support.exs", __DIR__)
Code.require_file("../test/support/uploads.ex", __DIR__)

defmodule Bench.FairnessStores do
  @moduledoc "A process that waits, beside others that work on a store."

  alias Chunker.{Store, Upload, Uploads}

  @seconds 5
  @processes 4

  def run(name, job \\ nil) do
    counter = :counters.new(1, [])

    workers =
      if job, do: for(n <- 1..@processes, do: spawn_link(fn -> forever(job, n, counter) end)), else: []

    if job, do: Process.sleep(500)
    started = :counters.get(counter, 1)
    late = tick(now() + @seconds * 1_000_000_000, [])
    bytes = :counters.get(counter, 1) - started
    for worker <- workers, do: Process.unlink(worker) && Process.exit(worker, :kill)
    Process.sleep(500)
    cells = Enum.map([Bench.median(late), Bench.quantile(late, 0.99), Enum.max(late)], &Bench.time/1)
    Bench.row([name | cells] ++ ["#{round(bytes / @seconds / 1_048_576)} MiB/s"])
  end

  def store(store),
    do: fn seed -> file(seed, fn data -> {:ok, _} = Store.write(store, [data], options()) end) end

  def read(store, root), do: fn _ -> store |> Store.read(root) |> Enum.reduce(0, &(byte_size(&1) + &2)) end

  def upload(upload) do
    fn seed ->
      file(seed, fn data ->
        {requests, _} = Uploads.requests(data, options())

        for request <- requests, do: true = exchange(upload, request).status in [200, 201]
      end)
    end
  end

  def download(upload, root) do
    fn _ ->
      %{status: 200, body: body} = exchange(upload, {"GET", "/v1/files/#{root}", nil})
      Enum.reduce(body, 0, &(byte_size(&1) + &2))
    end
  end

  # Chunking in the caller's process is measured elsewhere.
  defp options, do: [profile: :medium]

  defp file(seed, call) do
    data = :crypto.strong_rand_bytes(4 * 1024 * 1024) <> <<seed>>
    call.(data)
    byte_size(data)
  end

  defp exchange(upload, {method, target, body}) do
    read = fn
      <<piece::binary-size(65_536), rest::binary>> -> {:ok, piece, rest}
      rest -> {:ok, rest, ""}
    end

    {answer, _} = Upload.answer(upload, Uploads.head(method, target, body), body || "", read)
    answer
  end

  defp forever(job, n, counter) do
    :counters.add(counter, 1, job.(n))
    forever(job, n, counter)
  end

  defp now, do: System.monotonic_time(:nanosecond)

  defp tick(deadline, late) do
    start = now()
    Process.sleep(1)
    late = [now() - start - 1_000_000 | late]
    if now() < deadline, do: tick(deadline, late), else: late
  end
end

alias Bench.FairnessStores

directory = Path.join(System.tmp_dir!(), "chunker-fairness-#{System.pid()}")
store = Chunker.Store.open!(directory, cache: :none)
upload = Chunker.Upload.new!(store: store)

{:ok, root} =
  Chunker.Store.write(store, for(_ <- 1..64, do: :crypto.strong_rand_bytes(1_048_576)), profile: :medium)

Bench.header(["beside", "ticker late: median", "99 %", "worst", "work"])
FairnessStores.run("nothing")
FairnessStores.run("4 processes that store files", FairnessStores.store(store))
FairnessStores.run("4 processes that read one", FairnessStores.read(store, root))
FairnessStores.run("4 processes that upload", FairnessStores.upload(upload))
FairnessStores.run("4 processes that download", FairnessStores.download(upload, root))
File.rm_rf!(directory)
