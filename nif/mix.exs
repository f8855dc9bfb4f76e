Code.require_file("native/mix_compiler.exs", __DIR__)

defmodule Chunker.MixProject do
  use Mix.Project

  @version "0.1.0"
  @repository "https://git.example/chunker"

  def project do
    [
      app: :chunker,
      version: @version,
      elixir: "~> 1.14",
      compilers: [:chunker_nif | Mix.compilers()],
      elixirc_paths: elixirc_paths(Mix.env()),
      # Not for those who depend on this: newer compilers warn of more.
      elixirc_options: [warnings_as_errors: Mix.env() == :test],
      start_permanent: Mix.env() == :prod,
      test_coverage: [tool: Chunker.Coverage],
      xref: [exclude: [:cover]],
      description:
        "Content-defined chunking (FastCDC v2020) with cut points identical in Elixir, Rust and JavaScript",
      source_url: @repository,
      package: package(),
      deps: []
    ]
  end

  def application, do: [mod: {Chunker.Application, []}, extra_applications: [:logger]]

  defp elixirc_paths(:test), do: ["lib", "test/support"]
  defp elixirc_paths(_), do: ["lib"]

  defp package do
    [
      licenses: ["MIT", "Apache-2.0"],
      links: %{"Source" => @repository},
      # Of the folder that `make packages` fills: there the native crate depends on the published one.
      files: ~w(lib native/mix_compiler.exs native/precompiled.exs native/chunker_nif/Cargo.toml
           native/chunker_nif/Cargo.lock native/chunker_nif/src mix.exs .formatter.exs README.md CHANGELOG.md
           LICENSE-MIT LICENSE-APACHE) ++ Path.wildcard("native/libraries.exs")
    ]
  end
end
