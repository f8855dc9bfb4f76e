defmodule Chunker.Cluster do
  @moduledoc """
  Chunks many inputs on all connected nodes.

  Nodes exchange only the location of an input, and then its chunks without payloads; the node that chunks an
  input reads its bytes. An input is the path of a file that every node can read, such as one on shared
  storage, or `{module, function, arguments}` of a function that returns an enumerable of pieces, each an
  `t:iodata/0`.

  Start this process on every node:

      children = [Chunker.Cluster]
      Supervisor.start_link(children, strategy: :one_for_one)

  Then call it from any node:

      Chunker.Cluster.chunk_batch(["/mnt/images/a.iso", "/mnt/images/b.iso"], profile: :medium)
      #=> [{:ok, [{<<…>>, 0, 1395318}, …]}, {:ok, […]}]

  If a node is lost or stopped, another one repeats its work; the chunks are the same wherever an input is
  chunked. When the caller ends, so does the work on all nodes.
  """

  alias Chunker.Error

  # How often an input is tried again after its node was lost.
  @attempts 3
  @read_bytes 1024 * 1024

  @type source :: Path.t() | {module, function :: atom, arguments :: [term]}

  @typedoc """
  Why an input has no chunks: `:io_error` if the file cannot be read, `:nodedown` if no node is left or three
  nodes were lost or stopped while they worked on it, and `{:exit, reason}` if the function that returns its
  pieces failed.
  """
  @type reason :: Chunker.error() | :nodedown | {:exit, term}

  @doc false
  @spec child_spec(term) :: Supervisor.child_spec()
  def child_spec(_), do: Supervisor.child_spec({Task.Supervisor, name: __MODULE__}, id: __MODULE__)

  @doc """
  Returns the chunks or the error of every input, in order.

  ## Options

  The [profile](Chunker.html#module-profiles), and

    * `:nodes` - by default this node and all nodes connected to it
    * `:per_node` - number of inputs that a node works on at once, by default 2

  Raises `Chunker.Error` if the profile is invalid.
  """
  @spec chunk_batch([source], [Chunker.option() | {:nodes, [node]} | {:per_node, pos_integer}]) ::
          [{:ok, [Chunker.chunk()]} | {:error, reason}]
  def chunk_batch(sources, options \\ []) do
    {nodes, options} = Keyword.pop_lazy(options, :nodes, fn -> [node() | Node.list()] end)
    {per_node, options} = Keyword.pop(options, :per_node, 2)

    unless is_list(nodes) and Enum.all?(nodes, &is_atom/1),
      do: raise(ArgumentError, "nodes: #{inspect(nodes)} is not a list of nodes")

    unless is_integer(per_node) and per_node > 0,
      do: raise(ArgumentError, "per_node: #{inspect(per_node)} is not a positive integer")

    _ = Chunker.profile!(options)
    caller = self()

    # All tasks are linked to this process, so none is left when the caller is killed.
    fn -> coordinate(caller, sources, options, Map.new(nodes, &{&1, per_node})) end
    |> Task.async()
    |> Task.await(:infinity)
  end

  defp coordinate(caller, sources, options, free) do
    Process.flag(:trap_exit, true)
    waiting = for {source, index} <- Enum.with_index(sources), do: {index, source, 1}

    results =
      work(%{caller: caller, options: options, free: free, waiting: waiting, running: %{}, results: %{}})

    for index <- 0..(length(sources) - 1)//1, do: Map.fetch!(results, index)
  end

  defp work(state) do
    state = start(state)

    if state.running == %{} do
      # No node is left for the waiting sources.
      for {index, _, _} <- state.waiting, into: state.results, do: {index, {:error, :nodedown}}
    else
      state |> next() |> work()
    end
  end

  defp start(%{waiting: []} = state), do: state

  defp start(%{waiting: [{_, source, _} = job | waiting]} = state) do
    case Enum.max_by(state.free, &elem(&1, 1), fn -> {nil, 0} end) do
      {_, 0} ->
        state

      {node, slots} ->
        case start_on(node, source, state.options) do
          {:ok, ref} ->
            running = Map.put(state.running, ref, {node, job})
            start(%{state | waiting: waiting, running: running, free: %{state.free | node => slots - 1}})

          :error ->
            start(%{state | free: Map.delete(state.free, node)})
        end
    end
  end

  defp start_on(node, source, options) do
    {:ok, Task.Supervisor.async({__MODULE__, node}, __MODULE__, :chunk_source, [source, options]).ref}
  catch
    # The node is lost, or it has no such supervisor.
    :exit, _ -> :error
  end

  defp next(%{caller: caller, running: running} = state) do
    receive do
      {ref, result} when is_map_key(running, ref) ->
        Process.demonitor(ref, [:flush])
        done(state, ref, result)

      {:DOWN, ref, :process, _, reason} when is_map_key(running, ref) ->
        case reason do
          reason when reason in [:noconnection, :noproc] -> lost(state, ref)
          # The supervisor is stopping; the next start will show whether the node has another one.
          :shutdown -> again(state, ref)
          reason -> done(state, ref, {:error, {:exit, reason}})
        end

      {:EXIT, ^caller, reason} ->
        exit(reason)

      # Exit signals of linked tasks, which are also monitored. Left in the mailbox, they would slow down
      # every receive.
      {:EXIT, _, _} ->
        next(state)
    end
  end

  defp done(state, ref, result) do
    {{index, _, _}, state} = release(state, ref)
    %{state | results: Map.put(state.results, index, result)}
  end

  defp lost(state, ref) do
    {node, _} = Map.fetch!(state.running, ref)
    again(%{state | free: Map.delete(state.free, node)}, ref)
  end

  defp again(state, ref) do
    {{index, source, attempt}, state} = release(state, ref)

    if attempt < @attempts,
      do: %{state | waiting: [{index, source, attempt + 1} | state.waiting]},
      else: %{state | results: Map.put(state.results, index, {:error, :nodedown})}
  end

  defp release(state, ref) do
    {{node, job}, running} = Map.pop!(state.running, ref)
    # The node may have been lost in the meantime.
    free = if is_map_key(state.free, node), do: Map.update!(state.free, node, &(&1 + 1)), else: state.free
    {job, %{state | running: running, free: free}}
  end

  @doc false
  @spec chunk_source(source, [Chunker.option()]) :: {:ok, [Chunker.chunk()]} | {:error, Chunker.error()}
  def chunk_source(source, options) do
    {:ok, source |> pieces() |> Chunker.stream(options) |> Enum.to_list()}
  rescue
    error in Error -> {:error, error.code}
  end

  defp pieces({module, function, arguments}), do: apply(module, function, arguments)

  defp pieces(path) do
    Stream.resource(
      fn -> path |> :file.open([:read, :raw, :binary]) |> readable!() end,
      fn file ->
        case :file.read(file, @read_bytes) do
          :eof -> {:halt, file}
          read -> {[readable!(read)], file}
        end
      end,
      &:file.close/1
    )
  end

  defp readable!({:ok, value}), do: value
  defp readable!({:error, _}), do: raise(Error, code: :io_error)
end
