Code.require_file("precompiled.exs", __DIR__)

defmodule Mix.Tasks.Compile.ChunkerNif do
  @moduledoc """
  Puts the native library into `priv/native` of the build.

  That is the one which the environment variable `CHUNKER_NIF_PATH` names; else, in a package from Hex,
  the one that its release has for the system that is compiled for (`Chunker.Precompiled`); else cargo builds it
  from `native/chunker_nif`, unless that is another system than this one. With `CHUNKER_BUILD=1` it is always
  built.
  """
  @shortdoc "Builds the native library of chunker"

  use Mix.Task.Compiler

  alias Chunker.Precompiled

  @impl true
  def run(_arguments) do
    with {:ok, library} <- library(), do: install(library)
  end

  @impl true
  def clean, do: File.rm_rf!(directory())

  defp library do
    case {System.get_env("CHUNKER_BUILD"), System.get_env("CHUNKER_NIF_PATH", "")} do
      {"1", _} ->
        build()

      {_, ""} ->
        precompiled()

      {_, path} ->
        if File.regular?(path),
          do: {:ok, Path.expand(path)},
          else: error("no library at CHUNKER_NIF_PATH: #{path}")
    end
  end

  @cross "there is no library for this MIX_TARGET: set CHUNKER_NIF_PATH to one that was built for it"

  defp precompiled do
    environment = System.get_env()
    target = Precompiled.target_of(environment, Precompiled.target())

    case Precompiled.library(Path.join(__DIR__, "libraries.exs"), target) do
      {:ok, path} -> {:ok, path}
      :none -> if Precompiled.cross?(environment), do: error(@cross), else: build()
      {:error, reason} -> error("#{reason}; set CHUNKER_BUILD=1 to build the library with cargo")
    end
  end

  # A crate on its own has not the profile of the repository's workspace.
  @profile ~w(--config profile.release.lto="thin" --config profile.release.codegen-units=1)

  defp build do
    cargo = System.find_executable("cargo")
    arguments = ~w(build --quiet --release --message-format json-render-diagnostics) ++ @profile

    if cargo == nil do
      error("cargo is missing: install Rust (https://rustup.rs), or set CHUNKER_NIF_PATH")
    else
      case System.cmd(cargo, arguments, cd: Path.join(__DIR__, "chunker_nif")) do
        {output, 0} -> artifact(output)
        {_, status} -> error("cargo failed with status #{status}")
      end
    end
  end

  # Cargo says where it put the library: a target directory may be set anywhere.
  defp artifact(output) do
    case Regex.run(~r/"filenames":\["([^"]*chunker_nif\.(?:so|dylib|dll))"/, output) do
      [_, path] -> {:ok, path}
      nil -> error("cargo did not say where the library is")
    end
  end

  # A library that is mapped into a running VM is never written to: the new file takes its name.
  defp install(library) do
    ending = if Path.extname(library) == ".dll", do: ".dll", else: ".so"
    target = Path.join(directory(), "chunker_nif" <> ending)

    if same?(library, target) do
      {:noop, []}
    else
      File.mkdir_p!(directory())
      temporary = "#{target}.#{System.pid()}"
      File.cp!(library, temporary)
      File.rename!(temporary, target)
      {:ok, []}
    end
  end

  defp same?(library, target) do
    File.regular?(target) and File.stat!(target).size == File.stat!(library).size and
      :erlang.md5(File.read!(target)) == :erlang.md5(File.read!(library))
  end

  defp directory, do: Path.join(Mix.Project.app_path(), "priv/native")

  defp error(message) do
    Mix.shell().error("chunker: " <> message)
    {:error, []}
  end
end
