defmodule Chunker.ReferencesTest do
  use ExUnit.Case, async: true

  alias Chunker.Nix.{ReferenceNormalizer, ReferencePatches}

  @hash "9krlzvny65gdc8s7kpb6lkx8cd02c25b"

  defp normalize(pieces, hashes) do
    {:ok, normalizer} = ReferenceNormalizer.open(hashes)

    settled =
      for piece <- pieces do
        {:ok, part} = ReferenceNormalizer.feed(normalizer, piece)
        part
      end

    {:ok, {rest, patches}} = ReferenceNormalizer.finish(normalizer)
    {IO.iodata_to_binary([settled, rest]), patches}
  end

  test "a large piece is normalized in slices, as in one" do
    noise = :crypto.strong_rand_bytes(100_000)
    stream = String.duplicate(noise <> @hash, 30)
    {normalized, patches} = normalize([stream], [@hash])
    assert normalized == String.duplicate(noise <> <<0::256>>, 30)
    assert patches.count == 30
    assert ReferencePatches.restore(patches, normalized) == {:ok, stream}
  end

  test "another stream, another length and another order of calls are errors" do
    {normalized, patches} = normalize(["/nix/store/#{@hash}-a"], [@hash])
    assert patches.references == [@hash]
    assert ReferencePatches.restore(patches, "/nix/store/#{@hash}-a") == {:error, :placeholder_missing}
    assert ReferencePatches.restore(patches, normalized, 1) == {:error, :stream_length_mismatch}
    assert ReferencePatches.parse("CNR2") == {:error, :unsupported_patches_version}
    assert ReferenceNormalizer.open([:no_text]) == {:error, :invalid_argument}

    too_many = for _ <- 0..65_536, do: @hash
    assert ReferenceNormalizer.open(too_many) == {:error, :too_many_references}

    {:ok, normalizer} = ReferenceNormalizer.open([@hash])
    {:ok, _} = ReferenceNormalizer.finish(normalizer)
    assert ReferenceNormalizer.feed(normalizer, "a") == {:error, :chunker_closed}
    assert ReferenceNormalizer.finish(normalizer) == {:error, :chunker_closed}
  end
end
