defmodule Chunker.HostileTest do
  use ExUnit.Case, async: false

  alias Chunker.Hostile

  # `make bench-nif` makes 1,000,000 of both kinds.
  @calls 50_000
  @store_calls 4_000

  @tag timeout: :infinity
  test "no call harms the VM or keeps memory" do
    Hostile.run(div(@calls, 5), 1)
    before = Hostile.memory()
    outcomes = Hostile.run(@calls, 2)
    later = Hostile.memory()
    assert outcomes |> Map.values() |> Enum.sum() == @calls

    for outcome <- [:ok, :at_once, :chunker_closed, :invalid_chunking_options, ArgumentError],
        do: assert(is_map_key(outcomes, outcome), inspect(outcome))

    assert later.erlang - before.erlang < 8_000_000
    assert later.resident - before.resident < 64_000_000
  end

  @tag timeout: :infinity
  test "nor does one on a store, or in an exchange" do
    Hostile.run_stores(div(@store_calls, 2), 1)
    before = Hostile.memory()
    outcomes = Hostile.run_stores(@store_calls, 2)
    later = Hostile.memory()
    assert outcomes |> Map.values() |> Enum.sum() == @store_calls

    for outcome <- [:proper, :killed, :ok, :chunker_closed, :chunker_busy, ArgumentError],
        do: assert(is_map_key(outcomes, outcome), inspect(outcome))

    assert later.erlang - before.erlang < 8_000_000
    assert later.resident - before.resident < 64_000_000
  end
end
