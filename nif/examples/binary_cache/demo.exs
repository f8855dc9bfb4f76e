# Real Nix pushes store paths to the cache and pulls them into an empty store: `make demo-nix`.

defmodule Demo do
  alias Chunker.Store

  def run(folder) do
    nix = RealNix.new(Path.join(folder, "nix"))
    {key, public_key} = RealNix.key(nix, "demo-1")
    {_, other_key} = RealNix.key(nix, "other-1")

    say("Store paths, made on the spot: a file, a folder, and a package that is built twice")
    added = for path <- ["README.md", "lib"], do: RealNix.add(nix, Path.expand(path))
    [first, second] = for build <- 1..2, do: Rebuild.package(nix, build)
    paths = added ++ [first, second]
    for path <- paths, do: IO.puts("  #{kib(RealNix.nar_size(nix, path))} KiB  #{Path.basename(path)}")

    plain = start(nix, Path.join(folder, "plain"), key, normalize: false)
    as_they_are = push_in_turn(nix, plain, paths)
    plain.stop.()
    cache = start(nix, Path.join(folder, "cache"), key, normalize: true)
    taken_out = push_in_turn(nix, cache, paths)

    say("nix copy --to: what each of them took on the cache's disk, in KiB")
    IO.puts("  references as they are  taken out")

    for {path, before, now} <- Enum.zip([paths, as_they_are, taken_out]),
        do: IO.puts("  #{kib(before)}              #{kib(now)}  #{Path.basename(path)}")

    IO.puts("  #{kib(Enum.sum(as_they_are))}              #{kib(Enum.sum(taken_out))}  in all")

    say("nix copy --from, into an empty store that requires signatures")
    {_, 0} = RealNix.pull(nix, cache.address, "pulled", public_key, paths)
    all = paths |> Enum.flat_map(&RealNix.closure(nix, &1)) |> Enum.uniq()
    true = Enum.all?(all, &RealNix.same?(nix, "pulled", &1))
    IO.puts("  #{length(all)} store paths, each the same byte for byte")

    say("The same, with another key trusted")
    refused!(RealNix.pull(nix, cache.address, "unsigned", other_key, [first]))

    say("The same, with one byte of a chunk changed on the cache's disk")
    tamper!(Path.join(cache.root, "store"))
    refused!(RealNix.pull(nix, cache.address, "tampered", public_key, [first, second]))
    cache.stop.()
  end

  defp start(nix, root, key, options) do
    options =
      [root: root, http: [port: 0], key: File.read!(key), store_dir: RealNix.store_dir(nix)] ++ options

    {:ok, supervisor} = Supervisor.start_link([{BinaryCache, options}], strategy: :one_for_one)
    address = "http://localhost:#{BinaryCache.port()}"
    %{root: root, address: address, stop: fn -> Supervisor.stop(supervisor) end}
  end

  # What the cache's disk has more after each path and what it refers to: packs of chunks, and records.
  defp push_in_turn(nix, cache, paths) do
    for path <- paths do
      before = stored(cache)
      {_, 0} = RealNix.push(nix, cache.address <> "?compression=none", [path])
      stored(cache) - before
    end
  end

  defp stored(cache) do
    {:ok, usage} = Store.usage(BinaryCache.store())
    records = for path <- Path.wildcard(Path.join(cache.root, "paths/*")), do: File.stat!(path).size
    usage.bytes + Enum.sum(records)
  end

  defp refused!({output, status}) when status != 0 do
    error = output |> String.split("\n", trim: true) |> Enum.find(&(&1 =~ "error: "))
    IO.puts("  refused: #{String.replace(error, ~r/\e\[[0-9;]*m/, "")}")
  end

  defp tamper!(store) do
    pack = Path.join(store, "packs/**") |> Path.wildcard() |> Enum.max_by(&File.stat!(&1).size)
    {:ok, file} = :file.open(pack, [:raw, :read, :write, :binary])
    place = div(File.stat!(pack).size, 2)
    {:ok, <<byte>>} = :file.pread(file, place, 1)
    :ok = :file.pwrite(file, place, <<Bitwise.bxor(byte, 1)>>)
    :ok = :file.close(file)
  end

  defp say(line), do: IO.puts("\n#{line}")

  defp kib(bytes), do: (bytes / 1024) |> :erlang.float_to_binary(decimals: 1) |> String.pad_leading(10)
end

# The cache says that a chunk is damaged, as it should.
Logger.configure(level: :critical)
folder = Path.join(System.tmp_dir!(), "binary-cache-demo-#{System.pid()}")

try do
  Demo.run(folder)
after
  # Nix makes what it stores read-only.
  _ = System.cmd("chmod", ["-R", "u+w", folder])
  File.rm_rf!(folder)
end
