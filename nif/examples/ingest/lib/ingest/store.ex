defmodule Ingest.Store do
  @moduledoc """
  Files named by their digests, in the layout of `docs/upload-protocol.md`, "The store on disk".

  A file is written under a temporary name, synced, renamed, and its directory synced. So a name in
  `chunks/` or `manifests/` always has all of its bytes, whenever the VM or the machine stops. One
  process of the operating system at a time may use a store, of whatever language it is.

  Failures of the disk raise `File.Error`.
  """

  alias Ingest.Digest

  @enforce_keys [:root, :directories]
  defstruct @enforce_keys

  @opaque t :: %__MODULE__{root: Path.t(), directories: :ets.table()}

  @typedoc "What a file contains, and with that where it is."
  @type name :: {:chunk, Chunker.hash_algorithm(), Digest.hex()} | {:manifest, Digest.hex()}

  @doc """
  Opens the store in the directory `root`, creates it if needed, and removes unfinished files.

  It can be used as long as the calling process lives.
  """
  @spec open!(Path.t()) :: t
  def open!(root) do
    root = Path.expand(root)
    store = %__MODULE__{root: root, directories: :ets.new(__MODULE__, [:public, read_concurrency: true])}
    Enum.each(~w(chunks manifests tmp damaged), &make_directory!(store, Path.join(root, &1)))
    store |> temporary() |> File.ls!() |> Enum.each(&File.rm_rf!(Path.join(temporary(store), &1)))
    store
  end

  @doc """
  Returns the length in bytes of what is stored under `name`, `nil` if nothing is.
  """
  @spec length!(t, name) :: non_neg_integer | nil
  def length!(store, name) do
    path = path(store, name)

    case :file.read_file_info(path, [:raw, time: :posix]) do
      {:ok, info} -> File.Stat.from_record(info).size
      {:error, :enoent} -> nil
      {:error, reason} -> failed!(reason, "read the length of", path)
    end
  end

  @doc """
  Returns the bytes that are stored under `name`, `nil` if none are.
  """
  @spec read!(t, name) :: binary | nil
  def read!(store, name) do
    path = path(store, name)

    case :file.open(path, [:read, :raw, :binary]) do
      {:ok, file} -> read_whole!(file, path)
      {:error, :enoent} -> nil
      {:error, reason} -> failed!(reason, "open", path)
    end
  end

  # `:file.read_file/1` would read in the VM's one file server, and so one file after the other.
  defp read_whole!(file, path) do
    length = file |> :file.position(:eof) |> value!("measure", path)

    case :file.pread(file, 0, length) do
      {:ok, bytes} -> bytes
      :eof -> ""
      {:error, reason} -> failed!(reason, "read", path)
    end
  after
    _ = :file.close(file)
  end

  @doc """
  Stores `bytes` under `name`, durably by the time that this returns.
  """
  @spec put!(t, name, binary) :: :ok
  def put!(store, name, bytes) do
    {:ok, :ok} = put_pieces!(store, name, fn write -> {:ok, write.(bytes)} end)
    :ok
  end

  @doc """
  Stores what `fill` writes, with the function that it is given, durably by the time that this returns.

  Returns what `fill` returns. Nothing is stored, and nothing ever seen of it, unless that is a tuple
  that begins with `:ok`.
  """
  @spec put_pieces!(t, name, ((iodata -> :ok) -> result)) :: result when result: tuple
  def put_pieces!(store, name, fill) do
    path = path(store, name)
    temporary = Path.join(temporary(store), random_name())

    try do
      result = write!(temporary, fill)
      if stored?(result), do: publish!(store, temporary, path)
      result
    after
      # Not there any more if it has been published.
      _ = :file.delete(temporary, [:raw])
    end
  end

  defp write!(path, fill) do
    file = open!(path, [:write, :exclusive, :binary], "create")

    try do
      result = fill.(&check!(:file.write(file, &1), "write to", path))
      if stored?(result), do: check!(:file.sync(file), "sync", path)
      result
    after
      _ = :file.close(file)
    end
  end

  defp stored?(result), do: elem(result, 0) == :ok

  defp publish!(store, temporary, path) do
    make_directory!(store, Path.dirname(path))
    check!(:file.rename(temporary, path), "rename to", path)
    sync_directory!(Path.dirname(path))
  end

  @doc """
  Takes a chunk whose bytes no longer have its digest out of use, so that it is missing again.
  """
  @spec set_aside!(t, name) :: :ok
  def set_aside!(store, {:chunk, algorithm, digest} = name) do
    target = Path.join([store.root, "damaged", "#{algorithm}-#{digest}-#{random_name()}"])

    case :file.rename(path(store, name), target) do
      # Two downloads met the same damage.
      {:error, :enoent} -> :ok
      result -> check!(result, "set aside to", target)
    end
  end

  defp path(store, {:chunk, algorithm, <<first::binary-size(2), _::binary>> = digest}),
    do: Path.join([store.root, "chunks", Atom.to_string(algorithm), first, digest])

  defp path(store, {:manifest, <<first::binary-size(2), _::binary>> = root}),
    do: Path.join([store.root, "manifests", first, root])

  defp temporary(store), do: Path.join(store.root, "tmp")

  defp random_name, do: Base.encode16(:crypto.strong_rand_bytes(16), case: :lower)

  # A directory may be there and not yet be durable, made by another process or before a crash: what
  # counts is whether its parent has been synced since this store was opened.
  defp make_directory!(store, path) do
    unless :ets.member(store.directories, path) do
      parent = Path.dirname(path)

      if byte_size(path) > byte_size(store.root),
        do: make_directory!(store, parent),
        else: File.mkdir_p!(parent)

      case :file.make_dir(path) do
        {:error, :eexist} -> :ok
        result -> check!(result, "make the directory", path)
      end

      sync_directory!(parent)
      :ets.insert(store.directories, {path})
    end

    :ok
  end

  defp sync_directory!(path) do
    directory = open!(path, [:read, :directory], "open the directory")

    try do
      check!(:file.sync(directory), "sync the directory", path)
    after
      _ = :file.close(directory)
    end
  end

  defp open!(path, modes, action), do: path |> :file.open([:raw | modes]) |> value!(action, path)

  defp value!({:ok, value}, _, _), do: value
  defp value!({:error, reason}, action, path), do: failed!(reason, action, path)

  defp check!(:ok, _, _), do: :ok
  defp check!({:error, reason}, action, path), do: failed!(reason, action, path)

  @spec failed!(atom, String.t(), Path.t()) :: no_return
  defp failed!(reason, action, path), do: raise(File.Error, reason: reason, action: action, path: path)
end
