defmodule Chunker.CodecsConformanceTest do
  use ExUnit.Case, async: true

  alias Chunker.{Nix, Signing, Vectors}
  alias Chunker.Nix.{ReferenceNormalizer, ReferencePatches}

  @moduletag :conformance

  test "codecs, signatures and base32 give the vectors" do
    cases = Vectors.cases("codecs.json")
    for vector <- cases, do: check(vector["kind"], vector)
    IO.puts("conformance: elixir codecs: #{length(cases)} cases, 0 differences")
  end

  defp check("base32", %{"code" => code, "text" => text}) do
    assert Nix.base32_decode(text) == {:error, String.to_existing_atom(code)}
  end

  defp check("base32", %{"hex" => hex, "text" => text}) do
    assert Nix.base32_decode(text) == {:ok, Vectors.unhex(hex)}
    assert Nix.base32_encode(Vectors.unhex(hex)) == text
  end

  defp check("signature", vector) do
    [message, signature, public_key] =
      for key <- ~w(message signature public_key), do: Vectors.unhex(vector[key])

    verified = Signing.verify(message, signature, public_key)

    case vector do
      %{"code" => code} ->
        assert verified == {:error, String.to_existing_atom(code)}, vector["name"]

      %{"seed" => seed} ->
        assert verified == :ok, vector["name"]
        assert Signing.public_key(Vectors.unhex(seed)) == {:ok, public_key}
        assert Signing.sign(message, Vectors.unhex(seed)) == {:ok, signature}
    end
  end

  defp check("stream", %{"codec" => codec, "data" => base64} = vector) do
    codec = String.to_existing_atom(codec)
    data = Base.decode64!(base64)

    for decompress <- [&in_one_call/3, &in_slices/3] do
      case vector do
        %{"code" => code} ->
          assert decompress.(codec, data, nil) == {:error, String.to_existing_atom(code)}, vector["name"]

        %{"length" => length, "sha256" => sha256} ->
          assert {:ok, content} = decompress.(codec, data, length)
          assert byte_size(content) == length, vector["name"]
          assert :crypto.hash(:sha256, content) == Vectors.unhex(sha256), vector["name"]

          if length > 0,
            do: assert(decompress.(codec, data, length - 1) == {:error, :size_exceeded}, vector["name"])
      end
    end
  end

  defp check("references", %{"name" => name, "hashes" => hashes} = vector) do
    stream = Vectors.unhex(vector["stream"])

    for size <- [1, 31, 4096] do
      {:ok, normalizer} = ReferenceNormalizer.open(hashes)

      settled =
        for piece <- pieces(stream, size) do
          {:ok, part} = ReferenceNormalizer.feed(normalizer, piece)
          part
        end

      {:ok, {rest, patches}} = ReferenceNormalizer.finish(normalizer)
      normalized = IO.iodata_to_binary([settled, rest])
      assert :crypto.hash(:sha256, normalized) == Vectors.unhex(vector["sha256"]), name
      assert ReferencePatches.to_binary(patches) == Vectors.unhex(vector["patches"]), name

      {:ok, parsed} = ReferencePatches.parse(Vectors.unhex(vector["patches"]))
      assert %{parsed | handle: nil} == %{patches | handle: nil}, name

      restored =
        for {piece, index} <- normalized |> pieces(size) |> Enum.with_index() do
          {:ok, part} = ReferencePatches.restore(parsed, piece, index * size)
          part
        end

      assert IO.iodata_to_binary(restored) == stream, name
    end
  end

  defp pieces(data, size) when byte_size(data) > size do
    <<piece::binary-size(size), rest::binary>> = data
    [piece | pieces(rest, size)]
  end

  defp pieces(data, _), do: [data]

  defp in_one_call(codec, data, nil), do: Chunker.decompress(data, codec: codec)

  defp in_one_call(codec, data, max_output),
    do: Chunker.decompress(data, codec: codec, max_output: max_output)

  defp in_slices(codec, data, max_output) do
    limits = if max_output, do: [max_output: max_output], else: []
    slices = for <<slice::binary-size(37) <- data>>, do: slice
    last = binary_part(data, length(slices) * 37, rem(byte_size(data), 37))
    {:ok, (slices ++ [last]) |> Chunker.decompress_stream([codec: codec] ++ limits) |> Enum.join()}
  rescue
    error in Chunker.Error -> {:error, error.code}
  end
end
