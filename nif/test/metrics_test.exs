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

        expected = %{chunks: number, bytes: bytes, hashes: %{hash => %{operations: number, bytes: bytes}}}
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

    assert counted.chunks == 16 * number
    assert counted.bytes == 16 * 200_000

    # Halted at the first chunk: the piece that was fed is counted, and the close delivers it.
    piece = binary_part(data, 0, 10_000)
    {:ok, chunker} = Chunker.open(@options)
    {:ok, fed} = Chunker.feed(chunker, piece)
    _ = Chunker.finish(chunker)

    {_, counted} = delta(fn -> [piece, data] |> Chunker.stream(@options) |> Enum.take(1) end)

    assert counted.chunks == length(fed)
    assert counted.bytes == fed |> Enum.map(&elem(&1, 2)) |> Enum.sum()
  end

  test "compressed bytes and errors are counted, whole and in slices" do
    for bytes <- [1000, 6_000_000], codec <- [:zstd, :lz4] do
      data = noise(bytes)
      {compressed, counted} = delta(fn -> Chunker.compress!(data, codec: codec) end)
      totals = %{bytes_in: bytes, bytes_out: byte_size(compressed)}
      assert counted == %{compressions: %{codec => totals}}
    end

    frame = Chunker.compress!(noise(1000))
    cut = binary_part(frame, 0, 500)

    {codes, counted} =
      delta(fn ->
        for _ <- 1..3 do
          {:error, code} = Chunker.decompress(cut)
          code
        end
      end)

    assert counted == %{errors: Enum.frequencies(codes)}
  end
end
