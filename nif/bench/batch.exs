# Ten binaries in one call against ten calls, medians of 15 interleaved rounds; and a batch with
# failures.
Code.require_file("support.exs", __DIR__)

Bench.header(["ten inputs of", "ten calls", "one batch", "ten calls / batch", "ten dirty calls / batch"])

for kib <- [1, 16, 64, 256, 1024] do
  inputs = for _ <- 1..10, do: :crypto.strong_rand_bytes(kib * 1024)
  single = fn -> for input <- inputs, do: Chunker.chunk(input) end
  dirty = fn -> for input <- inputs, do: Chunker.Native.chunk_data_dirty(input, nil, false) end
  batch = fn -> Chunker.chunk_batch(inputs) end
  {:ok, results} = batch.()
  ^results = single.()
  calls = Bench.calls(single)
  rounds = for _ <- 1..15, do: {Bench.ns(single, calls), Bench.ns(dirty, calls), Bench.ns(batch, calls)}
  ratio = fn which -> rounds |> Enum.map(which) |> Bench.median() |> Float.round(2) end

  Bench.row([
    Bench.size(kib * 1024),
    rounds |> Enum.map(&elem(&1, 0)) |> Bench.median() |> Bench.time(),
    rounds |> Enum.map(&elem(&1, 2)) |> Bench.median() |> Bench.time(),
    ratio.(fn {single, _, batch} -> single / batch end),
    ratio.(fn {_, dirty, batch} -> dirty / batch end)
  ])
end

IO.inspect(Chunker.chunk_batch(["abc", :not_a_binary, "abc", <<1::3>>, ""]), label: "a batch with failures")
