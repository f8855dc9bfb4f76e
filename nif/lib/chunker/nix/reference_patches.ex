defmodule Chunker.Nix.ReferencePatches do
  @moduledoc """
  The hashes that `Chunker.Nix.ReferenceNormalizer` replaced in a stream, which restore it.
  """

  alias Chunker.{Native, Scheduling}

  @enforce_keys [:handle, :stream_length, :count, :references]
  @derive {Inspect, only: [:stream_length, :count, :references]}
  defstruct @enforce_keys

  @typedoc """
  The length of the stream in bytes, the number of replacements, and the replaced hashes, sorted. Only
  `parse/1` and `Chunker.Nix.ReferenceNormalizer.finish/1` create them.
  """
  @type t :: %__MODULE__{
          handle: reference,
          stream_length: non_neg_integer,
          count: non_neg_integer,
          references: [String.t()]
        }

  @doc false
  @spec of(reference) :: t
  def of(handle) do
    {stream_length, count, references} = Native.patches_fields_dirty(handle)
    %__MODULE__{handle: handle, stream_length: stream_length, count: count, references: references}
  end

  @doc """
  Parses patches from their canonical bytes.

      iex> Chunker.Nix.ReferencePatches.parse("CNR1" <> <<100, 0, 1>>)
      {:error, :invalid_patches}
  """
  @spec parse(binary) :: {:ok, t} | {:error, Chunker.error()}
  def parse(bytes) do
    with {:ok, handle} <- Native.patches_parse_dirty(bytes), do: {:ok, of(handle)}
  end

  @doc """
  Returns the canonical bytes, to be stored beside the stream. Equal patches have equal bytes.
  """
  @spec to_binary(t) :: binary
  def to_binary(%__MODULE__{handle: handle}), do: Native.patches_bytes_dirty(handle)

  @doc """
  Puts the hashes back into the bytes of a normalized stream that start at `offset`, and returns them.

  Returns `{:error, :placeholder_missing}` if the bytes belong to another stream, and
  `{:error, :stream_length_mismatch}` if they extend beyond its end. Pass pieces of at most 1 MiB.
  """
  @spec restore(t, binary, non_neg_integer) :: {:ok, binary} | {:error, Chunker.error()}
  def restore(%__MODULE__{handle: handle}, data, offset \\ 0),
    do: Scheduling.patches_restore(handle, offset, data)
end
