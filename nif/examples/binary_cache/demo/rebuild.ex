defmodule Rebuild do
  @moduledoc """
  A package that is built again because what it depends on has changed: the modules of Python's library, each with
  the path of its interpreter in the first line, and a program with a search path, as packages of Nix have them.
  """

  @doc """
  Returns the store path of the package, built against the interpreter's build number `build`.
  """
  @spec package(RealNix.t(), pos_integer) :: Path.t()
  def package(nix, build) do
    RealNix.build(nix, """
    let
      make = name: script: derivation {
        inherit name;
        system = builtins.currentSystem;
        builder = "/bin/sh";
        args = [ "-euc" script ];
        PATH = "/usr/bin:/bin";
      };
      interpreter = make "python-3" ''
        mkdir -p "$out/bin"
        echo "build #{build}" >"$out/bin/python3"
      '';
    in make "python-modules-1.0" ''
      mkdir -p "$out/bin" "$out/lib"
      for file in #{library()}/*.py; do
        { echo "#!${interpreter}/bin/python3"; cat "$file"; } >"$out/lib/''${file##*/}"
      done
      { cat #{program()}; echo "RUNPATH=${interpreter}/lib:$out/lib"; } >"$out/bin/program"
    ''
    """)
  end

  # A few MB of text, and as much of a program.
  defp library do
    {folder, 0} = System.cmd("python3", ["-c", "import os; print(os.path.dirname(os.__file__))"])
    String.trim(folder)
  end

  defp program, do: "python3" |> System.find_executable() |> real_path()

  defp real_path(path) do
    case File.read_link(path) do
      {:ok, target} -> target |> Path.expand(Path.dirname(path)) |> real_path()
      {:error, _} -> path
    end
  end
end
