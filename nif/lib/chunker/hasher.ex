defmodule Chunker.Hasher do
  @moduledoc """
  The digest of bytes that arrive in pieces, such as a request's body on its way to a file.

      iex> hasher = Chunker.Hasher.new(:blake3)
      iex> :ok = Chunker.Hasher.update(hasher, "a")
      iex> :ok = Chunker.Hasher.update(hasher, ["b", ?c])
      iex> Chunker.Hasher.finalize(hasher) == Chunker.digest("abc", :blake3)
      true
  """

  alias Chunker.{Error, Native}

  @opaque t :: reference

  @doc """
  Returns a new hasher. Raises `Chunker.Error` if there is no such algorithm.
  """
  @spec new(Chunker.hash_algorithm()) :: t
  def new(algorithm \\ :sha256), do: algorithm |> Native.hasher_open() |> Error.unwrap!()

  @doc """
  Appends `piece`. One call hashes all of it, so split large binaries into pieces of at most 1 MiB.
  """
  @spec update(t, iodata) :: :ok
  def update(hasher, piece), do: Native.hasher_update_dirty(hasher, IO.iodata_to_binary(piece))

  @doc """
  Returns the digest of all pieces; the hasher then starts over.
  """
  @spec finalize(t) :: Chunker.digest()
  def finalize(hasher), do: Native.hasher_finalize(hasher)
end
