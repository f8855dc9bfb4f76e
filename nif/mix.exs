Code.require_file("native/mix_compiler.exs", __DIR__)

defmodule Chunker.MixProject do
  use Mix.Project

  @version "0.1.0"

  def project do
    [
      app: :chunker,
      version: @version,
      elixir: "~> 1.14",
      compilers: [:chunker_nif | Mix.compilers()],
      elixirc_paths: elixirc_paths(Mix.env()),
      elixirc_options: [warnings_as_errors: true],
      start_permanent: Mix.env() == :prod,
      description:
        "Content-defined chunking (FastCDC v2020) with cut points identical in Elixir, Rust and JavaScript",
      package: package(),
      deps: []
    ]
  end

  def application, do: [extra_applications: [:logger]]

  defp elixirc_paths(:test), do: ["lib", "test/support"]
  defp elixirc_paths(_), do: ["lib"]

  defp package do
    [
      licenses: ["MIT", "Apache-2.0"],
      files: ~w(lib native mix.exs .formatter.exs README.md)
    ]
  end
end
