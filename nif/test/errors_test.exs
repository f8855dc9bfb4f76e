defmodule Chunker.ErrorsTest do
  use ExUnit.Case, async: true

  import Bitwise

  # What the functions `code` of the errors of the core and of the store return, in their source. Observability is
  # for Rust alone.
  defp codes_of_the_core do
    for crate <- ["..", "../store"],
        file <- Path.wildcard(Path.expand("../#{crate}/src/**/*.rs", __DIR__)),
        not String.contains?(file, "/src/observability/"),
        [body] <- Regex.scan(~r/pub (?:const )?fn code\(&self\).*?\n    }\n/s, File.read!(file)),
        [_, code] <- Regex.scan(~r/"([a-z0-9_]+)"/, Regex.replace(~r/#\[cfg.*\]/, body, "")),
        uniq: true,
        do: String.to_atom(code)
  end

  # The core makes these of the codecs' names.
  defp codes_of_the_codecs do
    for codec <- [:bzip2, :lz4, :xz, :zstd],
        what <- [:compression, :decompression],
        do: :"#{codec}_#{what}_failed"
  end

  defp codes_of_the_type do
    {:ok, types} = Code.Typespec.fetch_types(Chunker)
    [codes] = for {:type, {:error, {:type, _, :union, codes}, []}} <- types, do: codes
    for {:atom, _, code} <- codes, do: code
  end

  test "the type of errors has the core's codes, and four that only bindings have" do
    bindings = [:chunker_busy, :chunker_closed, :invalid_argument, :timeout]

    assert Enum.sort(codes_of_the_type()) ==
             Enum.sort(codes_of_the_core() ++ codes_of_the_codecs() ++ bindings)
  end

  test "sizes that the core refuses are one error, whatever they are" do
    for size <- [-1, 0, 62, 65, 1 <<< 30, 1 <<< 64, -(1 <<< 70), 1.0, "256", :large, [], {}] do
      assert Chunker.chunk("data", min_size: size) == {:error, :invalid_chunking_options}, inspect(size)
      assert Chunker.open(avg_size: size) == {:error, :invalid_chunking_options}, inspect(size)
      assert Chunker.chunk_batch(["data"], min_size: size) == {:error, :invalid_chunking_options}
    end

    for hash <- [:md5, "sha256", 'sha256', 1] do
      assert Chunker.chunk("data", hash: hash) == {:error, :unknown_hash_algorithm}
      assert_raise Chunker.Error, "chunker: unknown_hash_algorithm", fn -> Chunker.digest("data", hash) end
    end
  end

  test "an offset is a number of bytes" do
    for offset <- [-1, 1 <<< 64, 1.0, "0", :start] do
      assert Chunker.open(offset: offset) == {:error, :invalid_argument}, inspect(offset)
      assert_raise Chunker.Error, fn -> Chunker.stream(["data"], offset: offset) end
    end

    assert_raise ArgumentError, fn -> Chunker.chunk("data", offset: 0) end
  end

  test "what no binary is raises, as do unknown options" do
    for data <- [:atom, 1, 'charlist', nil, %{}, <<1::3>>, <<0::size(1_000_001)>>, <<0::size(80_000_001)>>] do
      assert_raise ArgumentError, fn -> Chunker.chunk(data) end
      assert_raise ArgumentError, fn -> Chunker.digest(data) end
      assert_raise ArgumentError, fn -> Chunker.compress(data) end
      assert_raise ArgumentError, fn -> Chunker.decompress(data, codec: :zstd) end
    end

    assert_raise ArgumentError, fn -> Chunker.chunk("data", size: 1) end
    assert_raise ArgumentError, fn -> Chunker.chunk("data", payloads: 1) end
    assert_raise ArgumentError, fn -> Chunker.compress("data", size: 1) end
    assert_raise ArgumentError, fn -> Chunker.chunk_batch(["a" | "b"]) end
  end

  test "every codec says which of its arguments is wrong" do
    for codec <- [:zstd, :lz4, :xz, :bzip2], level <- [1000, -1_000_000_000, 1 <<< 40, 1.5, :high] do
      assert Chunker.compress("data", codec: codec, level: level) == {:error, :invalid_compression_level}
    end

    assert Chunker.compress("data", codec: :gzip) == {:error, :invalid_argument}
    assert Chunker.decompress("data", codec: "zstd") == {:error, :invalid_argument}

    for {limit, value} <- [max_output: -1, max_window_log: :large, max_memory: 1.0, max_output: 1 <<< 64] do
      assert Chunker.decompress("data", [{:codec, :zstd}, {limit, value}]) == {:error, :invalid_argument}
    end
  end

  test "the twins with a `!` raise the code" do
    error = assert_raise Chunker.Error, fn -> Chunker.chunk!("data", min_size: 1) end
    assert error.code == :invalid_chunking_options
    assert_raise Chunker.Error, fn -> Chunker.stream(["data"], min_size: 1) end
    assert_raise Chunker.Error, fn -> Chunker.decompress!("data") end
    assert_raise Chunker.Error, fn -> Chunker.Manifest.parse!("data") end
  end
end
