defmodule Chunker.Nix do
  @moduledoc """
  The formats of Nix binary caches: base32, hashes, key files, and signatures of narinfo files.

      iex> {:ok, key} = Chunker.Signing.generate_key()
      iex> {:ok, secret_key} = Chunker.Nix.secret_key("cache.example.org-1", key)
      iex> {:ok, public_key} = Chunker.Nix.public_key(secret_key)
      iex> narinfo = %Chunker.Nix{
      ...>   store_path: "/nix/store/00000000000000000000000000000000-hello-1.0",
      ...>   nar_hash: Chunker.digest("the NAR"),
      ...>   nar_size: 7
      ...> }
      iex> {:ok, signature} = Chunker.Nix.sign(narinfo, secret_key)
      iex> Chunker.Nix.verify(narinfo, signature, public_key)
      :ok
      iex> Chunker.Nix.verify(%{narinfo | nar_size: 8}, signature, public_key)
      {:error, :verification_failed}
  """

  alias Chunker.{Native, Scheduling, Signing}

  @enforce_keys [:store_path, :nar_hash, :nar_size]
  defstruct [:store_path, :nar_hash, :nar_size, references: []]

  @typedoc """
  The signed part of a narinfo: the store path, the SHA-256 digest and the size in bytes of its NAR, and the
  store paths that it refers to.

  All paths are full paths. The order of `:references` does not matter, and duplicates count once.
  """
  @type t :: %__MODULE__{
          store_path: String.t(),
          nar_hash: Chunker.digest(),
          nar_size: pos_integer,
          references: [String.t()]
        }

  @typedoc "The content of a key file, as `nix-store --generate-binary-cache-key` makes it: `name:base64`."
  @type secret_key :: String.t()

  @typedoc "An entry of `trusted-public-keys`: `name:base64`."
  @type public_key :: String.t()

  @doc """
  Encodes a binary in Nix's base32.

      iex> Chunker.Nix.base32_encode(Chunker.digest(""))
      "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73"
  """
  @spec base32_encode(binary) :: String.t()
  def base32_encode(data), do: Scheduling.nix_base32_encode(data)

  @doc """
  Decodes Nix's base32.
  """
  @spec base32_decode(String.t()) :: {:ok, binary} | {:error, :invalid_base32}
  def base32_decode(text) do
    if String.valid?(text), do: Scheduling.nix_base32_decode(text), else: {:error, :invalid_base32}
  end

  @doc """
  Returns a SHA-256 digest in one of Nix's notations.

  `:base32` is `sha256:` and Nix's base32, as in narinfo files; `:base16` is the same with hexadecimal digits;
  `:sri` is `sha256-` and base64, as in lock files.

      iex> Chunker.Nix.hash_encode(Chunker.digest(""), :sri)
      {:ok, "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}
      iex> Chunker.Nix.hash_encode("short", :base32)
      {:error, :invalid_argument}
  """
  @spec hash_encode(Chunker.digest(), :base32 | :base16 | :sri) ::
          {:ok, String.t()} | {:error, Chunker.error()}
  def hash_encode(digest, format), do: Native.nix_hash_encode(digest, format)

  @doc """
  Returns the SHA-256 digest from text in any of these notations.

      iex> Chunker.Nix.hash_decode("sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=") == {:ok, Chunker.digest("")}
      true
      iex> Chunker.Nix.hash_decode("md5:d41d8cd98f00b204e9800998ecf8427e")
      {:error, :invalid_nix_hash}
  """
  @spec hash_decode(String.t()) :: {:ok, Chunker.digest()} | {:error, Chunker.error()}
  def hash_decode(text) do
    if String.valid?(text), do: Native.nix_hash_decode(text), else: {:error, :invalid_nix_hash}
  end

  @doc """
  Returns the text that is signed: `1;<store path>;sha256:<base32>;<NAR size>;<references>`.
  """
  @spec fingerprint(t) :: {:ok, String.t()} | {:error, :invalid_store_path | :invalid_nar_size}
  def fingerprint(%__MODULE__{} = narinfo), do: Native.nix_fingerprint_dirty(fields(narinfo))

  @doc """
  Returns a signature, as the value of a narinfo's line `Sig:`.
  """
  @spec sign(t, secret_key) :: {:ok, String.t()} | {:error, Chunker.error()}
  def sign(%__MODULE__{} = narinfo, secret_key), do: Native.nix_sign_dirty(fields(narinfo), secret_key)

  @doc """
  Verifies a signature, the value of a narinfo's line `Sig:`.
  """
  @spec verify(t, String.t(), public_key) :: :ok | {:error, Chunker.error()}
  def verify(%__MODULE__{} = narinfo, signature, public_key) do
    with {:ok, true} <- Native.nix_verify_dirty(fields(narinfo), signature, public_key), do: :ok
  end

  @doc false
  @spec fields(t) :: tuple
  def fields(%__MODULE__{} = narinfo),
    do: {narinfo.store_path, narinfo.nar_hash, narinfo.nar_size, narinfo.references}

  @doc """
  Returns the content of a key file, from a name, such as `cache.example.org-1`, and a secret key of
  `Chunker.Signing`.
  """
  @spec secret_key(String.t(), Signing.secret_key()) :: {:ok, secret_key} | {:error, Chunker.error()}
  def secret_key(name, secret_key), do: Native.nix_secret_key_dirty(name, secret_key)

  @doc """
  Returns the entry of `trusted-public-keys` for a key file.
  """
  @spec public_key(secret_key) :: {:ok, public_key} | {:error, Chunker.error()}
  def public_key(secret_key), do: Native.nix_public_key_dirty(secret_key)

  @doc """
  Returns the name of the key in an entry.
  """
  @spec key_name(public_key) :: {:ok, String.t()} | {:error, Chunker.error()}
  def key_name(public_key), do: Native.nix_key_name_dirty(public_key)
end
