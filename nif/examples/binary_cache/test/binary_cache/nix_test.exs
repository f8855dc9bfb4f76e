defmodule BinaryCache.NixTest do
  use BinaryCache.Case, async: true

  setup %{root: root} do
    nix = RealNix.new(Path.join(root, "nix"))
    {key, public_key} = RealNix.key(nix, "test-1")

    cache =
      start_cache(root: Path.join(root, "cache"), key: File.read!(key), store_dir: RealNix.store_dir(nix))

    Map.merge(cache, %{nix: nix, public_key: public_key, address: "http://localhost:#{cache.port}"})
  end

  test "50 paths are pushed by many clients at once, and pulled by many", context do
    %{nix: nix, address: address, public_key: public_key, root: root} = context

    paths =
      for i <- 1..50 do
        folder = Path.join(root, "made/path-#{i}")
        File.mkdir_p!(folder)
        File.write!(Path.join(folder, "own"), :crypto.strong_rand_bytes(i * 1000))
        File.write!(Path.join(folder, "shared"), String.duplicate("the same everywhere\n", 10_000))
        File.ln_s!("own", Path.join(folder, "link"))
        RealNix.add(nix, folder)
      end

    together(Enum.chunk_every(paths, 5), fn {paths, i} ->
      compression = Enum.at(~w(none xz zstd bzip2 gzip), rem(i, 5))
      assert {_, 0} = RealNix.push(nix, "#{address}?compression=#{compression}", paths)
    end)

    assert length(File.ls!(Path.join(root, "paths"))) == 50
    assert File.ls!(Path.join(root, "incoming")) == []

    together(Enum.chunk_every(paths, 10), fn {paths, i} ->
      assert {_, 0} = RealNix.pull(nix, address, "pulled-#{i}", public_key, paths)
      for path <- paths, do: assert(RealNix.same?(nix, "pulled-#{i}", path))
    end)
  end

  test "a package that is built again takes next to nothing, and comes back whole", context do
    %{nix: nix, address: address, public_key: public_key, cache: cache, root: root} = context
    [first, second] = for build <- 1..2, do: Rebuild.package(nix, build)
    assert {_, 0} = RealNix.push(nix, address <> "?compression=zstd", [first])
    {_, [], before} = stored(cache, root)
    assert {_, 0} = RealNix.push(nix, address <> "?compression=zstd", [second])
    {_, [], bytes} = stored(cache, root)
    assert bytes - before < div(before, 100)
    assert {_, 0} = RealNix.pull(nix, address, "pulled", public_key, [first, second])

    for path <- Enum.flat_map([first, second], &RealNix.closure(nix, &1)),
        do: assert(RealNix.same?(nix, "pulled", path))

    assert {_, 0} = RealNix.realise(nix, address, "realised", public_key, second)
    assert RealNix.same?(nix, "realised", second)

    {_, other_key} = RealNix.key(nix, "other-1")
    assert {output, status} = RealNix.pull(nix, address, "refused", other_key, [first])
    assert status != 0 and output =~ "lacks a valid signature"

    # What was deleted is asked for, not found, and pushed again.
    assert BinaryCache.delete(cache, second)
    assert {_, status} = RealNix.pull(nix, address, "deleted", public_key, [second])
    assert status != 0
    assert {_, 0} = RealNix.push(nix, address <> "?compression=none", [second])
    assert {_, 0} = RealNix.pull(nix, address, "again", public_key, [second])
  end

  test "listings, build logs and realisations are kept as real Nix sends them", context do
    %{nix: nix, address: address, root: root} = context
    path = Rebuild.package(nix, 1)
    assert {_, 0} = RealNix.push(nix, address <> "?write-nar-listing=true", [path])
    assert length(File.ls!(Path.join(root, "documents/listings"))) == 2
    # `nix ls` reads the NAR itself, unless it has a local copy of the listing.
    assert {listed, 0} = RealNix.run(nix, "nix", ["store", "ls", "--store", address, path <> "/bin"])
    assert listed =~ "program"
    hash = path |> Path.basename() |> binary_part(0, 32)
    assert {200, _, "{" <> _ = listing} = request(context.port, "GET", "/#{hash}.ls")
    assert listing =~ ~s("program")

    derivation = RealNix.run!(nix, "nix-store", ["--query", "--deriver", path])
    # It was silent.
    assert {_, 0} = RealNix.run(nix, "nix", ["store", "copy-log", "--to", address, derivation])
    assert [_] = File.ls!(Path.join(root, "documents/logs"))

    # Where a derivation is addressed by its content, a realisation says what came of it.
    expression = """
    derivation {
      name = "ca";
      system = builtins.currentSystem;
      builder = "/bin/sh";
      args = [ "-c" "echo made; echo content > $out" ];
      __contentAddressed = true;
      outputHashMode = "recursive";
      outputHashAlgo = "sha256";
    }
    """

    path = RealNix.build(nix, expression)
    derivation = RealNix.run!(nix, "nix-store", ["--query", "--deriver", path])
    assert {_, 0} = RealNix.push(nix, address, [derivation])
    assert [_] = File.ls!(Path.join(root, "documents/realisations"))
    assert {_, 0} = RealNix.run(nix, "nix", ["store", "copy-log", "--to", address, derivation])
    assert {_, 0} = RealNix.run(nix, "nix", ["copy", "--derivation", "--to", address, derivation])
    assert {log, 0} = RealNix.run(nix, "nix", ["log", "--store", address, derivation])
    assert log =~ "made"
  end

  defp together(items, work) do
    items
    |> Enum.with_index()
    |> Task.async_stream(work, max_concurrency: length(items), timeout: 200_000)
    |> Stream.run()
  end
end
