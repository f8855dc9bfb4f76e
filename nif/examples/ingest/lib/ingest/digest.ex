defmodule Ingest.Digest do
  @moduledoc """
  Digests and their algorithms as the protocol writes them.
  """

  @typedoc "64 lowercase hexadecimal digits."
  @type hex :: String.t()

  @doc """
  Returns the algorithm that has this name in the protocol.
  """
  @spec algorithm(term) :: {:ok, Chunker.hash_algorithm()} | :error
  def algorithm("sha256"), do: {:ok, :sha256}
  def algorithm("blake3"), do: {:ok, :blake3}
  def algorithm(_), do: :error

  @doc """
  Returns whether this is a digest as the protocol writes it.
  """
  @spec hex?(term) :: boolean
  def hex?(text) when is_binary(text) and byte_size(text) == 64, do: digits?(text)
  def hex?(_), do: false

  defp digits?(<<digit, rest::binary>>) when digit in ?0..?9 or digit in ?a..?f, do: digits?(rest)
  defp digits?(rest), do: rest == ""

  @doc """
  Returns the digest of a binary.
  """
  @spec of(binary, Chunker.hash_algorithm()) :: hex
  def of(bytes, algorithm), do: bytes |> Chunker.digest(algorithm) |> to_hex()

  @spec to_hex(Chunker.digest()) :: hex
  def to_hex(digest), do: Base.encode16(digest, case: :lower)
end
