defmodule Chunker.Store do
  @moduledoc """
  A deduplicating store of files on a disk, S3, GCS or Azure: each chunk once, in packs, with deletion,
  collection and checking while everything goes on.

      {:ok, store} = Chunker.Store.open("/var/lib/backups")
      {:ok, root} = Chunker.Store.write(store, File.stream!("image.iso", [], 1_048_576), profile: :medium)
      store |> Chunker.Store.read(root) |> Enum.into(File.stream!("copy.iso"))

  Stores are the same in all languages: any number of processes, of nodes, of `chunker` commands and of servers
  for Node.js can use one at the same time. `docs/store-format.md` in the repository specifies what lies there.

  | to | use |
  |---|---|
  | store a file | `write/3`, or `put/3` and `commit/3` |
  | read a file, or a part of it | `read/3` |
  | list files, name their chunks, remove them | `files/2`, `manifest/3`, `delete/3` |
  | read a chunk, ask for many | `get/3`, `missing/3` |
  | take back space | `collect/2` |
  | find damage, repair it | `check/2` |
  | know how much is there | `usage/2` |

  A file is named by its root: `"blake3-"` or `"sha256-"` and the digest of its manifest in hexadecimal.

  ## How it works

  What a store waits for, it waits for on threads of its own: no call holds a scheduler. The calling process waits
  for a message, for as long as the option `:timeout` says in milliseconds, by default `:infinity`; then the
  work stops, and the error is `:timeout`. When the process ends, its work stops too. A store can be stopped at
  any moment: what was acknowledged is there, and nothing is half there.

  Errors are a `Chunker.Error` with a code and a message. Streams raise it.

  An open store is shared by all processes of its node that have it, and closed when none has it any more.
  """

  alias Chunker.{Error, Manifest, Nif, Work}

  @opaque t :: reference

  @typedoc "A file's name."
  @type root :: String.t()

  @type result(value) :: {:ok, value} | {:error, Error.t()}

  @typedoc "See `open/2`."
  @type open_option ::
          {:create, boolean}
          | {:level, 0..22}
          | {:pack_size, pos_integer}
          | {:concurrency, 1..1024}
          | {:cache, :platform | :none | Path.t()}
          | {:listing_lag, non_neg_integer}
          | {:manifest_limit, pos_integer}
          | {:timeout, timeout}

  @typedoc "A file in a list: its length is `nil` if its manifest is damaged."
  @type entry :: %{root: root, length: non_neg_integer | nil, committed: DateTime.t()}

  @typedoc "How much is in a store. Bytes are those of all packs, and a chunk that is in two packs counts twice."
  @type usage :: %{
          files: non_neg_integer,
          packs: non_neg_integer,
          doomed_packs: non_neg_integer,
          chunks: non_neg_integer,
          bytes: non_neg_integer
        }

  @doc """
  Opens the store at an address: a path, `file://…`, `memory://`, `s3://bucket/prefix`, `gs://bucket/prefix` or
  `az://container/prefix`.

  The last three take credentials and endpoint from the usual environment variables (`AWS_ACCESS_KEY_ID`,
  `AWS_ENDPOINT_URL`, …).

  ## Options

    * `:create` - whether a store is made where there is none, by default true
    * `:level` - the level of zstd for new chunks, `1..22`, or 0 to store them as they are; by default 3
    * `:pack_size` - bytes after which a pack is written, by default 16 MiB
    * `:concurrency` - requests under way at the same time for one call, by default 32
    * `:cache` - where the index is kept on this machine: `:platform` (default), the folder `chunker` of the
      platform's cache folder; a path; or `:none`
    * `:listing_lag` - for how many milliseconds a list may lack an object that was written, by default 0, right
      for local disks and the services above; a network file system needs as long as it caches folders
    * `:manifest_limit` - bytes of the longest manifest that is written or read, 36 for every chunk, by default
      64 MiB
    * `:timeout` - see [how it works](#module-how-it-works)

      iex> {:ok, store} = Chunker.Store.open("memory://open")
      iex> {:ok, root} = Chunker.Store.write(store, ["some ", "bytes"], hash: :blake3)
      iex> store |> Chunker.Store.read(root) |> Enum.join()
      "some bytes"
      iex> {:error, error} = Chunker.Store.open("ftp://example.org/store")
      iex> error.code
      :invalid_store_address
  """
  @spec open(String.t(), [open_option]) :: result(t)
  def open(address, options \\ []) do
    known = [:create, :level, :pack_size, :concurrency, :cache, :listing_lag, :manifest_limit]
    options = Keyword.validate!(options, [timeout: :infinity] ++ Enum.map(known, &{&1, nil}))
    given = known |> Enum.map(&options[&1]) |> List.to_tuple()
    Work.call(&Nif.store_open(address, given, &1), options[:timeout])
  end

  @doc """
  Like `open/2`, but returns the store alone, or raises `Chunker.Error`.
  """
  @spec open!(String.t(), [open_option]) :: t
  def open!(address, options \\ []), do: address |> open(options) |> Error.unwrap!()

  @doc """
  Returns the store's address.
  """
  @spec url(t) :: String.t()
  def url(store), do: Nif.store_url(store)

  @doc """
  Returns those of the digests whose chunks are missing, in their order.

  The answer is a hint, some seconds old: `commit/3` decides. Takes the options `:hash`, by default `:sha256`, and
  `:timeout`.
  """
  @spec missing(t, [Chunker.digest()], hash: Chunker.hash_algorithm(), timeout: timeout) ::
          result([Chunker.digest()])
  def missing(store, digests, options \\ []) do
    options = Keyword.validate!(options, hash: :sha256, timeout: :infinity)
    for digest <- digests, do: 32 = byte_size(digest)
    joined = IO.iodata_to_binary(digests)

    with {:ok, marks} <- Work.call(&Nif.store_missing(store, options[:hash], joined, &1), options[:timeout]) do
      {:ok, for({digest, 1} <- Enum.zip(digests, :binary.bin_to_list(marks)), do: digest)}
    end
  end

  @doc """
  Returns a chunk, whose digest was checked, or `nil` if it is not in the store.

  Takes the options of `missing/3`.
  """
  @spec get(t, Chunker.digest(), hash: Chunker.hash_algorithm(), timeout: timeout) :: result(binary | nil)
  def get(store, digest, options \\ []) do
    options = Keyword.validate!(options, hash: :sha256, timeout: :infinity)
    Work.call(&Nif.store_get(store, options[:hash], digest, &1), options[:timeout])
  end

  # Chunks that are asked for, and added, at once.
  @batch_bytes 8 * 1024 * 1024
  @batch_chunks 1024

  @doc """
  Adds those chunks of an enumerable that are missing, and returns all of them without their payloads.

  They are checked, and durable when this returns; until a file that needs them is committed, a collection leaves
  them alone for a day. Memory is bounded by about eight packs. Takes the options of `missing/3`; the timeout is
  that of each step.

      iex> {:ok, store} = Chunker.Store.open("memory://put")
      iex> {:ok, chunks} = Chunker.Store.put(store, Chunker.stream(["a file"], payloads: true))
      iex> manifest = Chunker.Manifest.new!(chunks)
      iex> {:ok, "sha256-" <> _} = Chunker.Store.commit(store, manifest)
  """
  @spec put(t, Enumerable.t(), hash: Chunker.hash_algorithm(), timeout: timeout) :: result([Chunker.chunk()])
  def put(store, chunks, options \\ []) do
    options = Keyword.validate!(options, hash: :sha256, timeout: :infinity)

    with {:ok, writer} <- store |> Nif.writer_open(options[:hash]) |> Work.result() do
      try do
        with {:ok, done} <- add_all(chunks, store, writer, options),
             {:ok, _} <- step(&Nif.writer_seal(writer, &1), writer, options),
             do: {:ok, done |> Enum.reverse() |> Enum.concat()}
      after
        Nif.writer_close(writer)
      end
    end
  end

  defp add_all(chunks, store, writer, options) do
    chunks
    |> Stream.chunk_while({[], 0, 0}, &batch/2, &last_batch/1)
    |> Enum.reduce_while({:ok, []}, fn batch, {:ok, done} ->
      case add(batch, store, writer, options) do
        :ok -> {:cont, {:ok, [for({hash, offset, length, _} <- batch, do: {hash, offset, length}) | done]}}
        error -> {:halt, error}
      end
    end)
  end

  defp batch({_, _, _, payload} = chunk, {batch, count, bytes}) do
    {batch, count, bytes} = {[chunk | batch], count + 1, bytes + byte_size(payload)}

    if count >= @batch_chunks or bytes >= @batch_bytes,
      do: {:cont, Enum.reverse(batch), {[], 0, 0}},
      else: {:cont, {batch, count, bytes}}
  end

  defp last_batch({[], _, _}), do: {:cont, nil}
  defp last_batch({batch, _, _}), do: {:cont, Enum.reverse(batch), nil}

  defp add(batch, store, writer, options) do
    digests = for {hash, _, _, _} <- batch, uniq: true, do: hash

    with {:ok, missing} <- missing(store, digests, options),
         missing = MapSet.new(missing),
         new = for({hash, _, _, payload} <- batch, hash in missing, do: {hash, payload}),
         {:ok, _} <- step(&Nif.writer_add(writer, new, &1), writer, options),
         do: :ok
  end

  defp step(start, writer, options),
    do: Work.step(start, options[:timeout], fn -> Nif.writer_close(writer) end)

  @doc """
  Gives a file its name, once every chunk of it is in the store: from now on it can be read, also after a crash,
  until it is deleted.

  The error `:missing_chunks` has the digests of the `chunks` to add before the next try. Takes the option
  `:timeout`.
  """
  @spec commit(t, Manifest.t(), timeout: timeout) :: result(root)
  def commit(store, %Manifest{bytes: bytes}, options \\ []),
    do: Work.call(&Nif.store_commit(store, bytes, &1), timeout(options))

  @doc """
  Stores a file, an enumerable of pieces that are each an `t:iodata/0`, and returns its root.

  Only chunks that are missing are written. Takes the options of `Chunker.stream/2` that say how it is chunked,
  and `:timeout`, which is that of each step.

      iex> {:ok, store} = Chunker.Store.open("memory://write")
      iex> Chunker.Store.write(store, ["a", "file"], profile: :small)
      {:ok, "sha256-8b8887481e041187e768a92e5825e210842968154cd6f025cd7aa858aa9c52bd"}
  """
  @spec write(t, Enumerable.t(), [Chunker.option() | {:timeout, timeout}]) :: result(root)
  def write(store, pieces, options \\ []) do
    {timeout, profile} = Keyword.pop(options, :timeout, :infinity)
    id = Chunker.profile!(profile)
    hash = if String.ends_with?(id, "/blake3"), do: :blake3, else: :sha256

    with {:ok, chunks} <-
           put(store, Chunker.stream(pieces, [payloads: true] ++ profile), hash: hash, timeout: timeout),
         {:ok, manifest} <- Manifest.new(chunks, profile: id),
         do: commit(store, manifest, timeout: timeout)
  end

  @doc """
  Returns a stream of the bytes of a file, binaries whose digests were checked.

  What was read is right, whatever happens to the store meanwhile. Raises `Chunker.Error` where the file is
  damaged, and at once if `root` is not a root. One MiB is read ahead.

  ## Options

    * `:range` - `{start, stop}`, the bytes from `start` up to and without `stop`; by default all
    * `:timeout` - how long one piece may take

      iex> {:ok, store} = Chunker.Store.open("memory://read")
      iex> {:ok, root} = Chunker.Store.write(store, ["0123456789"])
      iex> store |> Chunker.Store.read(root, range: {2, 5}) |> Enum.join()
      "234"
  """
  @spec read(t, root, range: {non_neg_integer, non_neg_integer} | nil, timeout: timeout) :: Enumerable.t()
  def read(store, root, options \\ []) do
    options = Keyword.validate!(options, range: nil, timeout: :infinity)
    open = fn -> store |> Nif.store_read(root, options[:range]) |> Work.result() |> Error.unwrap!() end
    # What is not a root is found here, and not when the stream is read.
    _ = Nif.reader_close(open.())
    Work.stream(open, &Nif.reader_next/2, &Nif.reader_close/1, options[:timeout])
  end

  @doc """
  Returns a stream of the files, ordered by root: `t:entry/0`.

  Raises `Chunker.Error` when the store cannot be listed. Takes the option `:timeout`, that of each step.
  """
  @spec files(t, timeout: timeout) :: Enumerable.t()
  def files(store, options \\ []) do
    open = fn -> store |> Nif.store_files() |> Work.result() |> Error.unwrap!() end

    open
    |> Work.stream(&Nif.reader_next/2, &Nif.reader_close/1, timeout(options))
    |> Stream.map(fn {root, length, seconds} ->
      %{root: root, length: length, committed: DateTime.from_unix!(seconds)}
    end)
  end

  @doc """
  Returns the manifest of a file, whose digest was checked. Takes the option `:timeout`.
  """
  @spec manifest(t, root, timeout: timeout) :: result(Manifest.t())
  def manifest(store, root, options \\ []) do
    with {:ok, bytes} <- Work.call(&Nif.store_manifest(store, root, &1), timeout(options)) do
      case Manifest.parse(bytes, max_bytes: byte_size(bytes)) do
        {:ok, manifest} -> {:ok, manifest}
        {:error, code} -> {:error, %Error{code: code}}
      end
    end
  end

  @doc """
  Takes a file's name away, and returns whether it had one. Takes the option `:timeout`.

  The space comes back with `collect/2`.
  """
  @spec delete(t, root, timeout: timeout) :: result(boolean)
  def delete(store, root, options \\ []),
    do: Work.call(&Nif.store_delete(store, root, &1), timeout(options))

  @typedoc "What a collection has done. Packs that are kept hold the only copy, a damaged one, of a live chunk."
  @type collection :: %{
          files: non_neg_integer,
          packs: non_neg_integer,
          bytes: non_neg_integer,
          live_bytes: non_neg_integer,
          doomed_packs: non_neg_integer,
          deleted_packs: non_neg_integer,
          deleted_bytes: non_neg_integer,
          copied_chunks: non_neg_integer,
          copied_bytes: non_neg_integer,
          kept_packs: [String.t()],
          expired_commits: non_neg_integer,
          removed_temporaries: non_neg_integer
        }

  @doc """
  Takes back the space of chunks that no file needs, and returns what that came to.

  Harmless at any time, from any number of processes: it may be stopped at any moment, and the next one finishes
  what it began.

  ## Options

    * `:min_age` - packs that are younger are left alone, in milliseconds; by default a day. Uploads that take
      longer must add chunks again before they commit
    * `:max_waste` - packs with at least this percentage of waste are written anew, by default 20; with 100, only
      packs that are nothing but waste are deleted
    * `:dry_run` - whether nothing is written, by default false
    * `:timeout`
  """
  @spec collect(t, min_age: non_neg_integer, max_waste: 0..100, dry_run: boolean, timeout: timeout) ::
          result(collection)
  def collect(store, options \\ []) do
    options = Keyword.validate!(options, min_age: nil, max_waste: nil, dry_run: false, timeout: :infinity)
    given = {options[:min_age], options[:max_waste], options[:dry_run]}
    Work.call(&Nif.store_collect(store, given, &1), options[:timeout])
  end

  @typedoc "What a check has found; a store is `sound` if every file can be read and no pack is damaged."
  @type report :: %{
          sound: boolean,
          packs: non_neg_integer,
          chunks: non_neg_integer,
          bytes: non_neg_integer,
          files: non_neg_integer,
          damaged_packs: [%{pack: String.t(), error: String.t() | nil, chunks: [Chunker.digest()]}],
          hurt_files: [%{root: root, error: String.t() | nil, chunks: [Chunker.digest()]}],
          strange_objects: [String.t()],
          damaged_objects: [%{name: String.t(), error: String.t()}],
          rescued_chunks: non_neg_integer,
          deleted_packs: non_neg_integer
        }

  @doc """
  Checks every pack and every file, and returns what it found: damage is no error.

  ## Options

    * `:read_data` - whether every chunk is read, by default false: then only footers and manifests are
    * `:repair` - whether damaged packs are replaced once their good chunks are copied, so that the next upload of
      what they had heals the store; by default false, and then nothing is written
    * `:timeout`
  """
  @spec check(t, read_data: boolean, repair: boolean, timeout: timeout) :: result(report)
  def check(store, options \\ []) do
    options = Keyword.validate!(options, read_data: false, repair: false, timeout: :infinity)
    Work.call(&Nif.store_check(store, options[:read_data], options[:repair], &1), options[:timeout])
  end

  @doc """
  Returns how much is in the store. Takes the option `:timeout`.
  """
  @spec usage(t, timeout: timeout) :: result(usage)
  def usage(store, options \\ []), do: Work.call(&Nif.store_usage(store, &1), timeout(options))

  defp timeout(options), do: Keyword.validate!(options, timeout: :infinity)[:timeout]
end
