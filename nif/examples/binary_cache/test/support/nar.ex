defmodule BinaryCache.Nar do
  @moduledoc """
  NARs and store paths for tests.
  """

  alias Chunker.Nix

  @doc """
  Returns the NAR of a file with these bytes.
  """
  def file(bytes) do
    for text <- ["nix-archive-1", "(", "type", "regular", "contents", bytes, ")"], into: "" do
      <<byte_size(text)::little-64, text::binary, 0::unit(8)-size(rem(8 - rem(byte_size(text), 8), 8))>>
    end
  end

  @doc """
  Returns a store path that depends only on its name, and on which build it is.
  """
  def store_path(name, build \\ 1) do
    <<hash::binary-size(20), _::binary>> = Chunker.digest("#{name} #{build}")
    "/nix/store/#{Nix.base32_encode(hash)}-#{name}"
  end

  @doc """
  Returns what is sent of a NAR, and its narinfo.

  Options: `:compression`, `:references`, and fields of the narinfo.
  """
  def to_send(nar, store_path, options \\ []) do
    compression = options[:compression] || "none"
    sent = compress(nar, compression)
    file_hash = Chunker.digest(sent)

    narinfo = %Nix.NarInfoFile{
      narinfo: %Nix{
        store_path: store_path,
        nar_hash: Chunker.digest(nar),
        nar_size: byte_size(nar),
        references: options[:references] || []
      },
      url: "nar/#{Nix.base32_encode(file_hash)}.nar" <> ending(compression),
      compression: compression,
      file_hash: file_hash,
      file_size: byte_size(sent)
    }

    {sent, struct!(narinfo, Keyword.drop(options, [:compression, :references]))}
  end

  defp compress(nar, "none"), do: nar
  defp compress(nar, "gzip"), do: :zlib.gzip(nar)
  defp compress(nar, codec), do: Chunker.compress!(nar, codec: String.to_atom(codec))

  # As Nix does.
  defp ending("xz"), do: ".xz"
  defp ending("bzip2"), do: ".bz2"
  defp ending("zstd"), do: ".zst"
  defp ending("lz4"), do: ".lz4"
  defp ending(_), do: ""
end
