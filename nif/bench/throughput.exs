# Chunks and digests of one binary, against the crate called by a native program: medians of 9
# or more interleaved rounds of both, with random data and the default sizes.
Code.require_file("support.exs", __DIR__)

data = :crypto.strong_rand_bytes(256 * 1024 * 1024)
path = Path.join(System.tmp_dir!(), "chunker-bench-#{System.pid()}")
File.write!(path, data)
[direct] = System.argv()
port = Port.open({:spawn_executable, direct}, [:binary, line: 100, args: [path]])

native = fn length, hash, rounds ->
  Port.command(port, "#{length} #{hash} #{rounds}\n")

  receive do
    {^port, {:data, {:eol, ns}}} -> String.to_integer(ns)
  end
end

Bench.header(["input", "digest", "Rust", "Elixir", "MB/s in Elixir", "share of Rust's speed"])

for hash <- [:blake3, :sha256], kib <- [4, 16, 32, 64, 256, 1024, 4096, 16_384, 65_536, 262_144] do
  length = kib * 1024
  part = binary_part(data, 0, length)
  call = fn -> Chunker.chunk(part, hash: hash) end
  calls = Bench.calls(call)

  rounds =
    for _ <- 1..if(kib < 16_384, do: 51, else: 9), do: {native.(length, hash, calls), Bench.ns(call, calls)}

  {rust, elixir} = Enum.unzip(rounds)
  share = Bench.median(for {rust, elixir} <- rounds, do: rust / elixir)
  speed = length / Bench.median(elixir) * 1000

  Bench.row([
    Bench.size(length),
    hash,
    Bench.time(Bench.median(rust)),
    Bench.time(Bench.median(elixir)),
    round(speed),
    Float.round(share, 2)
  ])
end

File.rm!(path)
