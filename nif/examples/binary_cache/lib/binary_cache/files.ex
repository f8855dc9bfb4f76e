defmodule BinaryCache.Files do
  @moduledoc """
  Files that are there as a whole, durably, or not at all.

  A file is written under a temporary name, synced, renamed, and its directory synced. Failures of the disk
  raise `File.Error`.
  """

  @doc """
  Creates a directory and removes what was left unfinished in it.

  Unfinished files have names that begin with a dot and end in `.new`; no other file's name begins with one.
  """
  @spec prepare!(Path.t()) :: :ok
  def prepare!(directory) do
    parents = directory |> Path.split() |> Enum.scan(&Path.join(&2, &1))
    missing = Enum.reject(parents, &File.dir?/1)
    File.mkdir_p!(directory)
    Enum.each(missing, &sync_directory!(Path.dirname(&1)))
    directory |> Path.join(".*.new") |> Path.wildcard(match_dot: true) |> Enum.each(&File.rm!/1)
  end

  @doc """
  Writes `bytes` to the file `path`, in place of what it held.
  """
  @spec write!(Path.t(), iodata) :: :ok
  def write!(path, bytes) do
    {:ok, :ok} = fill!(path, fn file -> {:ok, append!(file, bytes)} end)
    :ok
  end

  @typedoc "A file that is being written, and its name for errors."
  @opaque file :: {:file.io_device(), Path.t()}

  @doc """
  Writes the file `path` by `fill`, which gets a file for `append!/2` and `overwrite!/3`.

  Returns what `fill` returns. Unless that is a tuple that begins with `:ok`, there is no file.
  """
  @spec fill!(Path.t(), (file -> result)) :: result when result: tuple
  def fill!(path, fill) do
    # Not longer than `path`, whose name may be as long as the file system allows.
    name = ".#{Base.encode16(:crypto.strong_rand_bytes(8), case: :lower)}.new"
    temporary = Path.join(Path.dirname(path), name)

    try do
      result = write_temporary!(temporary, fill)

      if elem(result, 0) == :ok do
        check!(:file.rename(temporary, path), "rename to", path)
        sync_directory!(Path.dirname(path))
      end

      result
    after
      # Not there any more if it has its name.
      _ = :file.delete(temporary, [:raw])
    end
  end

  defp write_temporary!(path, fill) do
    file = open!(path, [:write, :exclusive, :binary], "create")

    try do
      result = fill.({file, path})
      if elem(result, 0) == :ok, do: check!(:file.sync(file), "sync", path)
      result
    after
      _ = :file.close(file)
    end
  end

  @spec append!(file, iodata) :: :ok
  def append!({file, path}, bytes), do: check!(:file.write(file, bytes), "write to", path)

  @spec overwrite!(file, non_neg_integer, iodata) :: :ok
  def overwrite!({file, path}, offset, bytes),
    do: check!(:file.pwrite(file, offset, bytes), "write to", path)

  @doc """
  Returns the bytes of the file `path`, or `nil` if it does not exist.
  """
  @spec read!(Path.t()) :: binary | nil
  def read!(path) do
    with_file!(path, fn file ->
      length = file |> :file.position(:eof) |> value!("measure", path)

      case :file.pread(file, 0, length) do
        {:ok, bytes} -> bytes
        :eof -> ""
        {:error, reason} -> failed!(reason, "read", path)
      end
    end)
  end

  @doc """
  Calls `read` with the open file `path` and returns its result, or `nil` if the file does not exist.
  """
  @spec with_file!(Path.t(), (:file.io_device() -> result)) :: result | nil when result: term
  def with_file!(path, read) do
    # Raw: other files are read by the VM's one file server, one after the other.
    case :file.open(path, [:raw, :read, :binary]) do
      {:ok, file} -> closing(file, read)
      {:error, :enoent} -> nil
      {:error, reason} -> failed!(reason, "open", path)
    end
  end

  defp closing(file, read) do
    read.(file)
  after
    _ = :file.close(file)
  end

  @doc """
  Removes the file `path`, and returns whether there was one.
  """
  @spec remove!(Path.t()) :: boolean
  def remove!(path) do
    case :file.delete(path, [:raw]) do
      :ok ->
        sync_directory!(Path.dirname(path))
        true

      {:error, :enoent} ->
        false

      {:error, reason} ->
        failed!(reason, "remove", path)
    end
  end

  @doc """
  Removes the files of a directory that are older than `age` milliseconds and for whose name `expendable?` is true,
  and returns how many.
  """
  @spec expire!(Path.t(), pos_integer, (String.t() -> boolean)) :: non_neg_integer
  def expire!(directory, age, expendable? \\ fn _ -> true end) do
    oldest = System.os_time(:second) - div(age, 1000)

    directory
    |> File.ls!()
    |> Enum.count(fn name ->
      path = Path.join(directory, name)

      case File.stat(path, time: :posix) do
        {:ok, %{mtime: modified}} when modified < oldest -> expendable?.(name) and remove!(path)
        # It has been removed, or has its name by now.
        _ -> false
      end
    end)
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
