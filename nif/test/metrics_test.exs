defmodule Chunker.MetricsTest do
  # Not async: the totals are those of all processes.
  use ExUnit.Case, async: false

  @options [min_size: 64, avg_size: 256, max_size: 1024]

  # Chunkers of processes that other tests ended may still be at work.
  setup do: wait_until_quiet(Chunker.metrics())

  defp wait_until_quiet(before) do
    Process.sleep(20)

    case Chunker.metrics() do
      ^before -> :ok
      now -> wait_until_quiet(now)
    end
  end

  defp delta(work) do
    before = Chunker.metrics()
    result = work.()
    now = Chunker.metrics()

    {result, more(now, before)}
  end

  # What is more than before, zeros left out; what is new was zero.
  defp more(now, before) when is_map(now) do
    for {key, value} <- now,
        more = more(value, Map.get(before || %{}, key)),
        more not in [0, %{}],
        into: %{},
        do: {key, more}
  end

  defp more(now, before), do: now - (before || 0)

  defp noise(bytes), do: :crypto.strong_rand_bytes(bytes)

  test "chunks and bytes of every kind of call are counted once" do
    for {bytes, hash} <- [{0, :sha256}, {50_000, :blake3}, {300_000, :sha256}, {5_000_000, :blake3}],
        payloads <- [false, true] do
      data = noise(bytes)
      options = [hash: hash] ++ @options

      calls = [
        fn -> Chunker.chunk!(data, [payloads: payloads] ++ options) end,
        fn -> [data] |> Chunker.stream([payloads: payloads] ++ options) |> Enum.to_list() end,
        fn ->
          {:ok, results} = Chunker.chunk_batch([data], options)
          for {:ok, chunks} <- results, chunk <- chunks, do: chunk
        end
      ]

      for call <- calls do
        {chunks, counted} = delta(call)
        number = length(chunks)

        expected = %{chunks: %{hash => %{count: number, bytes: bytes}}}
        assert counted == if(bytes == 0, do: %{}, else: expected)
      end
    end
  end

  test "processes that chunk at once add up, and streams that are dropped keep what they gave" do
    data = noise(200_000)
    number = data |> Chunker.chunk!(@options) |> length()

    {_, counted} =
      delta(fn ->
        1..16
        |> Task.async_stream(fn _ -> Chunker.chunk!(data, @options) end, timeout: :infinity)
        |> Enum.each(fn {:ok, chunks} -> assert length(chunks) == number end)
      end)

    assert counted == %{chunks: %{sha256: %{count: 16 * number, bytes: 16 * 200_000}}}

    # Halted at the first chunk: the piece that was fed is counted, and the close delivers it.
    piece = binary_part(data, 0, 10_000)
    {:ok, chunker} = Chunker.open(@options)
    {:ok, fed} = Chunker.feed(chunker, piece)
    _ = Chunker.finish(chunker)

    {_, counted} = delta(fn -> [piece, data] |> Chunker.stream(@options) |> Enum.take(1) end)

    bytes = fed |> Enum.map(&elem(&1, 2)) |> Enum.sum()
    assert counted == %{chunks: %{sha256: %{count: length(fed), bytes: bytes}}}
  end

  test "digests of other data than chunks are counted apart" do
    for hash <- [:sha256, :blake3], bytes <- [100, 5_000_000] do
      data = noise(bytes)
      expected = %{digests: %{hash => %{count: 1, bytes: bytes}}}
      assert {_, ^expected} = delta(fn -> Chunker.digest(data, hash) end)

      assert {_, ^expected} =
               delta(fn ->
                 hasher = Chunker.Hasher.new(hash)
                 for piece <- pieces(data), do: Chunker.Hasher.update(hasher, piece)
                 Chunker.Hasher.finalize(hasher)
               end)
    end
  end

  test "what codecs take in and give is counted, whole, in slices, in pieces and with a dictionary" do
    samples = for n <- 1..1000, do: "sample number #{n} of #{rem(n, 7)}"
    {:ok, dictionary} = Chunker.train_dictionary(samples, 1024)
    # Noise is as long when compressed, and text is decompressed for a part before it is known to be long.
    text = :binary.copy("some text that shrinks, ", 300_000)

    for data <- [noise(1000), noise(6_000_000), text],
        options <- [[codec: :zstd], [codec: :lz4], [codec: :bzip2, level: 1], [dictionary: dictionary]] do
      codec = Keyword.get(options, :codec, :zstd)
      limits = Keyword.delete(options, :level)
      in_pieces = fn data -> data |> pieces() |> Chunker.compress_stream(options) |> Enum.join() end
      out_of_pieces = fn data -> data |> pieces() |> Chunker.decompress_stream(limits) |> Enum.join() end

      for {compress, decompress} <- [
            {&Chunker.compress!(&1, options), &Chunker.decompress!(&1, limits)},
            {in_pieces, out_of_pieces}
          ] do
        {compressed, counted} = delta(fn -> compress.(data) end)
        totals = %{bytes_in: byte_size(data), bytes_out: byte_size(compressed)}
        assert counted == %{compression: %{codec => totals}}

        {content, counted} = delta(fn -> decompress.(compressed) end)
        assert content == data
        totals = %{bytes_in: byte_size(compressed), bytes_out: byte_size(data)}
        assert counted == %{decompression: %{codec => totals}}
      end
    end
  end

  defp pieces(data), do: for(<<piece::binary-size(500_000) <- data>>, do: piece) ++ [last(data)]

  defp last(data) do
    length = rem(byte_size(data), 500_000)
    binary_part(data, byte_size(data) - length, length)
  end

  test "every error of a codec is counted once, whole, in slices and in pieces" do
    for bytes <- [1000, 6_000_000], codec <- [:zstd, :lz4, :bzip2] do
      frame = Chunker.compress!(noise(bytes), codec: codec, level: 1)
      cut = binary_part(frame, 0, div(byte_size(frame), 2))

      calls = [
        {:truncated_data, fn -> Chunker.decompress(cut) end},
        {:truncated_data, fn -> stream_error(cut, []) end},
        {:size_exceeded, fn -> Chunker.decompress(frame, max_output: bytes - 1) end},
        {:size_exceeded, fn -> stream_error(frame, max_output: bytes - 1) end},
        {:invalid_compression_level, fn -> Chunker.compress(frame, codec: codec, level: 1000) end},
        {:invalid_compression_level, fn -> Chunker.Compressor.open(codec: codec, level: 1000) end}
      ]

      for {code, call} <- calls do
        {{:error, ^code}, counted} = delta(call)
        assert counted.errors == %{code => 1}, "#{code}, #{codec}, #{bytes}"
      end
    end
  end

  defp stream_error(data, options) do
    data |> pieces() |> Chunker.decompress_stream(options) |> Stream.run()
  rescue
    error in Chunker.Error -> {:error, error.code}
  end
end
