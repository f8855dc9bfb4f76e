defmodule BinaryCache.Cache do
  @moduledoc """
  What the processes of a cache share.
  """

  alias BinaryCache.{Catalog, Limits}
  alias Chunker.{Nix, Store}

  @enforce_keys [
    :store,
    :records,
    :incoming,
    :documents,
    :catalog,
    :gate,
    :limits,
    :profile,
    :hash,
    :normalize,
    :compression,
    :info,
    :key
  ]
  defstruct @enforce_keys

  @typedoc """
  `:records`, `:incoming` and `:documents` are directories. `:profile` is the id of the profile that NARs are chunked
  with, `:hash` its algorithm. `:normalize` says whether references are taken out first, `:compression` how NARs are
  served. `:info` is the content of `nix-cache-info`; `:key`, if there is one, signs.
  """
  @type t :: %__MODULE__{
          store: Store.t(),
          records: Path.t(),
          incoming: Path.t(),
          documents: Path.t(),
          catalog: Catalog.t(),
          gate: GenServer.name(),
          limits: Limits.t(),
          profile: String.t(),
          hash: Chunker.hash_algorithm(),
          normalize: boolean,
          compression: :zstd | :none,
          info: %{store_dir: String.t(), want_mass_query: boolean, priority: non_neg_integer},
          key: nil | {name :: String.t(), Nix.secret_key()}
        }
end
