defmodule Chunker.Peers do
  @moduledoc """
  Other nodes on this machine that chunk, and inputs that tell a process who reads them.
  """

  import Chunker.Eventually

  @doc """
  Makes this VM a node, if it is none, which the peers connect to.
  """
  def distribute do
    unless Node.alive?() do
      {_, 0} = System.cmd("epmd", ["-daemon"])
      # It listens a moment later.
      true = eventually(fn -> match?({_, 0}, System.cmd("epmd", ["-names"])) end)
      {:ok, _} = :net_kernel.start([:"chunker-#{System.pid()}@127.0.0.1", :longnames])
      Node.set_cookie(:chunker_peers)
    end
  end

  @doc """
  Starts a node with the code of this one and `Chunker.Cluster`; returns it with the id of its process.
  """
  def start do
    paths = for path <- :code.get_path(), argument <- ['-pa', path], do: argument

    {:ok, _, node} =
      :peer.start_link(%{
        name: :peer.random_name(),
        host: '127.0.0.1',
        longnames: true,
        args: ['-setcookie', 'chunker_peers' | paths]
      })

    {:ok, _} = :erpc.call(node, :application, :ensure_all_started, [:logger])
    :ok = :erpc.call(node, __MODULE__, :serve, [])
    {node, :erpc.call(node, System, :pid, [])}
  end

  @doc """
  Starts `Chunker.Cluster` for as long as the node lives.
  """
  def serve do
    {:ok, supervisor} = Supervisor.start_link([Chunker.Cluster], strategy: :one_for_one, name: __MODULE__)
    Process.unlink(supervisor)
    :ok
  end

  @doc """
  Returns the pieces of a file, and tells `reader` about each which node reads it.

  On the node `doomed` the second piece never comes.
  """
  def watched(path, reader, doomed) do
    path
    |> File.stream!([], 10_000)
    |> Stream.with_index()
    |> Stream.map(fn {piece, index} ->
      send(reader, {:read, node(), path, index})
      if index > 0 and node() == doomed, do: Process.sleep(:infinity)
      piece
    end)
  end

  @doc """
  Stores a file on this node, and returns what is read of it: an open store does not travel.
  """
  def store(pieces) do
    store = Chunker.Store.open!("memory://peers")
    {:ok, root} = Chunker.Store.write(store, pieces)
    store |> Chunker.Store.read(root) |> Enum.join()
  end
end
