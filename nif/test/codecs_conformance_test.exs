defmodule Chunker.CodecsConformanceTest do
  use ExUnit.Case, async: true

  alias Chunker.{Nix, Signing, Vectors}

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
