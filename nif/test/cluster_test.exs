defmodule Chunker.ClusterTest do
  use ExUnit.Case, async: false

  alias Chunker.{Cluster, Peers}

  @moduletag :capture_log

  @options [min_size: 64, avg_size: 1024, max_size: 8192, hash: :blake3]

  setup_all do
    Peers.distribute()
    start_supervised!(Cluster)
    directory = Path.join(System.tmp_dir!(), "chunker-cluster-#{System.pid()}")
    File.mkdir_p!(directory)
    on_exit(fn -> File.rm_rf!(directory) end)

    files =
      for index <- 1..20 do
        path = Path.join(directory, "#{index}")
        File.write!(path, :crypto.strong_rand_bytes(index * 20_000))
        path
      end

    %{files: files, expected: for(path <- files, do: Chunker.chunk(File.read!(path), @options))}
  end

  defp watched(files, doomed \\ nil), do: for(path <- files, do: {Peers, :watched, [path, self(), doomed]})

  defp readers do
    receive do
      {:read, node, _, _} -> MapSet.put(readers(), node)
    after
      0 -> MapSet.new()
    end
  end

  test "two nodes give what one gives", %{files: files, expected: expected} do
    {a, _} = Peers.start()
    {b, _} = Peers.start()
    assert Cluster.chunk_batch(files, @options) == expected
    assert Cluster.chunk_batch(files, [nodes: [node()]] ++ @options) == expected
    assert Cluster.chunk_batch(watched(files), [nodes: [a, b]] ++ @options) == expected
    assert readers() == MapSet.new([a, b])
  end

  test "a node that is killed amid its work changes nothing", %{files: files, expected: expected} do
    {doomed, pid} = Peers.start()
    {other, _} = Peers.start()
    sources = watched(files, doomed)
    work = Task.async(fn -> Cluster.chunk_batch(sources, [nodes: [doomed, other]] ++ @options) end)
    assert_receive {:read, ^doomed, _, 1}, 10_000
    {_, 0} = System.cmd("kill", ["-9", pid])
    assert Task.await(work, 30_000) == expected
    assert MapSet.member?(readers(), other)
  end

  test "a node that is stopped amid its work changes nothing", %{files: files, expected: expected} do
    {doomed, _} = Peers.start()
    {other, _} = Peers.start()
    sources = watched(files, doomed)
    work = Task.async(fn -> Cluster.chunk_batch(sources, [nodes: [doomed, other]] ++ @options) end)
    assert_receive {:read, ^doomed, _, 1}, 10_000
    :ok = Supervisor.stop({Peers, doomed})
    assert Task.await(work, 30_000) == expected
    assert MapSet.member?(readers(), other)
  end

  test "without a node, or with too many lost, an input has no chunks", %{files: files} do
    assert Cluster.chunk_batch(["a"], nodes: []) == [{:error, :nodedown}]

    assert Cluster.chunk_batch(["a", "b"], nodes: [:"nobody@127.0.0.1"]) ==
             List.duplicate({:error, :nodedown}, 2)

    {doomed, pid} = Peers.start()
    sources = watched(Enum.take(files, 1) ++ Enum.take(files, -1), doomed)
    work = Task.async(fn -> Cluster.chunk_batch(sources, nodes: [doomed]) end)
    assert_receive {:read, ^doomed, _, 1}, 10_000
    {_, 0} = System.cmd("kill", ["-9", pid])
    assert Task.await(work, 30_000) == List.duplicate({:error, :nodedown}, 2)
  end

  test "an input that fails does not stop the others", %{files: [file | _]} do
    failing = {:erlang, :error, [:no_pieces]}

    assert [{:ok, [_ | _]}, {:error, :io_error}, error, {:ok, _}] =
             Cluster.chunk_batch([file, "/none", failing, file])

    assert {:error, {:exit, {:no_pieces, _}}} = error
    assert Cluster.chunk_batch([]) == []
    assert_raise Chunker.Error, fn -> Cluster.chunk_batch([file], min_size: 1) end
    assert_raise ArgumentError, fn -> Cluster.chunk_batch([file], per_node: 0) end
    assert_raise ArgumentError, fn -> Cluster.chunk_batch([file], nodes: ["a"]) end
  end

  test "when the caller is killed, the work ends on all nodes", %{files: files} do
    {doomed, _} = Peers.start()
    sources = watched(Enum.take(files, -1), doomed)
    caller = spawn(fn -> Cluster.chunk_batch(sources, nodes: [doomed]) end)
    assert_receive {:read, ^doomed, _, 1}, 10_000
    [task] = Task.Supervisor.children({Cluster, doomed})
    monitor = Process.monitor(task)
    Process.exit(caller, :kill)
    assert_receive {:DOWN, ^monitor, :process, ^task, :killed}, 10_000
  end
end
