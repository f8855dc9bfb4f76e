defmodule Chunker.ProfileTest do
  use ExUnit.Case, async: true

  import Bitwise

  alias Chunker.{Cluster, Manifest}

  @fields [min_size: 64, avg_size: 1024, max_size: 8192, level: 2, seed: 666, hash: :blake3]
  @id "fastcdc-v2020/nc2/seed666/64-1024-8192/blake3"

  # Every way to say what decides the chunks.
  defp forms do
    [
      [profile: @id],
      [profile: @fields],
      [profile: Enum.reverse(@fields)],
      [profile: Map.new(@fields)],
      @fields
    ]
  end

  test "every function takes a profile by its id, its fields, and as options of its own" do
    data = :rand.bytes(100_000)
    chunks = Chunker.chunk!(data, profile: @id)
    assert length(chunks) > 20
    refute chunks == Chunker.chunk!(data, @fields |> Keyword.delete(:seed))

    for options <- forms() do
      assert Chunker.profile(options) == {:ok, @id}
      assert Chunker.chunk(data, options) == {:ok, chunks}

      assert data |> Chunker.chunk!([payloads: true] ++ options) |> Enum.map(&Tuple.delete_at(&1, 3)) ==
               chunks

      assert [data] |> Chunker.stream(options) |> Enum.to_list() == chunks
      assert Chunker.chunk_batch([data, data], options) == {:ok, [{:ok, chunks}, {:ok, chunks}]}
      {:ok, chunker} = Chunker.open(options)
      {:ok, fed} = Chunker.feed(chunker, data)
      {:ok, last} = Chunker.finish(chunker)
      assert fed ++ last == chunks
      assert Manifest.new!(chunks, options).profile == @id
    end
  end

  test "a manifest's profile gives its chunks" do
    data = :rand.bytes(50_000)
    manifest = data |> Chunker.chunk!(@fields) |> Manifest.new!(@fields)
    assert Chunker.chunk!(data, profile: manifest.profile) == manifest.chunks
  end

  test "the default is large, and what is left out is that of large" do
    for options <- [[], [profile: :large], [profile: nil], [profile: []], [profile: %{}], [level: 1, seed: 0]],
        do: assert(Chunker.profile(options) == {:ok, "fastcdc-v2020/nc1/262144-1048576-4194304/sha256"})

    assert Chunker.profile!(avg_size: 524_288) == "fastcdc-v2020/nc1/262144-524288-4194304/sha256"
    assert Chunker.profile!(profile: [seed: (1 <<< 64) - 1]) =~ "/seed18446744073709551615/"
    assert Chunker.profile!(profile: :medium) == "fastcdc-v2020/nc1/16384-65536-262144/sha256"
    assert Chunker.profile!(profile: :small) == "fastcdc-v2020/nc1/4096-16384-65536/sha256"
    for level <- 0..3, do: assert(Chunker.profile!(level: level) =~ "/nc#{level}/")
  end

  test "a profile that is none has a code, wherever it is given" do
    unknown =
      for id <- ["", "large", "fastcdc-v2020/nc1/64-256-1024", @id <> "/", "\xFF", :huge, true],
          do: [profile: id]

    not_allowed = for level <- [-1, 4, 256, 1.0, "2", :high], do: [level: level]

    not_allowed =
      not_allowed ++
        for(seed <- [-1, 1 <<< 64, 1.0, "666", :none], do: [seed: seed]) ++
        [
          [profile: [min_size: 63]],
          [profile: "fastcdc-v2020/nc1/63-256-1024/sha256"],
          [level: 3, max_size: 1 <<< 24, avg_size: 1 <<< 24]
        ]

    for {code, all} <- [unknown_profile: unknown, invalid_chunking_options: not_allowed], options <- all do
      assert Chunker.profile(options) == {:error, code}, inspect(options)
      assert Chunker.chunk("data", options) == {:error, code}
      assert Chunker.chunk_batch(["data"], options) == {:error, code}
      assert Chunker.open(options) == {:error, code}
      assert Manifest.new([], options) == {:error, code}
      assert_raise Chunker.Error, fn -> Chunker.stream(["data"], options) end
      assert_raise Chunker.Error, fn -> Cluster.chunk_batch([], options) end
    end

    assert Chunker.profile(profile: [hash: :md5]) == {:error, :unknown_hash_algorithm}
  end

  test "a profile beside its own fields raises, as do unknown fields and other terms" do
    for options <- [
          [profile: :large, hash: :blake3],
          [hash: :blake3, profile: :large],
          [profile: :large, profile: :small],
          [profile: [profile: :large]],
          [profile: [size: 1]],
          [profile: %{"min_size" => 64}],
          [profile: 1],
          [profile: {64, 256, 1024, nil, nil, nil}]
        ],
        call <- [&Chunker.profile/1, &Chunker.open/1, &Chunker.chunk("data", &1), &Manifest.new([], &1)] do
      assert_raise ArgumentError, fn -> call.(options) end
    end

    assert_raise ArgumentError, ~r/either profile: or its fields/, fn ->
      Chunker.chunk("data", profile: :large, seed: 1)
    end
  end

  test "the Remote Execution API's profile has the sizes of its average, and level 2" do
    assert Chunker.remote_execution_profile(16_384) == {:ok, "fastcdc-v2020/nc2/4096-16384-65536/sha256"}
    assert Chunker.remote_execution_profile!(1_048_576) =~ "/nc2/262144-1048576-4194304/"

    for size <- [0, 1022, 1028, 1_048_578, -1, 1.0, nil, :large] do
      assert Chunker.remote_execution_profile(size) == {:error, :invalid_chunking_options}
      assert_raise Chunker.Error, fn -> Chunker.remote_execution_profile!(size) end
    end
  end
end
