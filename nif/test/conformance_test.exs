defmodule Chunker.ConformanceTest do
  use ExUnit.Case, async: true

  import Bitwise

  alias Chunker.{Manifest, Native, Scheduling, Vectors}

  @moduletag :conformance

  setup_all do
    cases =
      for vector <- Vectors.cases("vectors.json") do
        data = Vectors.input(vector["input"])
        assert hex(:crypto.hash(:sha256, data)) == vector["input_sha256"], "input of #{vector["name"]}"
        Map.put(vector, "data", data)
      end

    %{cases: cases}
  end

  for hash <- [:sha256, :blake3] do
    test "all ways into the library give the vectors, #{hash}", %{cases: cases} do
      Enum.each(cases, &check(&1, unquote(hash)))
      IO.puts("conformance: elixir #{unquote(hash)}: #{length(cases)} cases, 0 differences")
    end
  end

  defp check(%{"name" => name, "data" => data} = vector, hash) do
    options = options(vector, hash)
    expected = expected(vector, hash)

    with_payloads =
      for {hash, offset, length} <- expected, do: {hash, offset, length, binary_part(data, offset, length)}

    profile = Chunker.Options.profile(options)

    assert Chunker.chunk(data, options) == {:ok, expected}, name
    assert Chunker.chunk(data, [payloads: true] ++ options) == {:ok, with_payloads}, name

    for payloads <- [false, true], chunks = if(payloads, do: with_payloads, else: expected) do
      assert Native.chunk_data_normal(data, profile, payloads) == {:ok, chunks}, name
      assert Native.chunk_data_dirty(data, profile, payloads) == {:ok, chunks}, name
    end

    assert Chunker.chunk(data, profile: "#{vector["profile"]}/#{hash}") == {:ok, expected}, name
    assert Scheduling.chunk_data_batch([data], profile) == {:ok, [{:ok, expected}]}, name

    for size <- [1, 37, 255, 4096, 1 <<< 20], div(byte_size(data), size) < 5_000 do
      assert data |> pieces(size) |> Chunker.stream(options) |> Enum.to_list() == expected,
             "#{name} in #{size}"
    end

    stream = data |> pieces(4099) |> Chunker.stream([payloads: true] ++ options)
    assert Enum.to_list(stream) == with_payloads, name
    assert slices(data, options, 5000) == expected, "#{name} in slices"

    manifest = Manifest.new!(expected, options)
    assert manifest.profile == "#{vector["profile"]}/#{hash}", name
    assert hex(manifest.root_digest) == vector["manifest_root"]["#{hash}"], name
    assert Manifest.parse(manifest.bytes) == {:ok, manifest}, name
    assert Manifest.verify(manifest, pieces(data, 4099)) == :ok, name
  end

  test "a split at any byte gives the vectors", %{cases: cases} do
    for %{"name" => name, "data" => data} = vector <- cases,
        byte_size(data) < 1200,
        at <- 0..byte_size(data) do
      <<head::binary-size(at), tail::binary>> = data
      {:ok, chunker} = Chunker.open(options(vector, :sha256))
      {:ok, first} = Chunker.feed(chunker, head)
      {:ok, second} = Chunker.feed(chunker, tail)
      {:ok, last} = Chunker.finish(chunker)
      assert first ++ second ++ last == expected(vector, :sha256), "#{name} split at #{at}"
    end
  end

  test "a batch of all inputs gives the vectors of each", %{cases: cases} do
    for {_, group} <- Enum.group_by(cases, &options(&1, :blake3)) do
      expected = Enum.map(group, &{:ok, expected(&1, :blake3)})

      assert group |> Enum.map(& &1["data"]) |> Chunker.chunk_batch(options(hd(group), :blake3)) ==
               {:ok, expected}
    end
  end

  defp options(vector, hash) do
    sizes = [min_size: vector["min_size"], avg_size: vector["avg_size"], max_size: vector["max_size"]]
    level = if vector["level"], do: [level: vector["level"]], else: []
    seed = if vector["seed"], do: [seed: String.to_integer(vector["seed"])], else: []
    [hash: hash] ++ sizes ++ level ++ seed
  end

  defp expected(vector, hash) do
    digests = vector["#{hash}"]
    assert length(digests) == length(vector["chunks"])

    for {[offset, length], digest} <- Enum.zip(vector["chunks"], digests),
        do: {Vectors.unhex(digest), offset, length}
  end

  # As large binaries are chunked: slice after slice of one piece.
  defp slices(data, options, size) do
    {:ok, chunker} = Chunker.open(options)

    chunks =
      for slice <- pieces(data, size) do
        {:ok, chunks} = Native.chunker_feed_dirty(chunker, slice, true)
        chunks
      end

    {:ok, last} = Chunker.finish(chunker)
    Enum.concat(chunks) ++ last
  end

  defp pieces(data, size) do
    Stream.unfold(data, fn
      "" -> nil
      <<piece::binary-size(size), rest::binary>> -> {piece, rest}
      last -> {last, ""}
    end)
  end

  defp hex(digest), do: Base.encode16(digest, case: :lower)
end
