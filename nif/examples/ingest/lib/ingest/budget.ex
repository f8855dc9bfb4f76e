defmodule Ingest.Budget do
  @moduledoc """
  A counted supply: bytes that may be held, decoders that may run.

  What a process has taken comes back when its work is done, or when it ends.
  """

  use GenServer

  @spec start_link(name: GenServer.name(), capacity: pos_integer) :: GenServer.on_start()
  def start_link(options) do
    {capacity, options} = Keyword.pop!(options, :capacity)
    GenServer.start_link(__MODULE__, capacity, options)
  end

  @doc """
  Runs `work` with `amount` taken and returns `{:ok, result}`, or `:busy` if that is not free now.

  More than the capacity is free when nothing else is taken: it passes alone instead of never.
  """
  @spec try_with(GenServer.server(), non_neg_integer, (() -> result)) :: {:ok, result} | :busy
        when result: term
  def try_with(budget, amount, work) do
    case GenServer.call(budget, {:try_take, amount}) do
      {:ok, ticket} -> {:ok, run(budget, ticket, work)}
      :busy -> :busy
    end
  end

  @doc """
  Waits until `amount` is free, and runs `work` with it taken.
  """
  @spec wait_with(GenServer.server(), non_neg_integer, (() -> result)) :: result when result: term
  def wait_with(budget, amount, work) do
    {:ok, ticket} = GenServer.call(budget, {:take, amount}, :infinity)
    run(budget, ticket, work)
  end

  @doc """
  Returns `stream` with `amount` taken while it is enumerated, or a stream of `busy` alone if that is not
  free when it begins.
  """
  @spec stream_with(GenServer.server(), non_neg_integer, Enumerable.t(), term) :: Enumerable.t()
  def stream_with(budget, amount, stream, busy) do
    Stream.resource(
      fn -> {:begin, GenServer.call(budget, {:try_take, amount})} end,
      fn
        {:begin, :busy} -> {[busy], {:end, :busy}}
        {:begin, taken} -> {stream, {:end, taken}}
        {:end, _} = ended -> {:halt, ended}
      end,
      fn
        {_, {:ok, ticket}} -> give(budget, ticket)
        {_, :busy} -> :ok
      end
    )
  end

  defp run(budget, ticket, work) do
    work.()
  after
    give(budget, ticket)
  end

  defp give(budget, ticket), do: GenServer.cast(budget, {:give, ticket})

  @impl true
  def init(capacity), do: {:ok, %{capacity: capacity, taken: 0, holders: %{}, waiting: :queue.new()}}

  @impl true
  def handle_call({kind, amount}, from, state) do
    cond do
      :queue.is_empty(state.waiting) and fits?(state, amount) -> {:noreply, grant(state, amount, from)}
      kind == :take -> {:noreply, %{state | waiting: :queue.in({amount, from}, state.waiting)}}
      true -> {:reply, :busy, state}
    end
  end

  @impl true
  def handle_cast({:give, ticket}, state) do
    Process.demonitor(ticket, [:flush])
    {:noreply, release(state, ticket)}
  end

  @impl true
  def handle_info({:DOWN, ticket, :process, _, _}, state), do: {:noreply, release(state, ticket)}

  defp release(state, ticket) do
    {amount, holders} = Map.pop!(state.holders, ticket)
    serve(%{state | taken: state.taken - amount, holders: holders})
  end

  defp serve(state) do
    with {:value, {amount, from}} <- :queue.peek(state.waiting), true <- fits?(state, amount) do
      serve(grant(%{state | waiting: :queue.drop(state.waiting)}, amount, from))
    else
      _ -> state
    end
  end

  # The monitor of a waiter that has ended in the meantime fires at once.
  defp grant(state, amount, {pid, _} = from) do
    ticket = Process.monitor(pid)
    GenServer.reply(from, {:ok, ticket})
    %{state | taken: state.taken + amount, holders: Map.put(state.holders, ticket, amount)}
  end

  defp fits?(%{taken: 0}, _), do: true
  defp fits?(%{taken: taken, capacity: capacity}, amount), do: taken + amount <= capacity
end
