defmodule Chunker.Store do
  @moduledoc """
  A deduplicating store for files on a disk, S3, GCS or Azure. It keeps each chunk once, in packs, and can
  delete, collect and check while it is in use.

      {:ok, store} = Chunker.Store.open("/var/lib/backups")
      {:ok, root} = Chunker.Store.write(store, File.stream!("image.iso", [], 1_048_576), profile: :medium)
      store |> Chunker.Store.read(root) |> Enum.into(File.stream!("copy.iso"))

  Stores are the same in every language: any number of processes, nodes, `chunker` commands and Node.js
  servers can use one at the same time. `docs/store-format.md` in the repository specifies the format.

  | to | use |
  |---|---|
  | store a file | `write/3`, or `put/3` and `commit/3` |
  | read a file, or a part of it | `read/3` |
  | send a file compressed, as it is stored | `read_zstd/3` |
  | list files, list their chunks, delete them | `files/2`, `manifest/3`, `delete/3` |
  | read a chunk, ask which are missing | `get/3`, `missing/3` |
  | reclaim space | `collect/2` |
  | find damage, repair it | `check/2` |
  | measure the store | `usage/2` |

  A root names a file: `"blake3-"` or `"sha256-"`, then the digest of its manifest in hexadecimal.

  ## How it works

  A store waits for disks and networks on its own threads: no call blocks a scheduler. The calling process
  waits for a message, for up to `:timeout` milliseconds, by default `:infinity`; after that, the work stops,
  and the error is `:timeout`. When the process ends, its work stops too. You can stop a store at any moment:
  acknowledged writes survive, and nothing is left half-done.

  Errors are a `Chunker.Error` with a code and a message. Streams raise it.

  All processes of a node can share an open store; it is closed when no process holds it any longer.
  """

  alias Chunker.{Error, Manifest, Native, Work}
  alias Chunker.Nix.ReferencePatches

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

  @typedoc "A listed file. Its length is `nil` if its manifest is damaged."
  @type entry :: %{root: root, length: non_neg_integer | nil, committed: DateTime.t()}

  @typedoc "The size of a store. Bytes are those of all packs; a chunk in two packs counts twice."
  @type usage :: %{
          files: non_neg_integer,
          packs: non_neg_integer,
          doomed_packs: non_neg_integer,
          chunks: non_neg_integer,
          bytes: non_neg_integer
        }

  @doc """
  Opens the store at an address: a path, `file://…`, `memory://`, `s3://bucket/prefix`, `gs://bucket/prefix`
  or `az://container/prefix`.

  The last three take credentials and endpoint from the usual environment variables (`AWS_ACCESS_KEY_ID`,
  `AWS_ENDPOINT_URL`, …).

  ## Options

    * `:create` - whether to create a store if there is none, by default true
    * `:level` - zstd level for new chunks, `1..22`, or 0 to store them uncompressed; by default 3
    * `:pack_size` - size in bytes at which a pack is written, by default 16 MiB
    * `:concurrency` - largest number of simultaneous requests for one call, by default 32
    * `:cache` - where to keep the index on this machine: `:platform` (default), the folder `chunker` in the
      platform's cache folder; a path; or `:none`
    * `:listing_lag` - number of milliseconds for which a list may lack a new object. The default, 0, is right
      for local disks and the services above; for a network file system, use the time for which it caches
      folders
    * `:manifest_limit` - size in bytes of the largest manifest to write or read, 36 for every chunk, by
      default 64 MiB
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

    unless is_binary(address) and String.valid?(address),
      do: raise(ArgumentError, "address is #{inspect(address)} (expected a string)")

    given = known |> Enum.map(&options[&1]) |> List.to_tuple()
    Work.call(&Native.store_open(address, given, &1), options[:timeout])
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
  def url(store), do: Native.store_url(store)

  @doc """
  Returns the digests whose chunks are missing, in their order.

  The answer is a hint, and may be some seconds old; only `commit/3` is certain. Takes the options `:hash`, by
  default `:sha256`, and `:timeout`.
  """
  @spec missing(t, [Chunker.digest()], hash: Chunker.hash_algorithm(), timeout: timeout) ::
          result([Chunker.digest()])
  def missing(store, digests, options \\ []) do
    options = Keyword.validate!(options, hash: :sha256, timeout: :infinity)
    for digest <- digests, do: 32 = byte_size(digest)
    joined = IO.iodata_to_binary(digests)

    with {:ok, marks} <-
           Work.call(&Native.store_missing(store, options[:hash], joined, &1), options[:timeout]) do
      {:ok, for({digest, 1} <- Enum.zip(digests, :binary.bin_to_list(marks)), do: digest)}
    end
  end

  @doc """
  Returns a verified chunk, or `nil` if it is not in the store.

  Takes the options of `missing/3`.
  """
  @spec get(t, Chunker.digest(), hash: Chunker.hash_algorithm(), timeout: timeout) :: result(binary | nil)
  def get(store, digest, options \\ []) do
    options = Keyword.validate!(options, hash: :sha256, timeout: :infinity)
    Work.call(&Native.store_get(store, options[:hash], digest, &1), options[:timeout])
  end

  # Limits for the chunks to ask for and add together.
  @batch_bytes 8 * 1024 * 1024
  @batch_chunks 1024

  @doc """
  Adds the missing chunks of an enumerable, and returns all its chunks without their payloads.

  The function verifies the chunks, and they are durable when it returns. Until a file that needs them is
  committed, collections leave them alone for a day. Memory is bounded by about eight packs. Takes the
  options of `missing/3`; the timeout applies to each step.

      iex> {:ok, store} = Chunker.Store.open("memory://put")
      iex> {:ok, chunks} = Chunker.Store.put(store, Chunker.stream(["a file"], payloads: true))
      iex> manifest = Chunker.Manifest.new!(chunks)
      iex> {:ok, "sha256-" <> _} = Chunker.Store.commit(store, manifest)
  """
  @spec put(t, Enumerable.t(), hash: Chunker.hash_algorithm(), timeout: timeout) :: result([Chunker.chunk()])
  def put(store, chunks, options \\ []) do
    options = Keyword.validate!(options, hash: :sha256, timeout: :infinity)

    with {:ok, writer} <- store |> Native.writer_open(options[:hash]) |> Work.result() do
      try do
        with {:ok, done} <- add_all(chunks, store, writer, options),
             {:ok, _} <- step(&Native.writer_seal(writer, &1), writer, options),
             do: {:ok, done |> Enum.reverse() |> Enum.concat()}
      after
        Native.writer_close(writer)
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
         {:ok, _} <- step(&Native.writer_add(writer, new, &1), writer, options),
         do: :ok
  end

  defp step(start, writer, options),
    do: Work.step(start, options[:timeout], fn -> Native.writer_close(writer) end)

  @doc """
  Commits a file whose chunks are all in the store. From now on, the file can be read, even after a crash,
  until it is deleted.

  If chunks are missing, the error `:chunks_missing` lists their digests in `chunks`: add them and try again.
  Takes the option `:timeout`.
  """
  @spec commit(t, Manifest.t(), timeout: timeout) :: result(root)
  def commit(store, %Manifest{bytes: bytes}, options \\ []),
    do: Work.call(&Native.store_commit(store, bytes, &1), timeout(options))

  @doc """
  Stores a file, an enumerable of pieces that are each an `t:iodata/0`, and returns its root.

  Writes only missing chunks. Takes the profile options of `Chunker.stream/2`, and `:timeout`, which applies
  to each step.

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
  Returns a stream of the bytes of a file, as verified binaries.

  The bytes are correct, whatever happens to the store in the meantime. Raises `Chunker.Error` where the file is
  damaged, and at once if `root` is not a root. Reads 1 MiB ahead.

  ## Options

    * `:range` - `{start, stop}`, the bytes from `start` up to but not including `stop`; by default all. `stop`
      may be past the end of the file; a `start` past it is the error `:range_not_satisfiable`
    * `:timeout` - milliseconds that one piece may take

      iex> {:ok, store} = Chunker.Store.open("memory://read")
      iex> {:ok, root} = Chunker.Store.write(store, ["0123456789"])
      iex> store |> Chunker.Store.read(root, range: {2, 5}) |> Enum.join()
      "234"
  """
  @spec read(t, root, range: {non_neg_integer, non_neg_integer} | nil, timeout: timeout) :: Enumerable.t()
  def read(store, root, options \\ []) do
    options = Keyword.validate!(options, range: nil, timeout: :infinity)
    range = range(options[:range])
    open = fn -> store |> Native.store_read(root, range) |> Work.result() |> Error.unwrap!() end
    # Reports an invalid root here, and not when the stream is read.
    _ = Native.reader_close(open.())
    Work.stream(open, &Native.reader_next/2, &Native.reader_close/1, options[:timeout])
  end

  # The native library takes numbers of 64 bits.
  @most 0xFFFF_FFFF_FFFF_FFFF

  defp range(nil), do: nil
  defp range({start, stop} = range) when start in 0..@most and stop in 0..@most, do: range

  defp range(other) do
    raise ArgumentError, "range is #{inspect(other)} (expected {start, stop}, two integers from 0 to 2^64-1)"
  end

  @doc """
  Returns a stream of a file as zstd frames, which together decompress to its bytes.

  Chunks are verified and then sent as they are stored, so this costs less than reading the file and compressing
  it. A decoder needs a window of at most 8 MiB. The frames of a file, and their total length, can differ from
  one call to the next. Raises like `read/3`.

  ## Options

    * `:patches` - the `t:Chunker.Nix.ReferencePatches.t/0` of the file, to put its hashes back; chunks with
      hashes are compressed again
    * `:timeout` - milliseconds that one piece may take

      iex> {:ok, store} = Chunker.Store.open("memory://zstd")
      iex> {:ok, root} = Chunker.Store.write(store, [String.duplicate("0123456789", 10_000)])
      iex> frames = store |> Chunker.Store.read_zstd(root) |> Enum.join()
      iex> byte_size(frames) < 200
      true
      iex> Chunker.decompress!(frames, codec: :zstd) == String.duplicate("0123456789", 10_000)
      true
  """
  @spec read_zstd(t, root, patches: ReferencePatches.t() | nil, timeout: timeout) :: Enumerable.t()
  def read_zstd(store, root, options \\ []) do
    options = Keyword.validate!(options, patches: nil, timeout: :infinity)
    patches = options[:patches] && options[:patches].handle
    open = fn -> store |> Native.store_read_zstd(root, patches) |> Work.result() |> Error.unwrap!() end
    _ = Native.reader_close(open.())
    Work.stream(open, &Native.reader_next/2, &Native.reader_close/1, options[:timeout])
  end

  @doc """
  Returns a stream of the store's files (`t:entry/0`), sorted by root.

  Raises `Chunker.Error` if the store cannot be listed. Takes the option `:timeout`, which applies to each
  step.
  """
  @spec files(t, timeout: timeout) :: Enumerable.t()
  def files(store, options \\ []) do
    open = fn -> store |> Native.store_files() |> Work.result() |> Error.unwrap!() end

    open
    |> Work.stream(&Native.reader_next/2, &Native.reader_close/1, timeout(options))
    |> Stream.map(fn {root, length, seconds} ->
      %{root: root, length: length, committed: DateTime.from_unix!(seconds)}
    end)
  end

  @doc """
  Returns the verified manifest of a file. Takes the option `:timeout`.
  """
  @spec manifest(t, root, timeout: timeout) :: result(Manifest.t())
  def manifest(store, root, options \\ []) do
    with {:ok, bytes} <- Work.call(&Native.store_manifest(store, root, &1), timeout(options)) do
      case Manifest.parse(bytes, max_bytes: byte_size(bytes)) do
        {:ok, manifest} -> {:ok, manifest}
        {:error, code} -> {:error, %Error{code: code}}
      end
    end
  end

  @doc """
  Deletes a file, and returns whether it existed. Takes the option `:timeout`.

  Its space is free only after a collection: see `collect/2`.
  """
  @spec delete(t, root, timeout: timeout) :: result(boolean)
  def delete(store, root, options \\ []),
    do: Work.call(&Native.store_delete(store, root, &1), timeout(options))

  @typedoc "The result of a collection. A kept pack is damaged, and has the only copy of a chunk that is in use."
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
  Frees the space of chunks that no file needs, and returns what it did.

  Safe at any time, from any number of processes. You can stop it at any moment; the next collection finishes
  what it started.

  ## Options

    * `:min_age` - age in milliseconds below which packs are left alone, by default a day. An upload that
      takes longer must add some chunks again before it commits
    * `:max_waste` - percentage of waste at which a pack is rewritten, by default 20; with 100, only packs that
      contain nothing else are deleted
    * `:dry_run` - whether to report only, and write nothing, by default false
    * `:timeout`
  """
  @spec collect(t, min_age: non_neg_integer, max_waste: 0..100, dry_run: boolean, timeout: timeout) ::
          result(collection)
  def collect(store, options \\ []) do
    options = Keyword.validate!(options, min_age: nil, max_waste: nil, dry_run: false, timeout: :infinity)
    given = {options[:min_age], options[:max_waste], options[:dry_run]}
    Work.call(&Native.store_collect(store, given, &1), options[:timeout])
  end

  @typedoc "The result of a check. A store is `sound` if every file can be read and no pack is damaged."
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
  Checks every pack and every file, and returns what it found; damage is not an error.

  ## Options

    * `:read_data` - whether to read every chunk, instead of only footers and manifests, by default false
    * `:repair` - whether to copy the good chunks of damaged packs and delete the packs, so that uploading
      their files again repairs the store. By default false: the check writes nothing
    * `:timeout`
  """
  @spec check(t, read_data: boolean, repair: boolean, timeout: timeout) :: result(report)
  def check(store, options \\ []) do
    options = Keyword.validate!(options, read_data: false, repair: false, timeout: :infinity)
    Work.call(&Native.store_check(store, options[:read_data], options[:repair], &1), options[:timeout])
  end

  @doc """
  Returns the size of the store. Takes the option `:timeout`.
  """
  @spec usage(t, timeout: timeout) :: result(usage)
  def usage(store, options \\ []), do: Work.call(&Native.store_usage(store, &1), timeout(options))

  defp timeout(options), do: Keyword.validate!(options, timeout: :infinity)[:timeout]
end
