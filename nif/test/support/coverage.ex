defmodule Chunker.Coverage do
  @moduledoc false
  # `mix test --cover`: the lines of each module of the library that tests ran.
  #
  # Mix's own tool loads every module anew, and that of a native library cannot be loaded twice.

  @minimum 95

  def start(compile_path, _options) do
    {:ok, _} = Application.ensure_all_started(:tools)
    :cover.start()

    modules =
      for file <- Path.wildcard(Path.join(compile_path, "*.beam")), in_library?(file) do
        {:ok, module} = :cover.compile_beam(String.to_charlist(file))
        module
      end

    fn -> report(Enum.map(modules, &{&1, lines(&1)})) end
  end

  # `test/support` is compiled into the same directory.
  defp in_library?(file) do
    module = file |> Path.basename(".beam") |> String.to_atom()
    source = to_string(module.module_info(:compile)[:source])
    module != Chunker.Native and String.contains?(source, "/lib/")
  end

  # Lines numbered 0 are those of macros. One line may hold several clauses.
  defp lines(module) do
    {:ok, clauses} = :cover.analyse(module, :coverage, :line)

    for {{_, line}, {covered, _}} <- clauses, line > 0, reduce: %{} do
      lines -> Map.update(lines, line, covered > 0, &(&1 or covered > 0))
    end
  end

  defp report(modules) do
    for {module, lines} <- modules, do: row(inspect(module), Map.values(lines))
    total = row("all", Enum.flat_map(modules, fn {_, lines} -> Map.values(lines) end))

    if total < @minimum do
      Mix.shell().error("tests run #{percent(total)} of the lines, less than #{@minimum} %")
      exit({:shutdown, 1})
    end
  end

  defp row(name, lines) do
    covered = if lines == [], do: 100.0, else: 100 * Enum.count(lines, & &1) / length(lines)
    Mix.shell().info([String.pad_leading(percent(covered), 8), "  ", name])
    covered
  end

  defp percent(value), do: :erlang.float_to_binary(value / 1, decimals: 1) <> " %"
end
