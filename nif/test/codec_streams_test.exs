defmodule Chunker.CodecStreamsTest do
  use ExUnit.Case, async: true

  import Chunker.Eventually
  alias Chunker.{Compressor, Decompressor}

  @codecs [:zstd, :lz4, :xz, :bzip2]
  @mib 1_048_576

  @words List.to_tuple(~w(cut point gear hash chunk digest codec manifest the of a and))

  # Text that shrinks, but not to nothing.
  defp text(bytes) do
    words = for <<byte <- :rand.bytes(div(bytes, 2))>>, into: "", do: elem(@words, rem(byte, 12)) <> " "
    binary_part(words, 0, bytes)
  end

  defp pieces(data, size) do
    Stream.unfold(data, fn
      "" -> nil
      <<piece::binary-size(size), rest::binary>> -> {piece, rest}
      last -> {last, ""}
    end)
  end

  defp code(call), do: assert_raise(Chunker.Error, call).code

  test "any split of the input compresses to what gives it back" do
    data = text(100_000)

    for codec <- @codecs, size <- [1, 37, 4096, 200_000], size > 1 or codec != :bzip2 do
      compressed = data |> pieces(size) |> Chunker.compress_stream(codec: codec, level: 1) |> Enum.join()
      assert Chunker.decompress(compressed) == {:ok, data}
      assert byte_size(compressed) < 60_000
    end

    for codec <- @codecs do
      nothing = [] |> Chunker.compress_stream(codec: codec) |> Enum.join()
      assert Chunker.decompress(nothing, codec: codec) == {:ok, ""}

      assert Chunker.compress_stream([["a", [?b]], []], codec: codec) |> Enum.join() |> Chunker.decompress!() ==
               "ab"
    end
  end

  test "any split of compressed data gives the content, with its codec named or not" do
    data = text(50_000)

    for codec <- @codecs, size <- [1, 2, 37, 4096, 200_000] do
      pieces = data |> Chunker.compress!(codec: codec) |> pieces(size)
      assert pieces |> Chunker.decompress_stream() |> Enum.join() == data
      assert pieces |> Chunker.decompress_stream(codec: codec) |> Enum.join() == data
    end
  end

  test "several frames are one content" do
    for codec <- @codecs do
      frames = for part <- ["one, ", "", "two"], do: Chunker.compress!(part, codec: codec)
      assert frames |> Chunker.decompress_stream() |> Enum.join() == "one, two"
    end
  end

  test "data in pieces has the errors of data in one" do
    frames = for codec <- @codecs, do: Chunker.compress!(text(10_000), codec: codec)
    damaged = for frame <- frames, do: binary_part(frame, 0, 100) <> :binary.copy("damage", 20) <> frame
    truncated = for frame <- frames, do: binary_part(frame, 0, byte_size(frame) - 1)
    trailing = for frame <- frames, do: frame <> "trailing bytes"

    for data <- damaged ++ truncated ++ trailing ++ ["", "B", "no frame of anything", "short"] do
      {:error, code} = Chunker.decompress(data)

      for size <- [1, 100, 100_000] do
        assert code(fn -> data |> pieces(size) |> Chunker.decompress_stream() |> Stream.run() end) == code
      end
    end

    for codec <- @codecs,
        do:
          assert(
            code(fn -> [] |> Chunker.decompress_stream(codec: codec) |> Stream.run() end) == :truncated_data
          )

    for {frame, codec} <- Enum.zip(frames, @codecs), limit <- [0, 9_999] do
      stream = Chunker.decompress_stream([frame], codec: codec, max_output: limit)
      assert code(fn -> Stream.run(stream) end) == :size_exceeded
      assert [frame] |> Chunker.decompress_stream(max_output: 10_000) |> Enum.join() |> byte_size() == 10_000
    end
  end

  test "options that are not allowed are found before the stream is read" do
    never = Stream.map([1], fn _ -> flunk("a piece was read") end)

    for {options, code} <- [
          {[codec: :gzip], :invalid_argument},
          {[codec: :xz, level: 10], :invalid_compression_level},
          {[codec: :lz4, dictionary: "a"], :invalid_argument},
          {[dictionary: :a], :invalid_argument}
        ] do
      assert code(fn -> Chunker.compress_stream(never, options) end) == code
      assert Compressor.open(options) == {:error, code}
    end

    for {options, code} <- [
          {[codec: :gzip], :invalid_argument},
          {[codec: :zstd, max_window_log: 9], :invalid_window_log},
          {[max_output: -1], :invalid_argument},
          {[codec: :xz, dictionary: "a"], :invalid_argument}
        ] do
      assert code(fn -> Chunker.decompress_stream(never, options) end) == code
      assert Decompressor.open(options) == {:error, code}
    end

    assert_raise ArgumentError, fn -> Chunker.compress_stream(never, max_output: 1) end
    assert_raise ArgumentError, fn -> Chunker.decompress_stream(never, level: 1) end
  end

  test "a small piece with a large content is decompressed block by block" do
    for codec <- [:zstd, :lz4, :bzip2] do
      bomb = Chunker.compress!(:binary.copy(<<0>>, 100 * @mib), codec: codec, level: 1)
      assert byte_size(bomb) < @mib
      {:ok, decompressor} = Decompressor.open()
      assert {:more, block} = Decompressor.feed(decompressor, bomb)
      assert byte_size(block) in 1..@mib
      assert {:more, other} = Decompressor.feed(decompressor, "")
      assert byte_size(other) in 1..@mib

      lengths = [bomb] |> Chunker.decompress_stream() |> Stream.map(&byte_size/1) |> Enum.to_list()
      assert Enum.sum(lengths) == 100 * @mib
      assert Enum.max(lengths) <= @mib
    end
  end

  test "a stream decompresses only what is asked for" do
    parent = self()
    bomb = Chunker.compress!(:binary.copy(<<0>>, 10 * @mib))
    pieces = Stream.repeatedly(fn -> send(parent, :read) && bomb end)
    stream = Chunker.decompress_stream(pieces, codec: :zstd, max_output: 1_000_000 * @mib)
    assert stream |> Enum.take(15) |> Enum.map(&byte_size/1) == List.duplicate(@mib, 15)
    assert {:messages, [:read, :read]} = Process.info(self(), :messages)
  end

  test "a piece that ends with the data leaves the end to finish" do
    for codec <- @codecs do
      data = text(3 * @mib)
      compressed = Chunker.compress!(data, codec: codec, level: 1)
      {:ok, decompressor} = Decompressor.open(codec: codec)
      {:more, first} = Decompressor.feed(decompressor, compressed)
      content = first <> all(fn -> Decompressor.feed(decompressor, "") end)
      assert Decompressor.finish(decompressor) == {:ok, ""}
      assert content == data
      assert Decompressor.finish(decompressor) == {:error, :chunker_closed}
      assert Decompressor.feed(decompressor, "") == {:error, :chunker_closed}
    end
  end

  defp all(call) do
    case call.() do
      {:ok, last} -> last
      {:more, block} -> block <> all(call)
    end
  end

  test "finish returns what was fed and not read, and takes no more" do
    data = text(3 * @mib)
    {:ok, decompressor} = Decompressor.open()
    {:more, first} = Decompressor.feed(decompressor, Chunker.compress!(data))
    {:more, second} = Decompressor.finish(decompressor)
    assert Decompressor.feed(decompressor, "more") == {:error, :decompression_ended}

    {:ok, decompressor} = Decompressor.open()
    {:more, ^first} = Decompressor.feed(decompressor, Chunker.compress!(data))
    assert first <> all(fn -> Decompressor.finish(decompressor) end) == data
    assert String.starts_with?(data, first <> second)
  end

  test "an error closes a decompressor" do
    {:ok, decompressor} = Decompressor.open(codec: :zstd)
    assert Decompressor.feed(decompressor, "no frame") == {:error, :zstd_decompression_failed}
    assert Decompressor.feed(decompressor, "no frame") == {:error, :chunker_closed}
  end

  test "a compressor and a decompressor are closed when finished and when their owner ends" do
    {:ok, compressor} = Compressor.open()
    {:ok, _} = Compressor.finish(compressor)
    assert Compressor.feed(compressor, "piece") == {:error, :chunker_closed}
    assert Compressor.finish(compressor) == {:error, :chunker_closed}

    {:ok, {{:ok, compressor}, {:ok, decompressor}}} =
      fn -> {Compressor.open(), Decompressor.open()} end |> Task.async() |> Task.yield()

    assert eventually(fn -> Compressor.feed(compressor, "piece") == {:error, :chunker_closed} end)
    assert eventually(fn -> Decompressor.feed(decompressor, "piece") == {:error, :chunker_closed} end)
    assert inspect(compressor) == "#Chunker.Compressor<codec: :zstd, level: nil, ...>"
  end

  describe "a dictionary" do
    setup do
      inputs = for n <- 1..2000, do: ~s({"offset": #{n * 7919}, "length": #{rem(n, 64)}, "codec": "zstd"})
      {:ok, dictionary} = Chunker.train_dictionary(inputs, 4096)
      %{inputs: inputs, dictionary: dictionary}
    end

    test "shrinks small inputs by every function, and is needed to read them", context do
      %{inputs: [input | _] = inputs, dictionary: dictionary} = context
      assert byte_size(dictionary) <= 4096
      plain = byte_size(Chunker.compress!(input))
      {:ok, batch} = Chunker.compress_batch(inputs, dictionary: dictionary)
      stream = [input] |> Chunker.compress_stream(dictionary: dictionary) |> Enum.join()

      for compressed <- [Chunker.compress!(input, dictionary: dictionary), stream] do
        assert byte_size(compressed) < plain
        assert Chunker.decompress(compressed, dictionary: dictionary) == {:ok, input}

        for size <- [1, 7, 1000] do
          pieces = pieces(compressed, size)
          assert pieces |> Chunker.decompress_stream(dictionary: dictionary) |> Enum.join() == input
        end

        {:ok, other} = Chunker.train_dictionary(Enum.reverse(inputs), 1024)

        for options <- [[], [dictionary: other]] do
          assert Chunker.decompress(compressed, options) == {:error, :zstd_decompression_failed}
          stream = Chunker.decompress_stream([compressed], options)
          assert code(fn -> Stream.run(stream) end) == :zstd_decompression_failed
        end
      end

      assert batch == for(input <- inputs, do: {:ok, Chunker.compress!(input, dictionary: dictionary)})
    end

    test "may be used for large inputs too", %{dictionary: dictionary} do
      data = text(5 * @mib)
      {:ok, [{:ok, compressed}]} = Chunker.compress_batch([data], dictionary: dictionary)
      assert Chunker.decompress(compressed, dictionary: dictionary) == {:ok, data}

      assert Chunker.decompress(compressed, dictionary: dictionary, max_output: 5 * @mib - 1) ==
               {:error, :size_exceeded}
    end

    test "is one of zstd, and a binary", %{dictionary: dictionary} do
      for codec <- [:lz4, :xz, :bzip2] do
        options = [codec: codec, dictionary: dictionary]
        assert Chunker.compress("data", options) == {:error, :invalid_argument}
        assert Chunker.compress_batch(["data"], options) == {:error, :invalid_argument}
        data = Chunker.compress!("data", codec: codec)
        assert Chunker.decompress(data, dictionary: dictionary) == {:error, :invalid_argument}
        stream = Chunker.decompress_stream([data], dictionary: dictionary)
        assert code(fn -> Stream.run(stream) end) == :invalid_argument
      end

      assert Chunker.compress("data", dictionary: :none) == {:error, :invalid_argument}
    end

    test "needs samples to be trained", %{inputs: inputs} do
      assert Chunker.train_dictionary([], 4096) == {:error, :zstd_compression_failed}
      assert Chunker.train_dictionary(["a"], 4096) == {:error, :zstd_compression_failed}
      assert Chunker.train_dictionary(inputs, 0) == {:error, :zstd_compression_failed}
      assert {:ok, _} = Chunker.train_dictionary(inputs, 1_000_000_000_000_000)

      for size <- [-1, 1.0, nil],
          do: assert(Chunker.train_dictionary(inputs, size) == {:error, :invalid_argument})

      assert Chunker.train_dictionary(["a", :b], 4096) == {:error, :invalid_argument}
      assert_raise ArgumentError, fn -> Chunker.train_dictionary("a", 4096) end
    end
  end

  test "adaptive compression stores what does not shrink, small or large" do
    for codec <- @codecs, bytes <- [1000, 100_000, 5 * @mib] do
      text = text(bytes)
      assert {:compressed, compressed} = Chunker.compress_adaptive!(text, codec: codec, level: 1)
      assert byte_size(compressed) < bytes
      assert Chunker.decompress(compressed) == {:ok, text}

      for data <- [:rand.bytes(bytes), <<0xFF, 0xD8, 0xFF, 0xE0>> <> text, Chunker.compress!(text)] do
        assert Chunker.compress_adaptive(data, codec: codec, level: 1) == {:ok, {:stored, data}}
      end

      assert Chunker.compress_adaptive(text, codec: codec, level: 1000) ==
               {:error, :invalid_compression_level}
    end

    assert Chunker.compress_adaptive("") == {:ok, {:stored, ""}}
    assert Chunker.compress_adaptive("data", codec: :gzip) == {:error, :invalid_argument}
    assert_raise ArgumentError, fn -> Chunker.compress_adaptive("data", dictionary: "a") end
  end
end
