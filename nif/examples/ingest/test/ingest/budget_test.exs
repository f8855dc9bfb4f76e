defmodule Ingest.BudgetTest do
  use ExUnit.Case, async: true

  alias Ingest.Budget

  setup do
    %{budget: start_supervised!({Budget, capacity: 10})}
  end

  # Holds `amount` until it is told to stop.
  defp hold(budget, amount, take \\ :try_with) do
    test = self()

    spawn(fn ->
      apply(Budget, take, [
        budget,
        amount,
        fn ->
          send(test, {:holds, self(), amount})
          receive do: (:stop -> :ok)
        end
      ])
    end)
  end

  test "what does not fit is busy, until it is given back", %{budget: budget} do
    holder = hold(budget, 8)
    assert_receive {:holds, ^holder, 8}
    assert Budget.try_with(budget, 3, fn -> :done end) == :busy
    assert Budget.try_with(budget, 2, fn -> :done end) == {:ok, :done}
    monitor = Process.monitor(holder)
    send(holder, :stop)
    assert_receive {:DOWN, ^monitor, _, _, _}
    assert Budget.try_with(budget, 10, fn -> :done end) == {:ok, :done}
  end

  test "a holder that is killed, or raises, gives back", %{budget: budget} do
    holder = hold(budget, 10)
    assert_receive {:holds, ^holder, 10}
    waiter = hold(budget, 10, :wait_with)
    refute_received {:holds, ^waiter, _}
    Process.exit(holder, :kill)
    assert_receive {:holds, ^waiter, 10}
    Process.exit(waiter, :kill)
    assert_raise RuntimeError, fn -> Budget.wait_with(budget, 10, fn -> raise "work" end) end
    assert Budget.wait_with(budget, 10, fn -> :done end) == :done
  end

  test "those that wait are served in their order, the killed among them passed over", %{budget: budget} do
    first = hold(budget, 10)
    assert_receive {:holds, ^first, 10}

    waiters =
      for amount <- [7, 6, 5] do
        waiter = hold(budget, amount, :wait_with)
        wait_until(fn -> waiting?(budget, waiter) end)
        waiter
      end

    assert Budget.try_with(budget, 0, fn -> :done end) == :busy, "nobody overtakes"
    [second, killed, last] = waiters
    Process.exit(killed, :kill)
    send(first, :stop)
    assert_receive {:holds, ^second, 7}
    refute_received {:holds, ^last, 5}
    send(second, :stop)
    assert_receive {:holds, ^last, 5}
  end

  test "more than the capacity passes alone", %{budget: budget} do
    large = hold(budget, 100)
    assert_receive {:holds, ^large, 100}
    assert Budget.try_with(budget, 1, fn -> :done end) == :busy
  end

  defp waiting?(budget, pid),
    do:
      budget
      |> :sys.get_state()
      |> Map.fetch!(:waiting)
      |> :queue.to_list()
      |> Enum.any?(&match?({_, {^pid, _}}, &1))

  defp wait_until(condition), do: condition.() || (Process.sleep(1) && wait_until(condition))
end
