# What a call costs beyond its work, per kind of call: medians of 201 interleaved rounds.
Code.require_file("support.exs", __DIR__)

alias Chunker.{Native, Scheduling}

{:ok, chunker} = Chunker.open()
{:ok, hasher} = Native.hasher_open(:blake3)
{:ok, secret_key} = Chunker.Signing.generate_key()
kib = :crypto.strong_rand_bytes(1024)
digest = Chunker.digest("")
id = Chunker.profile!(profile: :medium)
options = [min_size: 1024, avg_size: 4096, max_size: 8192, hash: :blake3]

calls = [
  {"an Elixir function, for comparison", fn -> Function.identity("") end},
  {"NIF, normal scheduler: chunk an empty binary", fn -> Native.chunk_data_normal("", nil, false) end},
  {"the same with the choice of a scheduler", fn -> Scheduling.chunk_data("", nil) end},
  {"Chunker.chunk/2 without options", fn -> Chunker.chunk("") end},
  {"Chunker.chunk/2 with four options", fn -> Chunker.chunk("", options) end},
  {"Chunker.chunk/2 with the name of a profile", fn -> Chunker.chunk("", profile: :medium) end},
  {"Chunker.chunk/2 with the id of a profile", fn -> Chunker.chunk("", profile: id) end},
  {"Chunker.chunk/2 with payloads", fn -> Chunker.chunk("", payloads: true) end},
  {"NIF with a resource: feed an empty piece", fn -> Native.chunker_feed_normal(chunker, "", false) end},
  {"Chunker.feed/2 of an empty piece", fn -> Chunker.feed(chunker, "") end},
  {"an error: sizes that are not allowed",
   fn -> Native.chunk_data_normal("", {1, nil, nil, nil, nil, nil}, false) end},
  {"NIF, dirty scheduler: chunk an empty binary", fn -> Native.chunk_data_dirty("", nil, false) end},
  {"NIF, dirty, with a resource: hash an empty slice", fn -> Native.hasher_update_dirty(hasher, "") end},
  {"NIF, dirty: a batch of nothing", fn -> Native.chunk_data_batch_dirty([], nil, 2) end},
  {"Chunker.digest/2, BLAKE3 of 1 KiB", fn -> Chunker.digest(kib, :blake3) end},
  {"Chunker.chunk/2 of 1 KiB, BLAKE3", fn -> Chunker.chunk(kib, hash: :blake3) end},
  {"Chunker.compress/2 of 1 KiB by zstd", fn -> Chunker.compress(kib) end},
  {"Chunker.Nix.base32_encode/1 of a digest", fn -> Chunker.Nix.base32_encode(digest) end},
  {"Chunker.Signing.sign/2 of a digest", fn -> Chunker.Signing.sign(digest, secret_key) end}
]

counted = for {name, call} <- calls, do: {name, call, Bench.calls(call)}
rounds = for _ <- 1..201, do: for({_, call, count} <- counted, do: Bench.ns(call, count))
Bench.header(["call", "median"])

for {{name, _, _}, times} <- Enum.zip(counted, Enum.zip_with(rounds, & &1)),
    do: Bench.row([name, Bench.time(Bench.median(times))])
