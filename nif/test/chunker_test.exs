defmodule Chunker.ChunkerTest do
  use ExUnit.Case, async: true

  alias Chunker.Native

  defp open! do
    {:ok, chunker} = Chunker.open(min_size: 64, avg_size: 256, max_size: 1024)
    chunker
  end

  # Runs `use_it` in another process, which lives on until the test ends.
  defp elsewhere(use_it) do
    parent = self()

    pid =
      spawn_link(fn ->
        send(parent, {self(), use_it.()})
        Process.sleep(:infinity)
      end)

    receive do
      {^pid, result} -> {pid, result}
    end
  end

  defp kill(pid) do
    Process.unlink(pid)
    monitor = Process.monitor(pid)
    Process.exit(pid, :kill)

    receive do
      {:DOWN, ^monitor, _, _, _} -> :ok
    end
  end

  test "a finished chunker is closed" do
    chunker = open!()
    assert Chunker.finish(chunker) == {:ok, []}
    assert Chunker.feed(chunker, "piece") == {:error, :chunker_closed}
    assert Chunker.feed(chunker, :binary.copy("piece", 1_000_000)) == {:error, :chunker_closed}
    assert Chunker.finish(chunker) == {:error, :chunker_closed}
  end

  test "a chunker is closed when the process that opened it ends" do
    {owner, chunker} = elsewhere(&open!/0)
    assert Chunker.feed(chunker, "piece") == {:ok, []}
    kill(owner)
    assert Chunker.feed(chunker, "piece") == {:error, :chunker_closed}
  end

  test "a chunker is busy while another process feeds it a piece" do
    chunker = open!()
    {feeder, {:ok, []}} = elsewhere(fn -> Native.chunker_feed_normal(chunker, "slice", true) end)
    assert Chunker.feed(chunker, "piece") == {:error, :chunker_busy}
    assert Chunker.finish(chunker) == {:error, :chunker_busy}
    kill(feeder)
    assert Chunker.feed(chunker, "piece") == {:error, :chunker_closed}
  end

  test "a piece that was fed whole leaves the chunker to others" do
    chunker = open!()
    {_, {:ok, []}} = elsewhere(fn -> Chunker.feed(chunker, "from one, ") end)
    assert Chunker.feed(chunker, "from another") == {:ok, []}
    assert Chunker.finish(chunker) == {:ok, [{Chunker.digest("from one, from another"), 0, 22}]}
  end

  test "concurrent feeds are whole, busy or closed, and never mixed" do
    for _ <- 1..50 do
      chunker = open!()
      piece = :binary.copy(<<0>>, 300_000)
      feed = fn -> Native.chunker_feed_dirty(chunker, piece, false) end
      results = 1..4 |> Enum.map(fn _ -> Task.async(feed) end) |> Task.await_many()
      fed = Enum.count(results, &match?({:ok, _}, &1))
      assert Enum.all?(results, &(match?({:ok, _}, &1) or &1 == {:error, :chunker_busy}))
      {:ok, last} = Chunker.finish(chunker)
      chunks = Enum.flat_map(results, fn {_, chunks} -> if is_list(chunks), do: chunks, else: [] end) ++ last
      assert chunks |> Enum.map(&elem(&1, 2)) |> Enum.sum() == fed * 300_000
    end
  end

  test "the rest of an input that was cut has the chunks of the whole" do
    data = :crypto.strong_rand_bytes(200_000)

    for hash <- [:sha256, :blake3], payloads <- [true, false] do
      options = [min_size: 64, avg_size: 4096, max_size: 65_536, hash: hash, payloads: payloads]
      chunks = Chunker.chunk!(data, options)
      assert length(chunks) > 20

      for {chunk, index} <- Enum.with_index(chunks) do
        rest = binary_part(data, elem(chunk, 1), byte_size(data) - elem(chunk, 1))
        stream = Chunker.stream([rest], [offset: elem(chunk, 1)] ++ options)
        assert Enum.to_list(stream) == Enum.drop(chunks, index)
      end
    end
  end

  test "an offset beyond 4 GiB is one like any other" do
    offset = 1_000_000_000_000
    {:ok, chunker} = Chunker.open(offset: offset)
    {:ok, []} = Chunker.feed(chunker, "abc")
    assert Chunker.finish(chunker) == {:ok, [{Chunker.digest("abc"), offset, 3}]}
  end

  test "a stream reads no more than it is asked for, and closes" do
    parent = self()
    pieces = Stream.repeatedly(fn -> send(parent, :read) && :binary.copy(<<0>>, 1000) end)
    chunks = pieces |> Chunker.stream(min_size: 64, avg_size: 256, max_size: 1024) |> Enum.take(3)
    assert Enum.map(chunks, &elem(&1, 1)) == [0, 1024, 2048]
    assert {:messages, messages} = Process.info(self(), :messages)
    assert Enum.count(messages, &(&1 == :read)) == 4
  end

  test "a stream can be enumerated again" do
    stream = Chunker.stream(["a", ["b", [?c]]], payloads: true)
    assert [{_, 0, 3, "abc"}] = first = Enum.to_list(stream)
    assert Enum.to_list(stream) == first
  end

  test "a payload in memory shares the input, and one of a stream does not" do
    data = :rand.bytes(100_000)

    [{_, _, _, payload} | _] =
      Chunker.chunk!(data, payloads: true, min_size: 64, avg_size: 256, max_size: 1024)

    assert :binary.referenced_byte_size(payload) == byte_size(data)
    [{_, _, length, payload}] = [data] |> Chunker.stream(payloads: true) |> Enum.to_list()
    assert :binary.referenced_byte_size(payload) == length
  end

  test "a hash is on the heap of its process, and keeps nothing else in memory" do
    for hash <- [:sha256, :blake3],
        {digest, _, _} <- Chunker.chunk!(:crypto.strong_rand_bytes(3_000_000), hash: hash) do
      assert :binary.referenced_byte_size(digest) == 32
    end
  end
end
