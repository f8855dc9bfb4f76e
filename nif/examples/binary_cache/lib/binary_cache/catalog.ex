defmodule BinaryCache.Catalog do
  @moduledoc """
  Which store paths the cache has: a file for each, a `BinaryCache.Record`.

  Everybody reads the files; this process alone writes them. It also knows which files of the store are needed:
  two builds of a package can have one NAR between them once their references are taken out, so a file of the store
  goes when its last record has gone. What is about to get a record is held until then.
  """

  use GenServer
  require Logger
  import BinaryCache.Refusal, only: [refuse: 2]
  alias BinaryCache.{Cache, Files, Record, Refusal}
  alias Chunker.{Error, Store}
  alias Chunker.Nix.NarInfoFile

  @typedoc "The name of the process, and of the table of digests that were sent."
  @type t :: atom

  @spec start_link(Cache.t()) :: GenServer.on_start()
  def start_link(cache), do: GenServer.start_link(__MODULE__, cache, name: cache.catalog)

  @doc """
  Returns the cache whose catalog this is.
  """
  @spec cache(GenServer.server()) :: Cache.t()
  def cache(catalog), do: GenServer.call(catalog, :cache, :infinity)

  @doc """
  Returns the record of the store path with this hash: `nil` if there is none, `:damaged` if it cannot be
  read.
  """
  @spec read(Path.t(), String.t()) :: {:ok, Record.t()} | nil | :damaged
  def read(directory, hash) do
    case directory |> path(hash) |> Files.read!() do
      nil -> nil
      bytes -> Record.decode(bytes)
    end
  end

  @doc """
  Returns the hashes of the store paths whose NAR was sent with this digest.
  """
  @spec sent(t, String.t()) :: [String.t()]
  def sent(catalog, file_hash), do: for({_, hash} <- :ets.lookup(catalog, file_hash), do: hash)

  @doc """
  Runs `work` while the file `root` of the store is held: it stays if it is there, or comes now.
  """
  @spec holding(t, Store.root(), (() -> result)) :: result when result: term
  def holding(catalog, root, work) do
    ticket = GenServer.call(catalog, {:hold, root}, :infinity)

    try do
      work.()
    after
      GenServer.cast(catalog, {:let_go, ticket})
    end
  end

  @signed [store_path: "StorePath", nar_hash: "NarHash", nar_size: "NarSize", references: "References"]

  @doc """
  Refuses to say of a store path that is there what it is not served with.
  """
  @spec check_same(Record.t(), NarInfoFile.t()) :: :ok | {:error, Refusal.t()}
  def check_same(%Record{narinfo: %{narinfo: known}}, %NarInfoFile{narinfo: said}) do
    case Enum.find(@signed, fn {field, _} -> Map.fetch!(known, field) != Map.fetch!(said, field) end) do
      nil -> :ok
      {_, name} -> refuse(409, "#{known.store_path} already exists with another #{name}: delete it first")
    end
  end

  @doc """
  Makes a record durable. A store path that is there gets the signatures that it lacks, as long as its narinfo stays
  within the limits, and nothing else.
  """
  @spec publish(t, Record.t()) :: {:ok, :created | :known} | {:error, Refusal.t()}
  def publish(catalog, record), do: call(catalog, {:publish, record})

  @doc """
  Removes the record of a store path by its hash, and the file in the store that it alone needed; returns whether
  there was one.
  """
  @spec delete(t, String.t()) :: boolean
  def delete(catalog, hash), do: call(catalog, {:delete, hash})

  @doc """
  Removes a file of the store unless it is needed or held.
  """
  @spec release(t, Store.root()) :: :ok
  def release(catalog, root), do: call(catalog, {:release, root})

  defp call(catalog, request) do
    case GenServer.call(catalog, request, :infinity) do
      {:raised, error} -> raise error
      result -> result
    end
  end

  @impl true
  def init(cache) do
    _ = :ets.new(cache.catalog, [:bag, :named_table, :protected, read_concurrency: true])
    state = %{cache: cache, records: %{}, held: %{}}
    {:ok, cache.records |> File.ls!() |> Enum.reduce(state, &load/2)}
  end

  defp load(hash, state) do
    case read(state.cache.records, hash) do
      {:ok, record} ->
        added(state, record)

      _ ->
        Logger.error("the record of #{hash} is damaged: the path must be pushed again")
        state
    end
  end

  @impl true
  def handle_call({:hold, root}, {pid, _}, state) do
    ticket = Process.monitor(pid)
    {:reply, ticket, put_in(state.held[ticket], root)}
  end

  def handle_call(:cache, _, state), do: {:reply, state.cache, state}

  # A full disk must not end the cache.
  def handle_call(request, _, state) do
    {result, state} = handle(request, state)
    {:reply, result, state}
  rescue
    error -> {:reply, {:raised, error}, state}
  end

  @impl true
  def handle_cast({:let_go, ticket}, state) do
    Process.demonitor(ticket, [:flush])
    {:noreply, %{state | held: Map.delete(state.held, ticket)}}
  end

  @impl true
  def handle_info({:DOWN, ticket, :process, _, _}, state),
    do: {:noreply, %{state | held: Map.delete(state.held, ticket)}}

  # Late messages from store calls that timed out.
  def handle_info(_, state), do: {:noreply, state}

  defp handle({:publish, record}, state) do
    hash = Record.hash_part(record.narinfo.narinfo.store_path)

    case read(state.cache.records, hash) do
      {:ok, known} ->
        result = with :ok <- check_same(known, record.narinfo), do: sign!(state, hash, known, record)
        {result, state}

      _ ->
        write!(state, hash, record)
        {{:ok, :created}, added(state, record)}
    end
  end

  defp handle({:delete, hash}, state) do
    record = read(state.cache.records, hash)
    removed = state.cache.records |> path(hash) |> Files.remove!()

    case record do
      {:ok, record} -> {removed, state |> dropped(record) |> unneeded(record.root)}
      _ -> {removed, state}
    end
  end

  defp handle({:release, root}, state), do: {:ok, unneeded(state, root)}

  defp sign!(%{cache: %{limits: %{max_narinfo_bytes: limit}}} = state, hash, known, record) do
    signed = Record.with_signatures(known, record.narinfo.signatures)

    cond do
      signed == known ->
        {:ok, :known}

      signed.narinfo |> NarInfoFile.to_text() |> Error.unwrap!() |> byte_size() > limit ->
        refuse(413, "with these signatures the narinfo has more than #{limit} bytes")

      true ->
        write!(state, hash, signed)
        {:ok, :known}
    end
  end

  defp write!(state, hash, record),
    do: state.cache.records |> path(hash) |> Files.write!(Record.encode(record))

  defp added(state, record) do
    :ets.insert(state.cache.catalog, sent_entry(record))
    %{state | records: Map.update(state.records, record.root, 1, &(&1 + 1))}
  end

  defp dropped(state, record) do
    :ets.delete_object(state.cache.catalog, sent_entry(record))

    records =
      case Map.fetch!(state.records, record.root) do
        1 -> Map.delete(state.records, record.root)
        count -> Map.put(state.records, record.root, count - 1)
      end

    %{state | records: records}
  end

  defp sent_entry(record),
    do: {record.file_hash, Record.hash_part(record.narinfo.narinfo.store_path)}

  defp unneeded(state, root) do
    needed = Map.has_key?(state.records, root) or root in Map.values(state.held)
    _ = needed or state.cache.store |> Store.delete(root) |> Error.unwrap!()
    state
  end

  defp path(directory, hash), do: Path.join(directory, hash)
end
