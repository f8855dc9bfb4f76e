defmodule BinaryCache.Publication do
  @moduledoc """
  From a NAR that waits and its narinfo to chunks in the store and a record; and back.
  """

  import BinaryCache.Refusal, only: [refuse: 2, refuse: 3]
  alias BinaryCache.{Cache, Catalog, Gate, Incoming, Record, Refusal}
  alias Chunker.{Error, Manifest, Nix, Store}
  alias Chunker.Nix.{NarInfoFile, ReferenceNormalizer, ReferencePatches}

  # How often to store a NAR whose chunks are collected before it is committed.
  @attempts 3

  @doc """
  Makes a store path available whose NAR was sent with the digest `file_hash`.

  Chunks and record are durable when this returns, and the NAR waits no longer.
  """
  @spec publish(Cache.t(), NarInfoFile.t(), String.t()) :: {:ok, :created | :known} | {:error, Refusal.t()}
  def publish(cache, narinfo, file_hash) do
    case Incoming.find(cache, file_hash) do
      nil ->
        publish_again(cache, narinfo, file_hash)

      incoming ->
        with :ok <- check_sizes(narinfo, incoming),
             :ok <- check_nar(narinfo, incoming.nar_hash, incoming.nar_size),
             {:ok, _} = published <- publish_new(cache, narinfo, file_hash, incoming, @attempts) do
          Incoming.remove(incoming)
          published
        end
    end
  end

  defp check_sizes(narinfo, incoming) do
    cond do
      narinfo.compression != incoming.compression ->
        refuse(
          422,
          "Compression is #{narinfo.compression}, but the NAR was sent with #{incoming.compression}"
        )

      narinfo.file_size not in [nil, incoming.file_size] ->
        refuse(422, "FileSize is #{narinfo.file_size}, but the NAR was sent in #{incoming.file_size} bytes")

      true ->
        :ok
    end
  end

  defp check_nar(%{narinfo: %{nar_hash: nar_hash, nar_size: nar_size}}, hash, size) do
    cond do
      nar_hash != hash ->
        refuse(422, "the NAR has the hash #{Nix.base32_encode(hash)}, not the one in NarHash")

      nar_size != size ->
        refuse(422, "the NAR has #{size} bytes, NarSize is #{nar_size}")

      true ->
        :ok
    end
  end

  # Nix does not send a NAR again that was sent for another path with the same content.
  defp publish_again(cache, narinfo, file_hash) do
    with %Record{root: root, patches: patches, narinfo: known} <- sent(cache, file_hash),
         :ok <- check_nar(narinfo, known.narinfo.nar_hash, known.narinfo.nar_size) do
      published =
        Catalog.holding(cache.catalog, root, fn ->
          # It may have been deleted before it was held.
          if match?(%Record{root: ^root}, sent(cache, file_hash)),
            do: Catalog.publish(cache.catalog, Record.new(narinfo, file_hash, root, patches)),
            else: :gone
        end)

      if published == :gone, do: publish_again(cache, narinfo, file_hash), else: published
    else
      nil -> refuse(409, "there is no NAR for this narinfo: send that first")
      refusal -> refusal
    end
  end

  # Returns the record of a store path whose NAR was sent with this digest.
  defp sent(cache, file_hash) do
    Enum.find_value(Catalog.sent(cache.catalog, file_hash), fn hash ->
      with {:ok, record} <- Catalog.read(cache.records, hash), do: record, else: (_ -> nil)
    end)
  end

  @doc """
  Returns whether a NAR that was sent with this digest waits, or is in the store.
  """
  @spec sent?(Cache.t(), String.t()) :: boolean
  def sent?(cache, file_hash), do: Incoming.find(cache, file_hash) != nil or sent(cache, file_hash) != nil

  defp publish_new(_, _, _, _, 0),
    do:
      refuse(503, "collections kept removing the chunks of the NAR: try again later", [{"Retry-After", "10"}])

  defp publish_new(cache, narinfo, file_hash, incoming, attempts) do
    {chunks, patches} = Gate.pass(cache.gate, fn -> store_chunks(cache, narinfo, incoming) end)
    manifest = Manifest.new!(chunks, profile: cache.profile)
    root = "#{cache.hash}-#{Base.encode16(manifest.root_digest, case: :lower)}"

    case commit(cache, manifest, root, Record.new(narinfo, file_hash, root, patches)) do
      # Somebody else has collected them.
      {:error, %Error{code: :chunks_missing}} ->
        publish_new(cache, narinfo, file_hash, incoming, attempts - 1)

      {:error, %Error{} = error} ->
        raise error

      {:error, %Refusal{}} = refused ->
        :ok = Catalog.release(cache.catalog, root)
        refused

      published ->
        published
    end
  catch
    # It was published for another path meanwhile.
    :gone ->
      publish_again(cache, narinfo, file_hash)

    :damaged ->
      Incoming.remove(incoming)
      refuse(409, "the NAR was damaged while it waited: send it again")
  end

  defp commit(cache, manifest, root, record) do
    Catalog.holding(cache.catalog, root, fn ->
      with {:ok, ^root} <- Store.commit(cache.store, manifest), do: Catalog.publish(cache.catalog, record)
    end)
  rescue
    # There was no room for the record.
    error in File.Error ->
      :ok = Catalog.release(cache.catalog, root)
      reraise error, __STACKTRACE__
  end

  defp store_chunks(cache, %{narinfo: signed}, incoming) do
    references = if cache.normalize, do: [signed.store_path | signed.references], else: []
    ticket = make_ref()

    chunks =
      incoming
      |> Incoming.stream()
      |> normalize(references, ticket)
      |> Chunker.stream(payloads: true, profile: cache.profile)

    chunks = cache.store |> Store.put(chunks, hash: cache.hash) |> Error.unwrap!()

    receive do
      {^ticket, patches} -> {chunks, ReferencePatches.to_binary(patches)}
    end
  end

  # What was replaced is known at the end of the stream, and is sent to the process that reads it.
  defp normalize(pieces, references, ticket) do
    Stream.transform(
      pieces,
      fn -> references |> ReferenceNormalizer.open() |> Error.unwrap!() end,
      fn piece, normalizer ->
        {[normalizer |> ReferenceNormalizer.feed(piece) |> Error.unwrap!()], normalizer}
      end,
      fn normalizer ->
        {rest, patches} = normalizer |> ReferenceNormalizer.finish() |> Error.unwrap!()
        send(self(), {ticket, patches})
        {[rest], normalizer}
      end,
      fn _ -> :ok end
    )
  end

  @doc """
  Returns a stream of the bytes of a record's NAR from `start` up to and without `stop`.

  It raises where a chunk is damaged: what came before it is right.
  """
  @spec stream(Cache.t(), Record.t(), {non_neg_integer, non_neg_integer}) :: Enumerable.t()
  def stream(cache, record, {start, _} = range) do
    patches = patches(record)

    cache.store
    |> Store.read(record.root, range: range)
    |> Stream.transform(start, fn piece, offset ->
      {[patches |> ReferencePatches.restore(piece, offset) |> Error.unwrap!()], offset + byte_size(piece)}
    end)
  end

  @doc """
  Returns a stream of a record's NAR compressed by zstd: chunks as they are stored, except those with references.

  Like `stream/3`, it raises at a damaged chunk.
  """
  @spec compressed(Cache.t(), Record.t()) :: Enumerable.t()
  def compressed(cache, record), do: Store.read_zstd(cache.store, record.root, patches: patches(record))

  defp patches(record), do: record.patches |> ReferencePatches.parse() |> Error.unwrap!()
end
