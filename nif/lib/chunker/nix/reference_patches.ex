defmodule Chunker.Nix.ReferencePatches do
  @moduledoc """
  The hashes that `Chunker.Nix.ReferenceNormalizer` replaced in a stream: what restores it.
  """

  alias Chunker.{Native, Nif}

  @enforce_keys [:handle, :stream_length, :count, :references]
  @derive {Inspect, only: [:stream_length, :count, :references]}
  defstruct @enforce_keys

  @typedoc """
  Bytes of the stream, how many hashes were replaced, and the hashes that it holds, ascending. Made by
  `parse/1` and `Chunker.Nix.ReferenceNormalizer.finish/1` alone.
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
    {stream_length, count, references} = Nif.patches_fields_dirty(handle)
    %__MODULE__{handle: handle, stream_length: stream_length, count: count, references: references}
  end

  @doc """
  Returns the patches of their canonical bytes.

      iex> Chunker.Nix.ReferencePatches.parse("CNR1" <> <<100, 0, 1>>)
      {:error, :invalid_patches}
  """
  @spec parse(binary) :: {:ok, t} | {:error, Chunker.error()}
  def parse(bytes) do
    with {:ok, handle} <- Nif.patches_parse_dirty(bytes), do: {:ok, of(handle)}
  end

  @doc """
  Returns the canonical bytes, to be stored beside the stream. Equal patches have equal bytes.
  """
  @spec to_binary(t) :: binary
  def to_binary(%__MODULE__{handle: handle}), do: Nif.patches_bytes_dirty(handle)

  @doc """
  Returns the bytes of a normalized stream that begin at `offset` with their hashes put back.

  `{:error, :placeholder_missing}` says that they are of another stream, and
  `{:error, :stream_length_mismatch}` that they reach beyond its end. Pieces should have at most 1 MiB.
  """
  @spec restore(t, binary, non_neg_integer) :: {:ok, binary} | {:error, Chunker.error()}
  def restore(%__MODULE__{handle: handle}, data, offset \\ 0),
    do: Native.patches_restore(handle, offset, data)
end
