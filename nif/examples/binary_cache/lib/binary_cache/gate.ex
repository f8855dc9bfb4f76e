defmodule BinaryCache.Gate do
  @moduledoc """
  Limits how many processes work at once; the others wait in line.

  Whoever writes chunks holds some packs of them in memory.
  """

  use GenServer

  @spec start_link(name: GenServer.name(), places: pos_integer) :: GenServer.on_start()
  def start_link(options), do: GenServer.start_link(__MODULE__, options[:places], name: options[:name])

  @doc """
  Waits for a place, and runs `work` in it. A process that ends leaves its place.
  """
  @spec pass(GenServer.server(), (() -> result)) :: result when result: term
  def pass(gate, work) do
    ticket = GenServer.call(gate, :enter, :infinity)

    try do
      work.()
    after
      GenServer.cast(gate, {:leave, ticket})
    end
  end

  @impl true
  def init(places), do: {:ok, %{free: places, inside: MapSet.new(), waiting: :queue.new()}}

  @impl true
  def handle_call(:enter, {pid, _} = from, state) do
    waiting = :queue.in({Process.monitor(pid), from}, state.waiting)
    {:noreply, admit(%{state | waiting: waiting})}
  end

  @impl true
  def handle_cast({:leave, ticket}, state) do
    Process.demonitor(ticket, [:flush])
    {:noreply, left(state, ticket)}
  end

  @impl true
  def handle_info({:DOWN, ticket, :process, _, _}, state), do: {:noreply, left(state, ticket)}

  defp left(state, ticket) do
    if ticket in state.inside do
      admit(%{state | free: state.free + 1, inside: MapSet.delete(state.inside, ticket)})
    else
      %{state | waiting: :queue.filter(fn {waiting, _} -> waiting != ticket end, state.waiting)}
    end
  end

  defp admit(%{free: 0} = state), do: state

  defp admit(state) do
    case :queue.out(state.waiting) do
      {{:value, {ticket, from}}, waiting} ->
        GenServer.reply(from, ticket)
        admit(%{state | free: state.free - 1, inside: MapSet.put(state.inside, ticket), waiting: waiting})

      {:empty, _} ->
        state
    end
  end
end
