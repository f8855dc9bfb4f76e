defmodule Chunker.Nix.NarInfoFile do
  @moduledoc """
  A narinfo file: a binary cache's description of a store path.

      iex> text = \"""
      ...> StorePath: /nix/store/9krlzvny65gdc8s7kpb6lkx8cd02c25b-hello
      ...> URL: nar/hello.nar.zst
      ...> Compression: zstd
      ...> NarHash: sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73
      ...> NarSize: 120
      ...> References: 9krlzvny65gdc8s7kpb6lkx8cd02c25b-hello
      ...> \"""
      iex> {:ok, file} = Chunker.Nix.NarInfoFile.parse(text)
      iex> file.narinfo.references
      ["/nix/store/9krlzvny65gdc8s7kpb6lkx8cd02c25b-hello"]
      iex> Chunker.Nix.NarInfoFile.to_text(file) == {:ok, text}
      true
  """

  alias Chunker.{Native, Nix}

  @enforce_keys [:narinfo, :url]
  defstruct [
    :narinfo,
    :url,
    :file_hash,
    :file_size,
    :deriver,
    :ca,
    compression: "none",
    signatures: [],
    other: []
  ]

  @typedoc """
  The fields of a file.

    * `:narinfo` is the signed part: `StorePath`, `NarHash`, `NarSize` and `References`;
    * `:url` is the location of the NAR, relative to the cache, and `:compression` that of the file there,
      such as `"none"`, `"xz"` or `"zstd"`;
    * `:file_hash` and `:file_size` are the SHA-256 digest and the size in bytes of the file there;
    * `:deriver` is the full path of the derivation that was built;
    * `:signatures` are the values of all `Sig:` lines;
    * `:ca` says how the path is content-addressed;
    * `:other` are all other fields, in order.
  """
  @type t :: %__MODULE__{
          narinfo: Nix.t(),
          url: String.t(),
          compression: String.t(),
          file_hash: Chunker.digest() | nil,
          file_size: non_neg_integer | nil,
          deriver: String.t() | nil,
          signatures: [String.t()],
          ca: String.t() | nil,
          other: [{String.t(), String.t()}]
        }

  @doc """
  Parses a file. Its fields may be in any order; if it names no compression, that is `"bzip2"`, as in Nix.

      iex> Chunker.Nix.NarInfoFile.parse("StorePath: /nix/store")
      {:error, :invalid_narinfo}
  """
  @spec parse(String.t()) :: {:ok, t} | {:error, Chunker.error()}
  def parse(text) do
    with true <- String.valid?(text) || {:error, :invalid_narinfo},
         {:ok, {signed, others}} <- Native.nix_parse_narinfo_dirty(text) do
      {store_path, nar_hash, nar_size, references} = signed
      {{url, compression, file_hash, file_size}, {deriver, signatures, ca, other}} = others

      {:ok,
       %__MODULE__{
         narinfo: %Nix{
           store_path: store_path,
           nar_hash: nar_hash,
           nar_size: nar_size,
           references: references
         },
         url: url,
         compression: compression,
         file_hash: file_hash,
         file_size: file_size,
         deriver: deriver,
         signatures: signatures,
         ca: ca,
         other: other
       }}
    end
  end

  @doc """
  Returns the text of a file, with the fields in Nix's order. A value that would not be read back unchanged,
  such as one with a line feed, is an error.
  """
  @spec to_text(t) :: {:ok, String.t()} | {:error, Chunker.error()}
  def to_text(%__MODULE__{} = file) do
    others = {
      {file.url, file.compression, file.file_hash, file.file_size},
      {file.deriver, file.signatures, file.ca, file.other}
    }

    Native.nix_format_narinfo_dirty(Nix.fields(file.narinfo), others)
  end
end
