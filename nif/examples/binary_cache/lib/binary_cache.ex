defmodule BinaryCache do
  @moduledoc """
  A binary cache for Nix that stores only once what builds have in common: `nix copy --to http://…` fills it, and
  every Nix client reads it.

      children = [{BinaryCache, root: "/var/lib/cache", key: File.read!("cache.key")}]
      Supervisor.start_link(children, strategy: :one_for_one)

  ## How it works

      PUT nar/…      decompress, within limits ─▶ a file in incoming/
      PUT ….narinfo  check NarHash, NarSize ─▶ take references out ─▶ chunk ─▶ store ─▶ a record in paths/
      GET ….narinfo  record ─▶ sign
      GET nar/…      record ─▶ chunks as they are stored, references put back

  The files of two builds of a package mention store paths with different hashes, scattered all over them.
  `Chunker.Nix.ReferenceNormalizer` takes these hashes out before a NAR is chunked, so that the builds share everything
  else; `docs/nix-references.md` in the repository says how.

      BinaryCache (supervisor)
      ├── BinaryCache.Catalog    the only writer of records
      ├── BinaryCache.Expiry     removes NARs and listings whose narinfo never came
      ├── BinaryCache.Gate       limits how many NARs are chunked at once
      └── Ingest.Http            the socket, and a process for each connection

  When the cache answers with success, the data is on the disk, and a `kill -9` at any moment leaves nothing half-done.
  The store can be anywhere that `Chunker.Store` can open, and belongs to the cache: `collect/2` removes whatever no
  record needs. Only one cache at a time may use the directory.

  When the supervisor stops, it accepts no more connections, closes idle ones, and finishes requests in progress.

  The cache has no users: anyone who can reach it can push to it. It listens on the loopback address by default; put TLS
  and authorization in front of it.

  ## Options

    * `:root` - the directory of the cache, required; created if needed
    * `:key` - the content of a key file (`nix-store --generate-binary-cache-key`) to sign narinfo files with, by
      default none. Signatures of others are kept
    * `:store` - the address of the chunks for `Chunker.Store.open/2`, by default the folder `store` of the root
    * `:profile` - how NARs are chunked, see `Chunker`, by default `:medium`
    * `:normalize` - whether to take references out first, by default true; you can change it at any time
    * `:compression` - how NARs are served, `:zstd` (default) or `:none`; you can change it at any time. With `:zstd`,
      chunks are sent as they are stored, and an interrupted download starts over; with `:none`, it resumes
    * `:store_dir` - by default `/nix/store`
    * `:want_mass_query` - whether clients should ask this cache for all paths that they need, by default true
    * `:priority` - by default 30; clients prefer caches with a lower one, and `cache.nixos.org` has 40
    * `:limits` - fields of `BinaryCache.Limits`, as a keyword list
    * `:http` - options of `Ingest.Http`: by default `port: 5000`, on the loopback address, and `connections: 64`, each
      of which may hold a decoder's window
    * `:name` - the name of the supervisor, by default `BinaryCache`; two caches need two names
  """

  use Supervisor
  alias BinaryCache.{Cache, Catalog, Documents, Expiry, Files, Gate, Limits, Router}
  alias Chunker.{Error, Nix, Store}
  alias Ingest.Http

  @type option ::
          {:root, Path.t()}
          | {:http, [Ingest.Http.option()]}
          | {:key, Nix.secret_key() | nil}
          | {:store, String.t()}
          | {:profile, Chunker.profile()}
          | {:normalize, boolean}
          | {:compression, :zstd | :none}
          | {:store_dir, String.t()}
          | {:want_mass_query, boolean}
          | {:priority, non_neg_integer}
          | {:limits, keyword}
          | {:name, atom}

  @spec start_link([option]) :: Supervisor.on_start()
  def start_link(options) do
    options =
      Keyword.validate!(options, [
        :root,
        :key,
        :store,
        http: [],
        profile: :medium,
        normalize: true,
        compression: :zstd,
        store_dir: "/nix/store",
        want_mass_query: true,
        priority: 30,
        limits: [],
        name: __MODULE__
      ])

    Supervisor.start_link(__MODULE__, options, name: options[:name])
  end

  @doc """
  Returns the port that the cache listens on.
  """
  @spec port(Supervisor.supervisor()) :: :inet.port_number()
  def port(cache \\ __MODULE__), do: cache |> child(Http) |> Http.port()

  @doc """
  Returns the store of a cache.
  """
  @spec store(Supervisor.supervisor()) :: Store.t()
  def store(cache \\ __MODULE__), do: shared(cache).store

  @doc """
  Removes a store path, given as a full path, a base name or the hash alone, and returns whether it existed.

  `collect/2` then frees its space. Clients that are reading it may be cut short.
  """
  @spec delete(Supervisor.supervisor(), String.t()) :: boolean
  def delete(cache \\ __MODULE__, store_path) do
    hash = store_path |> Path.basename() |> String.split("-") |> hd()

    case Nix.base32_decode(hash) do
      {:ok, <<_::160>>} ->
        shared = shared(cache)
        Documents.remove_listing(shared, hash)
        Catalog.delete(shared.catalog, hash)

      _ ->
        raise ArgumentError, "#{inspect(store_path)} is not a store path"
    end
  end

  @doc """
  Removes whatever no store path needs, and returns the result of the store's collection.

  Takes the options of `Chunker.Store.collect/2`. Safe at any time.
  """
  @spec collect(Supervisor.supervisor(), keyword) :: Store.result(Store.collection())
  def collect(cache \\ __MODULE__, options \\ []) do
    %{store: store, catalog: catalog} = shared(cache)
    # What was committed and got no record, because the cache was killed in between.
    unless options[:dry_run], do: store |> Store.files() |> Enum.each(&Catalog.release(catalog, &1.root))
    Store.collect(store, options)
  end

  defp shared(cache), do: cache |> child(Catalog) |> Catalog.cache()

  defp child(cache, module) do
    {_, pid, _, _} = cache |> Supervisor.which_children() |> List.keyfind!(module, 0)
    pid
  end

  @impl true
  def init(options) do
    root = options |> Keyword.fetch!(:root) |> Path.expand()
    [records, incoming, documents] = for name <- ~w(paths incoming documents), do: Path.join(root, name)
    Enum.each([records, incoming], &Files.prepare!/1)
    Documents.prepare!(documents)
    profile = Chunker.profile!(profile: options[:profile])
    [catalog, gate, server] = for part <- [Catalog, Gate, Http], do: Module.concat(options[:name], part)

    cache = %Cache{
      store: Store.open!(options[:store] || Path.join(root, "store")),
      records: records,
      incoming: incoming,
      documents: documents,
      catalog: catalog,
      gate: gate,
      limits: struct!(Limits, options[:limits]),
      profile: profile,
      hash: if(String.ends_with?(profile, "/blake3"), do: :blake3, else: :sha256),
      normalize: options[:normalize],
      compression: compression!(options[:compression]),
      info: Map.new(Keyword.take(options, [:store_dir, :want_mass_query, :priority])),
      key: options[:key] && named(options[:key])
    }

    handler = &Router.answer(&1, cache)

    children = [
      {Catalog, cache},
      {Expiry, cache},
      {Gate, name: gate, places: cache.limits.max_publications},
      {Http, Keyword.merge([port: 5000, connections: 64], options[:http]) ++ [name: server, handler: handler]}
    ]

    Supervisor.init(children, strategy: :rest_for_one)
  end

  defp compression!(compression) when compression in [:zstd, :none], do: compression

  defp compression!(other),
    do: raise(ArgumentError, "unknown compression #{inspect(other)} (expected :zstd or :none)")

  defp named(key) do
    key = String.trim(key)
    {key |> Nix.public_key() |> Error.unwrap!() |> Nix.key_name() |> Error.unwrap!(), key}
  end
end
