defmodule Chunker.Signing do
  @moduledoc """
  Ed25519 signatures (RFC 8032) of binaries and manifests.

  Keys and signatures are binaries: 64 bytes for a secret key (seed and public key; the seed alone, 32 bytes,
  works too), 32 for a public key, 64 for a signature. Verification is strict: it refuses keys of small order
  and signatures that are not in canonical form.

      iex> {:ok, secret_key} = Chunker.Signing.generate_key()
      iex> {:ok, public_key} = Chunker.Signing.public_key(secret_key)
      iex> {:ok, signature} = Chunker.Signing.sign("data", secret_key)
      iex> Chunker.Signing.verify("data", signature, public_key)
      :ok
      iex> Chunker.Signing.verify("other data", signature, public_key)
      {:error, :verification_failed}

  Signing a `Chunker.Manifest` signs the input that it describes, and takes no longer for a large input.
  """

  alias Chunker.{Manifest, Native, Scheduling}

  @type secret_key :: binary
  @type public_key :: <<_::256>>
  @type signature :: <<_::512>>

  @doc """
  Returns a new secret key from the system's source of random numbers.
  """
  @spec generate_key() :: {:ok, secret_key} | {:error, Chunker.error()}
  def generate_key, do: Native.generate_key()

  @doc """
  Returns the public key of a secret key.
  """
  @spec public_key(secret_key) :: {:ok, public_key} | {:error, Chunker.error()}
  def public_key(secret_key), do: Native.public_key(secret_key)

  @doc """
  Returns the signature of a binary or a manifest.
  """
  @spec sign(binary | Manifest.t(), secret_key) :: {:ok, signature} | {:error, Chunker.error()}
  def sign(%Manifest{bytes: bytes}, secret_key), do: Native.sign_manifest_dirty(bytes, secret_key)
  def sign(data, secret_key), do: Scheduling.sign(data, secret_key)

  @doc """
  Verifies the signature of a binary or a manifest with the signer's `public_key`.
  """
  @spec verify(binary | Manifest.t(), signature, public_key) :: :ok | {:error, Chunker.error()}
  def verify(data, signature, public_key) do
    with {:ok, true} <- verified(data, signature, public_key), do: :ok
  end

  defp verified(%Manifest{bytes: bytes}, signature, public_key),
    do: Native.verify_manifest_dirty(bytes, signature, public_key)

  defp verified(data, signature, public_key), do: Scheduling.verify(data, signature, public_key)
end
