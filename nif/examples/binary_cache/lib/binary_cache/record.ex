defmodule BinaryCache.Record do
  @moduledoc """
  What the cache has of a store path: its narinfo, where its NAR is in the store, and what restores that.

  | in the file | |
  |---|---|
  | `CBC1`, and a line feed | |
  | root of the normalized NAR in the store | a line |
  | digest of what was sent, in Nix's base32 | a line |
  | bytes of the narinfo | a line, decimal |
  | narinfo | without the signature of the cache |
  | list of patches | as `docs/nix-references.md` specifies |
  | SHA-256 digest of all of that | 32 bytes |
  """

  alias Chunker.Nix
  alias Chunker.Nix.NarInfoFile

  @enforce_keys [:root, :file_hash, :narinfo, :patches]
  defstruct @enforce_keys

  @typedoc """
  `:narinfo` describes the NAR as served uncompressed, not as it was sent; `:patches` are canonical bytes.
  """
  @type t :: %__MODULE__{
          root: Chunker.Store.root(),
          file_hash: String.t(),
          narinfo: NarInfoFile.t(),
          patches: binary
        }

  @doc """
  Returns the record of a stored NAR that the client described with `narinfo`.
  """
  @spec new(NarInfoFile.t(), String.t(), Chunker.Store.root(), binary) :: t
  def new(%NarInfoFile{narinfo: signed} = narinfo, file_hash, root, patches) do
    narinfo = %{
      narinfo
      | url: "nar/#{hash_part(signed.store_path)}-#{Nix.base32_encode(signed.nar_hash)}.nar",
        compression: "none",
        file_hash: signed.nar_hash,
        file_size: signed.nar_size
    }

    %__MODULE__{root: root, file_hash: file_hash, narinfo: narinfo, patches: patches}
  end

  @doc """
  Returns the narinfo of a record as it is served.

  With compression, the size and hash of the file are not known in advance, and the narinfo leaves them out.
  """
  @spec served(t, :zstd | :none) :: NarInfoFile.t()
  def served(%__MODULE__{narinfo: narinfo}, :none), do: narinfo

  def served(%__MODULE__{narinfo: narinfo}, :zstd),
    do: %{narinfo | url: narinfo.url <> ".zst", compression: "zstd", file_hash: nil, file_size: nil}

  @doc """
  Returns the 32 characters that a store path's base name begins with.
  """
  @spec hash_part(String.t()) :: String.t()
  def hash_part(store_path), do: store_path |> Path.basename() |> binary_part(0, 32)

  @doc """
  Returns the record with the signatures of another one besides its own.
  """
  @spec with_signatures(t, [String.t()]) :: t
  def with_signatures(%__MODULE__{narinfo: narinfo} = record, signatures),
    do: %{record | narinfo: %{narinfo | signatures: Enum.uniq(narinfo.signatures ++ signatures)}}

  @spec encode(t) :: binary
  def encode(%__MODULE__{} = record) do
    {:ok, narinfo} = NarInfoFile.to_text(record.narinfo)
    lines = "CBC1\n#{record.root}\n#{record.file_hash}\n#{byte_size(narinfo)}\n"
    bytes = lines <> narinfo <> record.patches
    bytes <> Chunker.digest(bytes)
  end

  @doc """
  Returns the record with these bytes, `:damaged` if they are not one.
  """
  @spec decode(binary) :: {:ok, t} | :damaged
  def decode(bytes) do
    with length when length >= 0 <- byte_size(bytes) - 32,
         <<content::binary-size(length), digest::binary>> = bytes,
         true <- Chunker.digest(content) == digest,
         ["CBC1", root, file_hash, decimal, rest] <- String.split(content, "\n", parts: 5),
         {narinfo_bytes, ""} <- Integer.parse(decimal),
         <<narinfo::binary-size(narinfo_bytes), patches::binary>> <- rest,
         {:ok, narinfo} <- NarInfoFile.parse(narinfo) do
      {:ok, %__MODULE__{root: root, file_hash: file_hash, narinfo: narinfo, patches: patches}}
    else
      _ -> :damaged
    end
  end
end
