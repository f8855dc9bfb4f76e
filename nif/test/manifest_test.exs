defmodule Chunker.ManifestTest do
  use ExUnit.Case, async: true

  alias Chunker.{Manifest, Signing}

  @options [min_size: 64, avg_size: 256, max_size: 1024, hash: :blake3]

  setup_all do
    data = :rand.bytes(100_000)
    chunks = Chunker.chunk!(data, [payloads: true] ++ @options)
    store = for {hash, _, _, payload} <- chunks, into: %{}, do: {hash, payload}
    %{data: data, manifest: Manifest.new!(chunks, @options), store: store}
  end

  test "a manifest is what its bytes say", %{manifest: manifest, data: data} do
    assert manifest.total_length == 100_000
    assert manifest.root_digest == Chunker.digest(manifest.bytes, :blake3)
    assert manifest.chunks == Chunker.chunk!(data, @options)
    assert Manifest.parse(manifest.bytes) == {:ok, manifest}

    assert inspect(manifest) ==
             "#Chunker.Manifest<profile: #{inspect(manifest.profile)}, total_length: 100000, ...>"

    assert Manifest.parse(manifest.bytes, max_bytes: 1000) == {:error, :manifest_too_large}
    assert Manifest.parse(manifest.bytes <> "a") == {:error, :invalid_manifest}
    assert Manifest.parse("CDCMNFT\2" <> manifest.bytes) == {:error, :unsupported_manifest_version}
  end

  test "chunks that do not follow each other are none of a manifest", %{
    manifest: %{chunks: [first, second | rest]}
  } do
    for chunks <- [[second | rest], [second, first | rest], [first, first]] do
      assert Manifest.new(chunks, @options) == {:error, :chunk_sequence_invalid}
    end

    assert_raise ArgumentError, fn -> Manifest.new([{"short", 0, 1}]) end
  end

  test "an input is verified however it is split", %{manifest: manifest, data: data} do
    assert Manifest.verify(manifest, data) == :ok
    assert Manifest.verify(manifest, for(<<byte <- data>>, do: [byte])) == :ok
    assert Manifest.verify(manifest, [data, ""]) == :ok
    assert Manifest.verify(manifest, [data, "a"]) == {:error, :chunk_length_mismatch}
    assert Manifest.verify(manifest, binary_part(data, 0, 99_999)) == {:error, :chunk_length_mismatch}
    assert Manifest.verify(manifest, []) == {:error, :chunk_length_mismatch}
    assert Manifest.verify(manifest, <<0>> <> data) == {:error, :chunk_digest_mismatch}
    assert Manifest.verify(Manifest.new!([]), "") == :ok
  end

  test "what is reassembled is the input, or a correct prefix and an error", %{
    manifest: manifest,
    data: data,
    store: store
  } do
    fetch = fn store ->
      fn {hash, _, _} -> with(:error <- Map.fetch(store, hash), do: {:error, :enoent}) end
    end

    assert {:ok, parts} = Manifest.reassemble(manifest, fetch.(store), [])
    assert IO.iodata_to_binary(parts) == data

    {hash, offset, _} = Enum.at(manifest.chunks, 50)
    {:ok, prefix} = StringIO.open("")

    assert Manifest.reassemble(manifest, fetch.(Map.delete(store, hash)), IO.binstream(prefix, 1)) ==
             {:error, :chunk_unavailable}

    assert_raise Chunker.Error, fn ->
      for chunk <- Manifest.stream!(manifest, fetch.(Map.update!(store, hash, &flip/1))),
          do: send(self(), chunk)
    end

    assert received() == binary_part(data, 0, offset)
    truncated = Map.update!(store, hash, &binary_part(&1, 0, 10))
    assert Manifest.reassemble(manifest, fetch.(truncated), []) == {:error, :chunk_length_mismatch}
  end

  test "a signature of a manifest is none of its bytes", %{manifest: manifest} do
    {:ok, secret_key} = Signing.generate_key()
    {:ok, public_key} = Signing.public_key(secret_key)
    {:ok, signature} = Signing.sign(manifest, secret_key)
    assert Signing.verify(manifest, signature, public_key) == :ok
    assert Signing.verify(manifest.bytes, signature, public_key) == {:error, :verification_failed}
    other = %{manifest | bytes: Manifest.new!([]).bytes}
    assert Signing.verify(other, signature, public_key) == {:error, :verification_failed}
  end

  defp flip(<<byte, rest::binary>>), do: <<255 - byte, rest::binary>>

  defp received do
    receive do
      chunk -> chunk <> received()
    after
      0 -> ""
    end
  end
end
