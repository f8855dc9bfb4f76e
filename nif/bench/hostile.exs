# 1,000,000 mixed calls, half with arguments that no caller should pass, and the memory before and after: of all
# functions, or with the argument `stores` of those of stores and uploads, with processes that are killed amid them.
# Run with MIX_ENV=test: the calls are those of the tests.
run = if System.argv() == ["stores"], do: &Chunker.Hostile.run_stores/2, else: &Chunker.Hostile.run/2

report = fn name, %{erlang: erlang, resident: resident} ->
  IO.puts("#{name}: #{div(erlang, 1024)} KiB allocated by the VM, #{div(resident, 1024)} KiB resident")
end

run.(100_000, 0)
report.("before, after 100,000 others", Chunker.Hostile.memory())

outcomes =
  for part <- 1..4, reduce: %{} do
    outcomes ->
      more = run.(250_000, part)
      report.("after #{part * 250_000} calls", Chunker.Hostile.memory())
      Map.merge(outcomes, more, fn _, a, b -> a + b end)
  end

for {outcome, count} <- Enum.sort_by(outcomes, &(-elem(&1, 1))), do: IO.puts("#{count} #{inspect(outcome)}")
