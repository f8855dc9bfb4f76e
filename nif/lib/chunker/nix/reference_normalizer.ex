defmodule Chunker.Nix.ReferenceNormalizer do
  @moduledoc """
  Takes the hashes of store paths out of a stream before it is chunked, so that two builds that differ only in
  the paths they refer to share their chunks.

      iex> path = "/nix/store/9krlzvny65gdc8s7kpb6lkx8cd02c25b-glibc-2.38"
      iex> {:ok, normalizer} = Chunker.Nix.ReferenceNormalizer.open([path])
      iex> {:ok, first} = Chunker.Nix.ReferenceNormalizer.feed(normalizer, "RUNPATH=" <> path)
      iex> {:ok, {last, patches}} = Chunker.Nix.ReferenceNormalizer.finish(normalizer)
      iex> first <> last
      "RUNPATH=/nix/store/" <> <<0::256>> <> "-glibc-2.38"
      iex> Chunker.Nix.ReferencePatches.restore(patches, first <> last)
      {:ok, "RUNPATH=/nix/store/9krlzvny65gdc8s7kpb6lkx8cd02c25b-glibc-2.38"}

  The result does not depend on the size of the pieces. A normalizer holds at most 31 bytes back, and keeps 16
  bytes for every replaced hash. It belongs to the process that opened it: when that process ends, the
  normalizer is closed and its memory freed. An error closes it too.
  """

  alias Chunker.{Native, Scheduling}
  alias Chunker.Nix.ReferencePatches

  @enforce_keys [:handle]
  @derive {Inspect, only: []}
  defstruct @enforce_keys

  @opaque t :: %__MODULE__{handle: reference}

  @doc """
  Returns a normalizer that looks for the hashes of these store paths.

  A path may be a full path, a base name, or the hash alone; duplicates count once.

      iex> Chunker.Nix.ReferenceNormalizer.open(["/nix/store/hello"])
      {:error, :invalid_store_hash}
  """
  @spec open([String.t()]) :: {:ok, t} | {:error, Chunker.error()}
  def open(paths) do
    with {:ok, handle} <- Native.normalizer_open_dirty(paths), do: {:ok, %__MODULE__{handle: handle}}
  end

  @doc """
  Reads all of `piece` and returns the output so far.

  Returns `{:error, :chunker_busy}` if another process is feeding the normalizer.
  """
  @spec feed(t, iodata) :: {:ok, binary} | {:error, Chunker.error()}
  def feed(%__MODULE__{handle: handle}, piece),
    do: Scheduling.normalizer_feed(handle, IO.iodata_to_binary(piece))

  @doc """
  Ends the stream, returns the rest of it and its patches, and closes the normalizer.
  """
  @spec finish(t) :: {:ok, {binary, ReferencePatches.t()}} | {:error, Chunker.error()}
  def finish(%__MODULE__{handle: handle}) do
    with {:ok, {rest, patches}} <- Native.normalizer_finish_dirty(handle),
         do: {:ok, {rest, ReferencePatches.of(patches)}}
  end
end
