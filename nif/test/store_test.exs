defmodule Chunker.StoreTest do
  use ExUnit.Case, async: true

  alias Chunker.{Error, Manifest, Store}

  @moduletag :tmp_dir

  setup %{tmp_dir: directory} do
    url = Path.join(directory, "store")
    %{url: url, store: Store.open!(url, cache: :none)}
  end

  defp noise(bytes), do: :crypto.strong_rand_bytes(bytes)

  defp damage(url, folder) do
    [object | _] = Path.wildcard(Path.join([url, folder, "*"]))
    <<head::binary-size(1000), byte, rest::binary>> = File.read!(object)
    File.write!(object, [head, Bitwise.bxor(byte, 1), rest])
  end

  defp pieces(data), do: for(<<piece::binary-size(10_000) <- data>>, do: piece)

  test "a file is read as it was written, whole and by every kind of range", %{store: store} do
    data = noise(3_000_000)

    for profile <- [:small, :large], hash <- [:sha256, :blake3] do
      options = [
        profile:
          [hash: hash] ++
            if(profile == :small, do: [min_size: 4096, avg_size: 16_384, max_size: 65_536], else: [])
      ]

      assert {:ok, root} = Store.write(store, pieces(data), options)
      assert String.starts_with?(root, "#{hash}-")
      assert store |> Store.read(root) |> Enum.join() == data

      for {start, stop} <- [
            {0, 0},
            {0, 1},
            {1_234_567, 2_345_678},
            {2_999_999, 3_000_000},
            {3_000_000, 3_000_000}
          ] do
        read = store |> Store.read(root, range: {start, stop}) |> Enum.join()
        assert read == binary_part(data, start, stop - start)
      end

      assert store |> Store.read(root) |> Enum.take(1) |> length() == 1
    end
  end

  test "a range may end past the end of its file, but not start there", %{store: store} do
    {:ok, root} = Store.write(store, ["file"])
    read = &(store |> Store.read(root, range: &1) |> Enum.join())
    assert {read.({0, 512}), read.({2, 5}), read.({4, 0xFFFF_FFFF_FFFF_FFFF})} == {"file", "le", ""}

    for range <- [{5, 9}, {3, 2}] do
      error = assert_raise Error, ~r/is outside the file's 4 bytes/, fn -> read.(range) end
      assert error.code == :range_not_satisfiable
    end
  end

  test "another process, and another node of the library, sees what was committed", %{store: store, url: url} do
    {:ok, root} = Store.write(store, ["a file"])
    task = Task.async(fn -> url |> Store.open!(cache: :none) |> Store.read(root) |> Enum.join() end)
    assert Task.await(task) == "a file"
    assert Store.url(store) =~ url
  end

  test "only what is missing is written", %{store: store} do
    data = noise(2_000_000)
    {:ok, root} = Store.write(store, pieces(data), profile: :small)
    {:ok, %{packs: packs, bytes: bytes}} = Store.usage(store)
    assert {:ok, ^root} = Store.write(store, pieces(data), profile: :small)
    assert {:ok, %{packs: ^packs, bytes: ^bytes, files: 1, doomed_packs: 0}} = Store.usage(store)
  end

  test "chunks are asked for, put, got and committed one by one", %{store: store} do
    chunks = Chunker.chunk!(noise(500_000), profile: :small, payloads: true)
    [{first, _, _, payload} | _] = chunks
    digests = for {digest, _, _, _} <- chunks, do: digest
    assert Store.missing(store, digests) == {:ok, digests}
    assert Store.get(store, first) == {:ok, nil}
    manifest = Manifest.new!(chunks, profile: :small)
    assert {:error, %Error{code: :chunks_missing, chunks: ^digests}} = Store.commit(store, manifest)

    assert {:ok, descriptors} = Store.put(store, [hd(chunks)])
    assert descriptors == [Tuple.delete_at(hd(chunks), 3)]
    assert Store.missing(store, digests) == {:ok, tl(digests)}
    assert Store.missing(store, digests, hash: :blake3) == {:ok, digests}
    assert Store.get(store, first) == {:ok, payload}
    assert {:error, %Error{code: :chunks_missing, chunks: missing}} = Store.commit(store, manifest)
    assert missing == tl(digests)

    assert {:ok, _} = Store.put(store, chunks)
    assert {:ok, root} = Store.commit(store, manifest)
    assert Store.manifest(store, root) == {:ok, manifest}
    assert Store.put(store, []) == {:ok, []}
    assert Store.missing(store, []) == {:ok, []}
  end

  test "a chunk that has another digest is refused, and nothing is stored", %{store: store} do
    chunk = {Chunker.digest("right"), 0, 5, "wrong"}
    assert {:error, %Error{code: :chunk_digest_mismatch} = error} = Store.put(store, [chunk])
    assert Exception.message(error) =~ Base.encode16(elem(chunk, 0), case: :lower)
    assert {:ok, %{chunks: 0}} = Store.usage(store)
  end

  test "files are listed with their lengths and times, until they are deleted", %{store: store} do
    started = DateTime.add(DateTime.utc_now(), -2)

    roots =
      for bytes <- 0..20 do
        {:ok, root} = Store.write(store, [noise(bytes)])
        {root, bytes}
      end

    entries = store |> Store.files() |> Enum.to_list()
    assert for(%{root: root, length: length} <- entries, do: {root, length}) == Enum.sort(roots)
    assert Enum.all?(entries, &(DateTime.compare(&1.committed, started) != :lt))
    {root, _} = Enum.at(roots, 3)
    assert Store.delete(store, root) == {:ok, true}
    assert Store.delete(store, root) == {:ok, false}
    assert Enum.count(Store.files(store)) == 20
    assert_raise Error, ~r/#{root} is not in the store/, fn -> store |> Store.read(root) |> Enum.to_list() end
    assert {:error, %Error{code: :root_not_found}} = Store.manifest(store, root)
  end

  test "a collection takes back what no file needs, and only that", %{store: store} do
    kept = noise(300_000)
    {:ok, root} = Store.write(store, [kept])
    {:ok, other} = Store.write(store, [noise(1_000_000)])
    {:ok, true} = Store.delete(store, other)
    assert {:ok, %{deleted_packs: 0}} = Store.collect(store)
    assert {:ok, %{deleted_packs: 0, doomed_packs: 1}} = Store.collect(store, min_age: 0, dry_run: true)
    assert {:ok, %{deleted_packs: 1, files: 1, kept_packs: []}} = Store.collect(store, min_age: 0)
    assert {:ok, %{packs: 1}} = Store.usage(store)
    assert store |> Store.read(root) |> Enum.join() == kept
  end

  test "damage is found, never read, and repaired", %{store: store, url: url} do
    data = noise(300_000)
    {:ok, root} = Store.write(store, pieces(data), profile: :small)
    assert {:ok, %{sound: true, files: 1}} = Store.check(store, read_data: true)
    damage(url, "packs")
    assert {:ok, %{sound: true}} = Store.check(store)
    assert {:ok, report} = Store.check(store, read_data: true)
    assert %{sound: false, damaged_packs: [%{error: nil, chunks: [chunk]}], hurt_files: [hurt]} = report
    assert %{root: ^root, error: nil, chunks: [^chunk]} = hurt
    error = assert_raise Error, fn -> store |> Store.read(root) |> Enum.to_list() end
    assert error.code in [:chunk_digest_mismatch, :zstd_decompression_failed]

    assert {:ok, %{rescued_chunks: rescued}} = Store.check(store, read_data: true, repair: true)
    assert rescued > 0
    assert {:ok, ^root} = Store.write(store, pieces(data), profile: :small)
    assert {:ok, %{hurt_files: []}} = Store.check(store, read_data: true)
    assert store |> Store.read(root) |> Enum.join() == data
  end

  test "every error has a code and says what failed", %{store: store, tmp_dir: directory, url: url} do
    root = "sha256-" <> String.duplicate("0", 64)

    for {code, result} <- [
          invalid_store_address: Store.open("ftp://example.org"),
          store_not_found: Store.open(Path.join(directory, "none"), create: false),
          not_a_store: Store.open(directory),
          invalid_store_option: Store.open(url, level: 23),
          invalid_store_option: Store.open(url, concurrency: 0),
          invalid_root: Store.delete(store, "sha256-0"),
          invalid_root: Store.manifest(store, "../" <> root),
          root_not_found: Store.manifest(store, root)
        ] do
      assert {:error, %Error{code: ^code, message: message}} = result
      assert is_binary(message) and message != "", inspect(code)
    end

    assert_raise Error, ~r/not a root/, fn -> Store.read(store, "file") end

    for call <- [&Store.usage(store, &1), &Store.open(url, &1)],
        do: assert_raise(ArgumentError, fn -> call.(size: 1) end)

    assert_raise Error, fn -> Store.write(store, [""], min_size: 1) end
    assert_raise ArgumentError, fn -> Store.usage(make_ref()) end
  end

  test "an error names the argument, its value, and what was expected", %{store: store, url: url} do
    of_open = [level: :high, create: 1, cache: 7, pack_size: -1, listing_lag: "1", manifest_limit: 1.5]
    of_collect = [min_age: -1, max_waste: 300, max_waste: 101, max_waste: "1", dry_run: 1]
    of_check = [read_data: 1, repair: 1]

    for {call, options} <- [
          {&Store.open(url, &1), of_open},
          {&Store.collect(store, &1), of_collect},
          {&Store.check(store, &1), of_check}
        ],
        {name, _} = option <- options do
      assert {:error, %Error{code: :invalid_argument, message: message}} = call.([option])
      assert message =~ ~r/^#{name} is .+ \(expected .+\)$/
    end

    assert {:error, error} = Store.collect(store, min_age: -1)
    assert error.message == "min_age is -1 (expected an integer from 0 to 2^64-1)"
    assert {:error, error} = Store.get(store, "short")
    assert {error.code, error.message} == {:invalid_argument, "digest has 5 bytes (expected 32)"}
    assert {:error, error} = Store.get(store, Chunker.digest(""), hash: :md5)
    assert {error.code, error.message =~ "expected sha256 or blake3"} == {:unknown_hash_algorithm, true}

    for address <- [nil, 'memory://', <<255>>] do
      message = "address is #{inspect(address)} (expected a string)"
      assert_raise ArgumentError, message, fn -> Store.open!(address) end
    end

    {:ok, file} = Store.write(store, ["file"])

    for range <- [0..5, {-1, 5}, {0, nil}, {0, 0x1_0000_0000_0000_0000}, 5] do
      error = assert_raise ArgumentError, fn -> Store.read(store, file, range: range) end
      assert error.message =~ "range is #{inspect(range)} (expected {start, stop}"
    end
  end

  test "what takes too long is stopped, and says so", %{store: store} do
    results = for _ <- 1..50, do: Store.usage(store, timeout: 0)
    assert {:error, %Error{code: :timeout, message: "the store took longer than 0 ms"}} in results
    assert {:ok, _} = Store.usage(store)
    results = for n <- 1..50, do: Store.write(store, [noise(100_000)], timeout: rem(n, 4))
    assert Enum.any?(results, &match?({:error, %Error{code: :timeout}}, &1))
    for {:ok, root} <- results, do: assert(store |> Store.read(root) |> Enum.count() > 0)
    assert message_count() == 0
  end

  test "a reader that stops early leaves no message, and what it reads is closed", %{store: store} do
    {:ok, root} = Store.write(store, pieces(noise(5_000_000)), profile: :small)
    for count <- [0, 1, 3, 10], _ <- 1..20, do: store |> Store.read(root) |> Enum.take(count)
    catch_throw(store |> Store.read(root) |> Enum.each(fn _ -> throw(:enough) end))
    assert message_count() == 0
  end

  test "a failing enumerable leaves nothing", %{store: store} do
    chunks = Stream.map(1..10, fn n -> if n == 5, do: raise("broken"), else: {noise(32), 0, 1, "a"} end)
    assert_raise RuntimeError, "broken", fn -> Store.put(store, chunks) end
    assert message_count() == 0
    assert {:ok, %{packs: 0}} = Store.usage(store)
  end

  test "callers that are killed at any moment take nothing with them", %{store: store} do
    data = pieces(noise(2_000_000))
    {:ok, root} = Store.write(store, data, profile: :small)

    for delay <- 0..60 do
      {pid, monitor} =
        spawn_monitor(fn ->
          Store.write(store, [noise(100) | data], profile: :small)
          store |> Store.read(root) |> Enum.each(fn _ -> Process.sleep(1) end)
        end)

      Process.sleep(rem(delay, 20))
      Process.exit(pid, :kill)
      assert_receive {:DOWN, ^monitor, :process, ^pid, _}
    end

    assert store |> Store.read(root) |> Enum.join() == Enum.join(data)
    assert {:ok, %{sound: true}} = Store.check(store, read_data: true)
  end

  test "many processes use one store at once", %{store: store} do
    results =
      1..40
      |> Task.async_stream(
        fn n ->
          data = :binary.copy("file #{rem(n, 10)} ", 20_000)
          {:ok, root} = Store.write(store, [data], profile: :small)
          store |> Store.read(root) |> Enum.join() == data
        end,
        max_concurrency: 20,
        timeout: :infinity
      )
      |> Enum.to_list()

    assert results == List.duplicate({:ok, true}, 40)
    assert store |> Store.files() |> Enum.count() == 10
  end

  # `scripts/test-s3.sh` runs it.
  @tag :s3
  test "a store on S3 is a store like any other" do
    store =
      Store.open!("s3://chunker/elixir-#{System.unique_integer([:positive])}-#{System.pid()}", cache: :none)

    data = noise(3_000_000)
    assert {:ok, root} = Store.write(store, pieces(data), profile: :small)
    assert store |> Store.read(root) |> Enum.join() == data

    assert store |> Store.read(root, range: {1_000, 2_000_000}) |> Enum.join() ==
             binary_part(data, 1_000, 1_999_000)

    assert [%{root: ^root, length: 3_000_000}] = Enum.to_list(Store.files(store))
    assert {:ok, %{sound: true}} = Store.check(store, read_data: true)
    assert {:ok, true} = Store.delete(store, root)
    assert {:ok, %{deleted_packs: 1}} = Store.collect(store, min_age: 0)
    assert {:ok, %{packs: 0, files: 0}} = Store.usage(store)
  end

  defp message_count, do: self() |> Process.info(:message_queue_len) |> elem(1)
end
