defmodule BinaryCache.MixProject do
  use Mix.Project

  def project do
    [
      app: :binary_cache,
      version: "0.1.0",
      elixir: "~> 1.14",
      elixirc_paths: elixirc_paths(Mix.env()),
      elixirc_options: [warnings_as_errors: true],
      start_permanent: Mix.env() == :prod,
      deps: [{:chunker, path: "../.."}, {:ingest, path: "../ingest"}]
    ]
  end

  defp elixirc_paths(:test), do: ["lib", "demo", "test/support"]
  defp elixirc_paths(:dev), do: ["lib", "demo"]
  defp elixirc_paths(_), do: ["lib"]

  def application, do: [extra_applications: [:crypto, :logger]]
end
