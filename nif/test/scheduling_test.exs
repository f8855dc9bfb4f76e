defmodule Chunker.SchedulingTest do
  use ExUnit.Case, async: false

  import Bitwise

  alias Chunker.{Config, Native}

  setup do
    on_exit(fn ->
      for key <- [:normal_bytes, :sliced_bytes, :slice_bytes, :threads],
          do: Application.delete_env(:chunker, key)

      Config.reload()
    end)
  end

  defp configure(settings) do
    for {key, value} <- settings, do: Application.put_env(:chunker, key, value)
    Config.reload()
  end

  # The NIFs that `call` calls, in order, by tracing.
  defp nifs(call) do
    parent = self()

    worker =
      spawn_link(fn ->
        receive do
          :go -> send(parent, {:done, call.()})
        end
      end)

    trace(worker)
    send(worker, :go)
    assert_receive {:done, result}, 60_000
    {calls(worker), result}
  end

  defp trace(worker) do
    for {name, arity} <- Native.__info__(:functions),
        do: :erlang.trace_pattern({Native, name, arity}, true, [:local])

    :erlang.trace(worker, true, [:call])
  end

  defp calls(worker) do
    delivered = :erlang.trace_delivered(worker)
    assert_receive {:trace_delivered, ^worker, ^delivered}, 60_000
    traced(worker)
  end

  defp traced(worker) do
    receive do
      {:trace, ^worker, :call, {Native, name, _}} -> [name | traced(worker)]
    after
      0 -> []
    end
  end

  test "the size of the input chooses the scheduler" do
    noise = :crypto.strong_rand_bytes(5 <<< 20)
    part = &binary_part(noise, 0, &1)
    kib = 1024
    assert {[:chunk_data_normal], _} = nifs(fn -> Chunker.chunk(part.(64 * kib)) end)
    assert {[:chunk_data_dirty], _} = nifs(fn -> Chunker.chunk(part.(64 * kib + 1)) end)
    assert {[:chunk_data_dirty], _} = nifs(fn -> Chunker.chunk(part.(4096 * kib - 1)) end)
    slices = List.duplicate(:chunker_feed_dirty, 4)
    assert {calls, _} = nifs(fn -> Chunker.chunk(part.(4096 * kib)) end)
    assert calls == [:chunker_open_with] ++ slices ++ [:chunker_finish_dirty]

    assert {[:hash_normal], _} = nifs(fn -> Chunker.digest(part.(64 * kib)) end)
    assert {[:hash_dirty], _} = nifs(fn -> Chunker.digest(part.(64 * kib + 1)) end)
    assert {[:hasher_open | _], _} = nifs(fn -> Chunker.digest(part.(4096 * kib)) end)

    assert {[:compress_normal], _} = nifs(fn -> Chunker.compress(part.(16 * kib), codec: :lz4) end)
    assert {[:compress_dirty], _} = nifs(fn -> Chunker.compress(part.(16 * kib + 1)) end)
    assert {[:compress_dirty], _} = nifs(fn -> Chunker.compress("", level: 4) end)

    for codec <- [:xz, :bzip2],
        do: assert({[:compress_dirty], _} = nifs(fn -> Chunker.compress("", codec: codec) end))

    assert {[:compressor_open_dirty | _], _} =
             nifs(fn -> Chunker.compress(part.(256 * kib), codec: :xz, level: 0) end)

    assert {[:compress_dirty], _} = nifs(fn -> Chunker.compress("", dictionary: "dictionary") end)
    assert {[:compress_adaptive_normal], _} = nifs(fn -> Chunker.compress_adaptive(part.(16 * kib)) end)
    assert {[:compress_adaptive_dirty], _} = nifs(fn -> Chunker.compress_adaptive(part.(16 * kib + 1)) end)
    assert {calls, _} = nifs(fn -> Chunker.compress_adaptive(part.(4096 * kib)) end)
    assert calls == [:compressor_open_dirty, :is_worth_compressing_dirty]
    assert {[:train_dictionary_start_dirty], _} = nifs(fn -> Chunker.train_dictionary([part.(kib)], kib) end)

    {:ok, compressed} = Chunker.compress("")
    assert {[:decompress_dirty], _} = nifs(fn -> Chunker.decompress(compressed, codec: :zstd) end)
  end

  test "a piece of a stream is compressed and decompressed in slices, smaller ones where that is slow" do
    piece = :binary.copy("some text that shrinks, ", 100_000)

    for {codec, slices} <- [zstd: 3, lz4: 3, xz: 37, bzip2: 37] do
      {:ok, compressor} = Chunker.Compressor.open(codec: codec, level: 1)
      assert {calls, {:ok, first}} = nifs(fn -> Chunker.Compressor.feed(compressor, piece) end)
      assert calls == List.duplicate(:compressor_feed_dirty, slices)
      assert {[:compressor_finish_dirty], {:ok, last}} = nifs(fn -> Chunker.Compressor.finish(compressor) end)

      stream = Chunker.decompress_stream([first, last], codec: codec)
      assert {calls, ^piece} = nifs(fn -> Enum.join(stream) end)
      assert Enum.count(calls, &(&1 == :decompressor_read_dirty)) >= slices
    end
  end

  test "the configuration chooses it otherwise" do
    configure(normal_bytes: 0, sliced_bytes: 2048, slice_bytes: 1024)
    assert {[:chunk_data_dirty], _} = nifs(fn -> Chunker.chunk("a") end)
    assert {calls, {:ok, [_]}} = nifs(fn -> Chunker.chunk(:rand.bytes(3000)) end)
    assert Enum.count(calls, &(&1 == :chunker_feed_dirty)) == 3

    for {key, value} <- [normal_bytes: -1, slice_bytes: 0, threads: 0, threads: :many, sliced_bytes: 1.0e6] do
      assert_raise ArgumentError, ~r/config :chunker, #{key}/, fn -> configure([{key, value}]) end
      Application.delete_env(:chunker, key)
    end
  end

  test "all schedulers give the same" do
    noise = :rand.bytes(100_000)
    text = :binary.copy("some text that shrinks, ", 4_000)
    sizes = [min_size: 64, avg_size: 1024, max_size: 65_536]

    results = fn ->
      for data <- ["", "a", noise, text] do
        streams =
          for {codec, level} <- [zstd: nil, zstd: 12, lz4: nil, xz: 1, bzip2: 1] do
            {:ok, compressed} = Chunker.compress(data, codec: codec, level: level)
            {:ok, ^data} = Chunker.decompress(compressed)

            if data != "",
              do: {:error, :size_exceeded} = Chunker.decompress(compressed, max_output: byte_size(data) - 1)

            # In one call, zstd says its length, and LZ4 chooses its blocks by it.
            if codec in [:xz, :bzip2], do: compressed
          end

        adapted =
          for codec <- [:zstd, :lz4, :bzip2], do: elem(Chunker.compress_adaptive!(data, codec: codec), 0)

        chunks = for payloads <- [true, false], do: Chunker.chunk(data, [payloads: payloads] ++ sizes)
        {chunks, for(hash <- [:sha256, :blake3], do: Chunker.digest(data, hash)), streams, adapted}
      end
    end

    expected = results.()

    for settings <- [
          [normal_bytes: 1_000_000],
          [normal_bytes: 0, sliced_bytes: 1_000_000],
          [normal_bytes: 0, sliced_bytes: 1024, slice_bytes: 1024],
          [normal_bytes: 0, sliced_bytes: 1024, slice_bytes: 16_384]
        ] do
      configure(settings)
      assert results.() == expected, inspect(settings)
    end
  end

  test "a caller that is killed stops the work at the next slice" do
    configure(slice_bytes: 4096)
    data = :binary.copy(:crypto.strong_rand_bytes(1 <<< 20), 256)
    {worker, monitor} = spawn_monitor(fn -> receive(do: (:go -> Chunker.chunk(data))) end)
    trace(worker)
    send(worker, :go)
    assert_receive {:trace, ^worker, :call, {Native, :chunker_feed_dirty, _}}
    Process.exit(worker, :kill)
    assert_receive {:DOWN, ^monitor, :process, ^worker, :killed}
    assert length(calls(worker)) < div(byte_size(data), 4096) - 1
  end

  test "a batch is the inputs one by one, whatever the threads" do
    large = :crypto.strong_rand_bytes(5 <<< 20)
    small = for size <- 1..40, do: :rand.bytes(size * 10_000)
    inputs = [large, "", :none, large, binary_part(large, 1, 4 <<< 20) | small]

    expected =
      for data <- inputs,
          do: if(is_binary(data), do: Chunker.chunk(data, hash: :blake3), else: {:error, :invalid_argument})

    for threads <- [1, 2], sliced_bytes <- [4 <<< 20, 100_000] do
      configure(threads: threads, sliced_bytes: sliced_bytes)
      assert Chunker.chunk_batch(inputs, hash: :blake3) == {:ok, expected}
    end

    assert Chunker.chunk_batch([]) == {:ok, []}
    assert Chunker.chunk_batch(inputs, min_size: 1) == {:error, :invalid_chunking_options}
    assert Chunker.chunk_batch([large, large], min_size: 1) == {:error, :invalid_chunking_options}
  end

  test "a batch of many inputs without bytes is no small one" do
    inputs = List.duplicate("", 100_000)
    assert {calls, {:ok, results}} = nifs(fn -> Chunker.chunk_batch(inputs) end)
    assert length(calls) > 1 and Enum.uniq(calls) == [:chunk_data_batch_dirty]
    assert results == List.duplicate({:ok, []}, 100_000)
  end

  test "a batch with a dictionary is no small one" do
    configure(threads: 2)
    inputs = List.duplicate("input", 100)
    dictionary = :rand.bytes(50_000)
    assert {calls, {:ok, results}} = nifs(fn -> Chunker.compress_batch(inputs, dictionary: dictionary) end)
    assert length(calls) in 5..20 and Enum.uniq(calls) == [:compress_batch_dirty]
    assert Enum.uniq(results) == [Chunker.compress("input", dictionary: dictionary)]
    assert length(results) == 100
  end

  test "many frames without content are decompressed in slices" do
    configure(sliced_bytes: 4096, slice_bytes: 1024)

    for codec <- [:zstd, :lz4, :xz, :bzip2] do
      frames = :binary.copy(Chunker.compress!("", codec: codec), 1000)

      assert {[_detect, :decompressor_open_dirty | calls], {:ok, ""}} =
               nifs(fn -> Chunker.decompress(frames) end)

      assert Enum.count(calls, &(&1 == :decompressor_feed_dirty)) > 1
    end
  end

  test "a batch is compressed as its inputs one by one" do
    inputs = ["", :none | for(size <- 1..10, do: :binary.copy("text #{size}, ", size * 5_000))]

    for codec <- [:zstd, :lz4, :bzip2], slice_bytes <- [1 <<< 20, 65_536] do
      configure(slice_bytes: slice_bytes, sliced_bytes: 4 * slice_bytes)

      expected =
        for data <- inputs,
            do:
              if(is_binary(data), do: Chunker.compress(data, codec: codec), else: {:error, :invalid_argument})

      assert Chunker.compress_batch(inputs, codec: codec) == {:ok, expected}
    end

    assert {:ok, [{:error, :invalid_compression_level}]} = Chunker.compress_batch(["a"], level: 1000)

    for inputs <- [[], ["a"], [:none], ["a", :binary.copy("b", 10 <<< 20)], ["a", "b"]],
        do: assert(Chunker.compress_batch(inputs, codec: :gzip) == {:error, :invalid_argument})
  end
end
