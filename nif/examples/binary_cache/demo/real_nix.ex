defmodule RealNix do
  @moduledoc """
  Nix as it is on this machine, with stores in a folder: no daemon, no network, no other store.

  Needs `nix` 2.4 or newer, of Debian's package `nix-bin` for instance.
  """

  @enforce_keys [:folder]
  defstruct @enforce_keys

  @type t :: %__MODULE__{folder: Path.t()}

  @doc """
  Returns a Nix with a store in a folder, which is created.
  """
  @spec new(Path.t()) :: t
  def new(folder) do
    nix = %__MODULE__{folder: folder}
    File.mkdir_p!(Path.join(folder, "conf"))

    File.write!(Path.join(folder, "conf/nix.conf"), """
    experimental-features = nix-command ca-derivations
    build-users-group =
    sandbox = false
    substituters =
    """)

    nix
  end

  @spec available?() :: boolean
  def available?, do: System.find_executable("nix") != nil

  @spec store_dir(t) :: Path.t()
  def store_dir(nix), do: Path.join(nix.folder, "store")

  @doc """
  Returns the address of another store with the same paths, `name` in the folder.
  """
  @spec other_store(t, String.t()) :: String.t()
  def other_store(nix, name) do
    other = Path.join(nix.folder, name)
    "local?store=#{store_dir(nix)}&real=#{other}/store&state=#{other}/state&log=#{other}/log"
  end

  @doc """
  Returns a file of another store.
  """
  @spec real_path(t, String.t(), Path.t()) :: Path.t()
  def real_path(nix, name, store_path), do: Path.join([nix.folder, name, "store", Path.basename(store_path)])

  @doc """
  Makes a key and returns its file, and the entry of `trusted-public-keys`.
  """
  @spec key(t, String.t()) :: {Path.t(), String.t()}
  def key(nix, name) do
    file = Path.join(nix.folder, name)
    run!(nix, "nix-store", ["--generate-binary-cache-key", name, file, file <> ".public"])
    {file, File.read!(file <> ".public")}
  end

  @doc """
  Adds a file or a folder and returns its store path.
  """
  @spec add(t, Path.t()) :: Path.t()
  def add(nix, path), do: run!(nix, "nix-store", ["--add", path])

  @doc """
  Builds an expression and returns the store path.
  """
  @spec build(t, String.t()) :: Path.t()
  def build(nix, expression), do: run!(nix, "nix-build", ["--quiet", "--no-out-link", "--expr", expression])

  @doc """
  Returns the size of a store path's NAR in bytes.
  """
  @spec nar_size(t, Path.t()) :: non_neg_integer
  def nar_size(nix, path), do: nix |> run!("nix-store", ["--query", "--size", path]) |> String.to_integer()

  @doc """
  Returns a store path and all that it refers to, directly or not.
  """
  @spec closure(t, Path.t()) :: [Path.t()]
  def closure(nix, path),
    do: nix |> run!("nix-store", ["--query", "--requisites", path]) |> String.split("\n")

  @doc """
  Pushes store paths to a cache.
  """
  @spec push(t, String.t(), [Path.t()]) :: {output :: String.t(), status :: non_neg_integer}
  def push(nix, cache, paths), do: run(nix, "nix", ["copy", "--to", cache | paths])

  @doc """
  Pulls store paths from a cache into another store that requires signatures by `key`.
  """
  @spec pull(t, String.t(), String.t(), String.t(), [Path.t()]) ::
          {output :: String.t(), status :: non_neg_integer}
  def pull(nix, cache, name, key, paths) do
    signed = ["--option", "require-sigs", "true", "--option", "trusted-public-keys", key]
    once = ~w(--option download-attempts 1)
    stores = ["--from", cache, "--to", other_store(nix, name)]
    run(nix, "nix", ["copy" | stores] ++ signed ++ once ++ paths)
  end

  @doc """
  Lets another store, which requires signatures by `key`, get a store path from where it can, which is a cache.
  """
  @spec realise(t, String.t(), String.t(), String.t(), Path.t()) ::
          {output :: String.t(), status :: non_neg_integer}
  def realise(nix, cache, name, key, path) do
    settings = [{"substituters", cache}, {"trusted-public-keys", key}, {"require-sigs", "true"}]
    options = Enum.flat_map(settings, fn {name, value} -> ["--option", name, value] end)
    run(nix, "nix-store", ["--store", other_store(nix, name), "--realise", path] ++ options)
  end

  @doc """
  Returns whether a store path in another store has the bytes of its NAR here.
  """
  @spec same?(t, String.t(), Path.t()) :: boolean
  def same?(nix, name, path), do: dump(nix, path) == dump(nix, real_path(nix, name, path))

  defp dump(nix, path) do
    {nar, 0} = System.cmd("nix-store", ["--dump", path], env: environment(nix))
    Chunker.digest(nar)
  end

  @spec run!(t, String.t(), [String.t()]) :: String.t()
  def run!(nix, command, arguments) do
    case System.cmd(command, arguments, env: environment(nix)) do
      {output, 0} -> String.trim(output)
      {_, status} -> raise "#{command} #{Enum.join(arguments, " ")} ended with status #{status}"
    end
  end

  @spec run(t, String.t(), [String.t()]) :: {String.t(), non_neg_integer}
  def run(nix, command, arguments),
    do: System.cmd(command, arguments, env: environment(nix), stderr_to_stdout: true)

  defp environment(%{folder: folder} = nix) do
    [
      # In its home, Nix remembers what it saw in a cache.
      {"HOME", Path.join(folder, "home-#{System.unique_integer([:positive])}")},
      {"NIX_STORE_DIR", store_dir(nix)},
      {"NIX_STATE_DIR", Path.join(folder, "state")},
      {"NIX_LOG_DIR", Path.join(folder, "log")},
      {"NIX_CONF_DIR", Path.join(folder, "conf")},
      {"NIX_REMOTE", ""}
    ]
  end
end
