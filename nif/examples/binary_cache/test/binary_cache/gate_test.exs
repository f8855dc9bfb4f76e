defmodule BinaryCache.GateTest do
  use ExUnit.Case, async: true

  alias BinaryCache.Gate

  test "no more pass at once than there are places, and all pass in the end" do
    gate = start_supervised!({Gate, name: :gate_of_three, places: 3})
    inside = :counters.new(1, [])

    1..50
    |> Task.async_stream(
      fn _ ->
        Gate.pass(gate, fn ->
          :counters.add(inside, 1, 1)
          assert :counters.get(inside, 1) in 1..3
          Process.sleep(1)
          :counters.sub(inside, 1, 1)
        end)
      end,
      max_concurrency: 50
    )
    |> Stream.run()
  end

  test "who is killed, waiting or inside, or raises, leaves a place" do
    gate = start_supervised!({Gate, name: :gate_of_one, places: 1})
    test = self()
    enter = fn -> Gate.pass(gate, fn -> send(test, {:inside, self()}) && Process.sleep(:infinity) end) end
    first = spawn(enter)
    assert_receive {:inside, ^first}
    waiting = spawn(enter)
    refute_receive {:inside, ^waiting}, 50
    Process.exit(waiting, :kill)
    Process.exit(first, :kill)
    assert_raise RuntimeError, fn -> Gate.pass(gate, fn -> raise "in between" end) end
    assert Gate.pass(gate, fn -> :passed end) == :passed
  end
end
