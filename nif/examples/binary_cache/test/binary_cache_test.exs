defmodule BinaryCacheTest do
  use BinaryCache.Case, async: true

  alias Chunker.{Nix, Store}

  # Not compressible, so that the store's bytes say what was shared.
  defp noise(seed, bytes),
    do: :crypto.crypto_one_time(:aes_128_ctr, <<seed::128>>, <<0::128>>, <<0::size(bytes)-unit(8)>>, true)

  @tag cache: []
  test "a NAR comes back whole, however it was compressed", %{port: port} do
    for compression <- ~w(none xz zstd bzip2 gzip lz4) do
      path = Nar.store_path("by-" <> compression)
      nar = Nar.file(compression <> String.duplicate("some text ", 50_000) <> noise(1, 300_000))
      assert {201, 201} = push(port, nar, path, compression: compression)
      assert %{compression: "zstd", file_hash: nil, file_size: nil} = get_narinfo(port, path)
      assert pull(port, path) == nar
    end
  end

  @tag cache: []
  test "a NAR is served as it is stored, but for chunks with references, and as it was sent if asked",
       context do
    %{port: port, cache: cache} = context
    path = Nar.store_path("served")
    text = for i <- 1..100_000, into: "", do: "line #{rem(i * i, 977)}\n"
    nar = Nar.file(noise(1, 300_000) <> text <> path <> text)
    assert {201, 201} = push(port, nar, path)
    %{url: "nar/" <> _ = url} = served = get_narinfo(port, path)
    assert String.ends_with?(url, ".nar.zst")
    # What is not known in advance is not said.
    {:ok, lines} = Nix.NarInfoFile.to_text(served)
    refute lines =~ "FileHash" or lines =~ "FileSize"

    assert {200, headers, frames} = request(port, "GET", "/" <> url)
    refute headers["content-length"] || headers["accept-ranges"]
    assert Chunker.decompress!(frames, codec: :zstd) == nar
    assert byte_size(frames) < byte_size(nar) * 3 / 4
    [%{root: root}] = cache |> BinaryCache.store() |> Store.files() |> Enum.to_list()
    stored = cache |> BinaryCache.store() |> Store.read_zstd(root) |> Enum.to_list()

    assert Enum.count(stored, &(:binary.match(frames, &1) != :nomatch)) in [
             length(stored) - 2,
             length(stored) - 1
           ]

    # A range of what may come in another form each time is not one.
    assert {200, _, ^frames} = request(port, "GET", "/" <> url, nil, [{"Range", "bytes=10-"}])
    assert {200, headers, ""} = request(port, "HEAD", "/" <> url)
    refute headers["content-length"]

    plain = String.replace_suffix(url, ".zst", "")
    assert {200, _, ^nar} = request(port, "GET", "/" <> plain)
    %{port: port} = restart(put_in(context.options[:compression], :none))
    assert %{compression: "none", file_hash: hash, narinfo: %{nar_hash: hash}} = get_narinfo(port, path)
    assert %{url: ^plain, file_size: size} = get_narinfo(port, path)
    assert size == byte_size(nar)
    assert pull(port, path) == nar
  end

  test "the form in which NARs are served is one that exists" do
    Process.flag(:trap_exit, true)

    assert {:error, {%ArgumentError{}, _}} =
             BinaryCache.start_link(root: "/nowhere", compression: :xz, name: :no_cache)
  end

  @tag cache: []
  test "two builds that differ only in references share all chunks", %{port: port, cache: cache} do
    [first, second] =
      for build <- 1..2 do
        [dependency, path] = references = for name <- ~w(dep app), do: Nar.store_path(name, build)
        nar = Nar.file(for i <- 1..50, into: "", do: noise(i, 20_000) <> dependency <> "\n" <> path)
        {path, nar, references}
      end

    {path, nar, references} = first
    assert {201, 201} = push(port, nar, path, references: references)
    {:ok, before} = Store.usage(BinaryCache.store(cache))
    {path, nar, references} = second
    assert {201, 201} = push(port, nar, path, references: references)
    assert {:ok, ^before} = Store.usage(BinaryCache.store(cache))
    for {path, nar, _} <- [first, second], do: assert(pull(port, path) == nar)
  end

  @tag cache: [normalize: false]
  test "without normalization these chunks are stored twice", %{port: port, cache: cache} do
    for name <- ~w(a b) do
      path = Nar.store_path(name)
      nar = Nar.file(for i <- 1..10, into: "", do: noise(i, 20_000) <> path)
      assert {201, 201} = push(port, nar, path, references: [path])
      assert pull(port, path) == nar
    end

    {:ok, usage} = Store.usage(BinaryCache.store(cache))
    assert usage.bytes > 400_000
  end

  @tag cache: [compression: :none]
  test "any range is what it is of the whole, references on its edges too", %{port: port} do
    path = Nar.store_path("ranges")
    nar = Nar.file(noise(1, 200_000) <> path <> noise(2, 200_000))
    assert {201, 201} = push(port, nar, path)
    %{url: url} = get_narinfo(port, path)
    size = byte_size(nar)
    {place, _} = :binary.match(nar, Nix.base32_encode(binary_part(Chunker.digest("ranges 1"), 0, 20)))

    for {start, stop} <- [{0, 1}, {place + 7, size}, {place - 5, place + 10}, {size - 1, size}] do
      range = [{"Range", "bytes=#{start}-#{stop - 1}"}]
      assert {206, headers, bytes} = request(port, "GET", "/" <> url, nil, range)
      assert bytes == binary_part(nar, start, stop - start)
      assert headers["content-range"] == "bytes #{start}-#{stop - 1}/#{size}"
    end

    assert {206, _, rest} = request(port, "GET", "/" <> url, nil, [{"Range", "bytes=#{place}-"}])
    assert rest == binary_part(nar, place, size - place)

    assert {416, %{"content-range" => range}, _} =
             request(port, "GET", "/" <> url, nil, [{"Range", "bytes=#{size}-"}])

    assert range == "bytes */#{size}"
    assert {200, _, ^nar} = request(port, "GET", "/" <> url, nil, [{"Range", "bytes=5-4"}])
    assert {200, _, ^nar} = request(port, "GET", "/" <> url, nil, [{"Range", "bytes=0-1,3-4"}])
    assert {200, %{"content-length" => length}, ""} = request(port, "HEAD", "/" <> url)
    assert length == "#{size}"
  end

  test "a narinfo is signed by the cache, and keeps what others have said", %{root: root} do
    {key, public} = key("cache.example.org-1")
    {_, other_public} = other = key("builder-1")
    %{port: port} = running = start_cache(root: root, key: key)
    path = Nar.store_path("signed")
    nar = Nar.file("signed")
    {_, unsigned} = Nar.to_send(nar, path)
    {:ok, by_other} = Nix.sign(unsigned.narinfo, elem(other, 0))
    stale = "cache.example.org-1:" <> Base.encode64(<<0::512>>)

    fields = [
      signatures: [stale, by_other],
      other: [{"Note", "kept"}],
      deriver: Nar.store_path("signed.drv"),
      ca: "fixed:x"
    ]

    assert {201, 201} = push(port, nar, path, fields)

    served = get_narinfo(port, path)
    assert [^by_other, own] = served.signatures
    assert Nix.verify(served.narinfo, own, public) == :ok
    assert Nix.verify(served.narinfo, by_other, other_public) == :ok
    assert %{other: [{"Note", "kept"}], ca: "fixed:x"} = served
    assert served.deriver == fields[:deriver]

    # Another key, another signature; one that comes later is added, without the NAR.
    {key, public} = key("cache.example.org-2")
    %{port: port} = restart(put_in(running.options[:key], key))
    {third, _} = key("third-1")
    {:ok, by_third} = Nix.sign(unsigned.narinfo, third)
    assert put_narinfo(port, %{unsigned | signatures: [by_third]}) == 200
    assert [^stale, ^by_other, ^by_third, own] = get_narinfo(port, path).signatures
    assert Nix.verify(served.narinfo, own, public) == :ok
  end

  @tag cache: [priority: 7, want_mass_query: false, store_dir: "/other/store"]
  test "nix-cache-info says what the options say", %{port: port} do
    assert {200, _, "StoreDir: /other/store\nWantMassQuery: 0\nPriority: 7\n"} =
             request(port, "GET", "/nix-cache-info")
  end

  @tag cache: []
  test "a NAR is sent once, whatever paths have it", %{port: port, cache: cache, root: root} do
    nar = Nar.file(noise(1, 100_000))
    [first, second] = for name <- ~w(first second), do: Nar.store_path(name)
    {sent, narinfo} = Nar.to_send(nar, first, compression: "zstd")
    url = "/" <> narinfo.url
    assert {404, _, _} = request(port, "HEAD", url)
    assert {201, _, _} = request(port, "PUT", url, sent)
    assert {200, _, _} = request(port, "HEAD", url)
    assert put_narinfo(port, narinfo) == 201
    assert File.ls!(Path.join(root, "incoming")) == []
    assert {200, _, _} = request(port, "HEAD", url)
    assert {404, _, _} = request(port, "GET", url)

    {_, narinfo} = Nar.to_send(nar, second, compression: "zstd")
    assert put_narinfo(port, narinfo) == 201
    assert pull(port, second) == nar

    # With the last path that has it, the NAR has gone.
    assert BinaryCache.delete(cache, first)
    refute BinaryCache.delete(cache, Path.basename(first))
    assert pull(port, second) == nar
    assert BinaryCache.delete(cache, BinaryCache.Record.hash_part(second))
    assert {404, _, _} = request(port, "HEAD", url)
    assert put_narinfo(port, narinfo) == 409
    assert get_narinfo(port, second) == 404
    {:ok, _} = BinaryCache.collect(cache, min_age: 0)
    {:ok, _} = BinaryCache.collect(cache, min_age: 0)
    assert {[], [], 0} = stored(cache, root)
  end

  @tag cache: []
  test "a path that is there gets no other NAR until it is deleted", %{port: port, cache: cache} do
    path = Nar.store_path("once")
    assert {201, 201} = push(port, Nar.file("one"), path)
    assert {201, 409} = push(port, Nar.file("two"), path)
    assert [_] = cache |> BinaryCache.store() |> Store.files() |> Enum.to_list()
    assert pull(port, path) == Nar.file("one")
    assert BinaryCache.delete(cache, path)
    assert {201, 201} = push(port, Nar.file("two"), path)
    assert pull(port, path) == Nar.file("two")
  end

  @tag cache: [limits: [max_narinfo_bytes: 1_000]]
  test "what is answered with success is what is served", %{port: port} do
    path = Nar.store_path("said")
    nar = Nar.file("said")
    assert {201, 201} = push(port, nar, path)
    served = get_narinfo(port, path)
    {_, narinfo} = Nar.to_send(nar, path)

    for fields <- [
          %{references: [path]},
          %{nar_size: byte_size(nar) + 1},
          %{store_path: path <> "-of-another-name"}
        ] do
      assert {fields, put_narinfo(port, update_in(narinfo.narinfo, &Map.merge(&1, fields)))} == {fields, 409}
    end

    # It does not grow by what it is signed with again and again.
    statuses =
      for i <- 10..99,
          do: put_narinfo(port, %{narinfo | signatures: ["key-#{i}:" <> Base.encode64(<<i::512>>)]})

    assert Enum.dedup(statuses) == [200, 413]
    assert %{served | signatures: []} == %{get_narinfo(port, path) | signatures: []}
    assert put_narinfo(port, narinfo) == 200
  end

  @tag cache: []
  test "a collection keeps what paths need, and removes what nobody was told of", %{port: port, cache: cache} do
    path = Nar.store_path("kept")
    nar = Nar.file(noise(1, 200_000))
    assert {201, 201} = push(port, nar, path)
    store = BinaryCache.store(cache)
    # As if the cache had been killed before it wrote the record.
    {:ok, orphan} = Store.write(store, [noise(2, 200_000)], profile: :medium)
    assert length(Enum.to_list(Store.files(store))) == 2
    assert {:ok, _} = BinaryCache.collect(cache, min_age: 0, dry_run: true)
    assert length(Enum.to_list(Store.files(store))) == 2
    assert {:ok, _} = BinaryCache.collect(cache, min_age: 0)
    assert [%{root: root}] = Enum.to_list(Store.files(store))
    assert root != orphan
    assert pull(port, path) == nar
  end

  @tag cache: []
  test "another start finds all paths, and removes what was not finished", context do
    %{port: port, cache: cache, root: root} = context
    shared = Nar.file(noise(1, 1000))
    paths = for i <- 1..5, do: Nar.store_path("path-#{i}")
    for path <- paths, do: assert({201, 201} = push(port, shared, path))
    for folder <- ~w(paths incoming), do: File.write!(Path.join([root, folder, ".0123.new"]), "half")
    damaged = Path.join([root, "paths", BinaryCache.Record.hash_part(hd(paths))])
    bytes = File.read!(damaged)
    File.write!(damaged, binary_part(bytes, 0, byte_size(bytes) - 1))
    assert get_narinfo(port, hd(paths)) == 500

    %{port: port} = restart(context)
    assert length(File.ls!(Path.join(root, "paths"))) == 5
    assert File.ls!(Path.join(root, "incoming")) == []
    assert get_narinfo(port, hd(paths)) == 500
    assert {201, 201} = push(port, shared, hd(paths))
    for path <- paths, do: assert(pull(port, path) == shared)
    for path <- paths, do: assert(BinaryCache.delete(cache, path))
    assert BinaryCache.store(cache) |> Store.files() |> Enum.to_list() == []
  end

  @tag cache: []
  test "a NAR that is sent again for a path that is there does not stay", %{port: port, root: root} do
    path = Nar.store_path("again")
    nar = Nar.file("again")
    assert {201, 201} = push(port, nar, path)
    assert {201, 200} = push(port, nar, path)
    assert File.ls!(Path.join(root, "incoming")) == []
    assert pull(port, path) == nar
  end

  @tag cache: []
  test "a NAR whose chunks are collected each time they are stored is refused in the end", context do
    %{port: port, cache: cache, root: root} = context
    {sent, narinfo} = Nar.to_send(Nar.file(noise(1, 200_000)), Nar.store_path("collected"))
    assert {201, _, _} = request(port, "PUT", "/" <> narinfo.url, sent)
    catalog = Module.concat(cache, BinaryCache.Catalog)
    :ok = :sys.suspend(catalog)
    publication = Task.async(fn -> put_narinfo(port, narinfo) end)
    store = :sys.get_state(catalog).cache.store

    for _ <- 1..3 do
      # Stored, and about to be committed.
      assert eventually(fn -> holds?(catalog) end)
      for _ <- 1..2, do: {:ok, _} = Store.collect(store, min_age: 0)
      :ok = :sys.resume(catalog)
      :ok = :sys.suspend(catalog)
    end

    :ok = :sys.resume(catalog)
    assert Task.await(publication, 60_000) == 503
    assert {[], [_], 0} = stored(cache, root)
    assert put_narinfo(port, narinfo) == 201
    assert pull(port, narinfo.narinfo.store_path) == Nar.file(noise(1, 200_000))
  end

  defp holds?(catalog) do
    {:messages, messages} = catalog |> Process.whereis() |> Process.info(:messages)
    Enum.any?(messages, &match?({:"$gen_call", _, {:hold, _}}, &1))
  end

  @tag cache: [limits: [expiry: 1_000]]
  test "a disk that fails does not end the cache", %{port: port, cache: cache, root: root} do
    incoming = Path.join(root, "incoming")
    before = cache |> Supervisor.which_children() |> Enum.sort()
    File.rmdir!(incoming)
    Process.sleep(2_500)
    assert cache |> Supervisor.which_children() |> Enum.sort() == before
    File.mkdir!(incoming)
    {sent, narinfo} = Nar.to_send(Nar.file("late"), Nar.store_path("late"))
    assert {201, _, _} = request(port, "PUT", "/" <> narinfo.url, sent)
    assert eventually(fn -> File.ls!(incoming) == [] end)
  end

  @tag cache: [limits: [expiry: 1_000]]
  test "a NAR whose narinfo does not come is removed in time", %{port: port, root: root} do
    {sent, narinfo} = Nar.to_send(Nar.file("late"), Nar.store_path("late"))
    assert {201, _, _} = request(port, "PUT", "/" <> narinfo.url, sent)
    assert [_] = File.ls!(Path.join(root, "incoming"))
    assert eventually(fn -> File.ls!(Path.join(root, "incoming")) == [] end)
    assert put_narinfo(port, narinfo) == 409
  end

  @tag cache: []
  test "a NAR that was damaged while it waited must be sent again", %{port: port, root: root} do
    nar = Nar.file(noise(1, 5_000))
    path = Nar.store_path("waiting")
    {sent, narinfo} = Nar.to_send(nar, path)
    assert {201, _, _} = request(port, "PUT", "/" <> narinfo.url, sent)
    [name] = File.ls!(Path.join(root, "incoming"))
    flip!(Path.join([root, "incoming", name]), 3_000)
    assert put_narinfo(port, narinfo) == 409
    assert get_narinfo(port, path) == 404
    assert File.ls!(Path.join(root, "incoming")) == []
    assert {201, 201} = push(port, nar, path)
    assert pull(port, path) == nar
  end

  @tag cache: []
  test "a damaged chunk never looks like a whole NAR", %{port: port, root: root} do
    path = Nar.store_path("damaged")
    assert {201, 201} = push(port, Nar.file(noise(1, 40_000_000)), path)
    packs = Path.join(root, "store/packs/**") |> Path.wildcard() |> Enum.filter(&File.regular?/1)
    flip!(List.last(packs), 100_000)
    assert pull(port, path) == :cut
    flip!(hd(packs), 1_000)
    %{url: url} = get_narinfo(port, path)

    for url <- [url, String.replace_suffix(url, ".zst", "")],
        do: assert(request(port, "GET", "/" <> url) == :cut)
  end

  @tag cache: []
  test "every push and pull is an event", %{port: port} do
    Process.register(self(), :telemetry_test)
    path = Nar.store_path("event")
    nar = Nar.file("event")
    size = byte_size(nar)
    assert {201, 201} = push(port, nar, path)
    %{url: url} = get_narinfo(port, path)
    assert {200, _, ^nar} = request(port, "GET", "/" <> String.replace_suffix(url, ".zst", ""))
    assert_receive {[:binary_cache, :receive, :stop], %{bytes: ^size, duration: duration}, %{result: :ok}}
    assert duration > 0
    assert_receive {[:binary_cache, :publish, :stop], %{bytes: ^size}, %{result: :ok, store_path: ^path}}
    assert_receive {[:binary_cache, :serve, :stop], %{bytes: ^size}, %{result: :ok, store_path: ^path}}

    {_, narinfo} = Nar.to_send(Nar.file("another"), path)
    assert put_narinfo(port, narinfo) == 409
    assert_receive {[:binary_cache, :publish, :stop], _, %{result: {:refused, 409}, store_path: ^path}}
  end

  @tag cache: []
  test "a stop lets a push finish", %{port: port, cache: cache, root: root} do
    {sent, narinfo} = Nar.to_send(Nar.file(noise(1, 100_000)), Nar.store_path("stop"))
    {:ok, socket} = :gen_tcp.connect({127, 0, 0, 1}, port, [:binary, active: false])
    <<first::binary-size(50_000), rest::binary>> = sent

    :ok =
      :gen_tcp.send(socket, [head("PUT", "/" <> narinfo.url, [{"Content-Length", byte_size(sent)}]), first])

    assert eventually(fn -> File.ls!(Path.join(root, "incoming")) != [] end)
    stopping = Task.async(fn -> Supervisor.stop(cache) end)
    assert eventually(fn -> match?({:error, _}, :gen_tcp.connect({127, 0, 0, 1}, port, [])) end)
    :ok = :gen_tcp.send(socket, rest)
    assert {:ok, "HTTP/1.1 201 " <> _} = :gen_tcp.recv(socket, 0, 5_000)
    assert Task.await(stopping) == :ok
    assert [name] = File.ls!(Path.join(root, "incoming"))
    refute name =~ ".new"
  end

  @tag cache: [limits: [max_publications: 2]]
  test "30 paths with one NAR are pushed at the same time", %{port: port, cache: cache, root: root} do
    nar = Nar.file(noise(1, 500_000))
    paths = for i <- 1..30, do: Nar.store_path("same-#{i}")
    pushes = Task.async_stream(paths, &push(port, nar, &1), max_concurrency: 30, timeout: 60_000)
    for result <- pushes, do: assert(result == {:ok, {201, 201}})
    for path <- paths, do: assert(pull(port, path) == nar)
    assert [_] = cache |> BinaryCache.store() |> Store.files() |> Enum.to_list()

    assert File.ls!(Path.join(root, "incoming")) == []
    for path <- paths, do: assert(BinaryCache.delete(cache, path))
    assert [] = cache |> BinaryCache.store() |> Store.files() |> Enum.to_list()
  end

  @tag cache: []
  test "a port that cannot be used is an error of one line", %{port: port, root: root} do
    serve = fn root, port ->
      arguments = ["run", "--no-compile", "cache.exs", root, "--port", "#{port}"]
      System.cmd("mix", arguments, env: [{"MIX_ENV", "test"}], stderr_to_stdout: true)
    end

    assert serve.(root <> "-other", port) == {"cannot listen on port #{port}: address already in use\n", 1}
    assert serve.(root <> "-none", 99_999) == {"--port is 99999 (expected 0 to 65535)\n", 2}
    refute File.exists?(root <> "-none")
  end

  @tag cache: []
  test "50 paths are pushed and pulled at the same time", %{port: port, cache: cache} do
    shared = noise(0, 300_000)

    1..50
    |> Task.async_stream(
      fn i ->
        path = Nar.store_path("concurrent-#{i}")
        # Ten of them are one NAR.
        nar = Nar.file(if(rem(i, 5) == 0, do: shared, else: noise(i, 100_000) <> path <> shared <> path))
        compression = Enum.at(~w(none xz zstd bzip2 gzip), rem(i, 5))
        assert {201, 201} = push(port, nar, path, references: [path], compression: compression)
        assert pull(port, path) == nar
        {path, nar}
      end,
      max_concurrency: 50,
      timeout: 60_000
    )
    |> Enum.map(fn {:ok, pushed} -> pushed end)
    |> Task.async_stream(fn {path, nar} -> assert pull(port, path) == nar end,
      max_concurrency: 50,
      timeout: 60_000
    )
    |> Stream.run()

    assert {:ok, %{sound: true}} = Store.check(BinaryCache.store(cache), read_data: true)
  end

  defp flip!(path, place) do
    <<head::binary-size(place), byte, rest::binary>> = File.read!(path)
    File.write!(path, [head, Bitwise.bxor(byte, 1), rest])
  end
end
