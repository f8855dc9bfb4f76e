defmodule Ingest.Endpoints do
  @moduledoc """
  What each path of the protocol does; `docs/upload-protocol.md` says what that must be.

  Functions return an answer or a refusal, with the request where they have read of its body.
  """

  require Logger
  import Ingest.Refusal, only: [refuse: 3, refuse: 4]
  alias Chunker.{Hasher, Manifest}
  alias Ingest.{Announcement, Budget, Digest, Json, Refusal, Request, Response, Router, Store}

  @max_digests 10_000
  # 8 MiB (RFC 9659).
  @max_window_log 23

  @type answer ::
          {:ok, Response.t()}
          | {:ok, Response.t(), Request.t()}
          | {:error, Refusal.t()}
          | {:error, Refusal.t(), Request.t()}

  @spec query_missing(Request.t(), Router.t()) :: answer
  def query_missing(request, %{limits: limits, store: store} = router) do
    with :ok <- check_json(request),
         {:ok, length} <- Announcement.length(request, limits.max_query_bytes, "query_too_large") do
      reading(request, length, router, fn body ->
        with {:ok, algorithm, digests} <- parse_query(body) do
          missing = Enum.filter(digests, &(Store.length!(store, {:chunk, algorithm, &1}) == nil))
          {:ok, Response.json(200, %{missing: missing, encodings: ["zstd"]})}
        end
      end)
    end
  end

  # A page of another origin can send any other type without being asked for permission.
  defp check_json(request) do
    if (Request.header(request, "content-type") || "") =~ ~r/\Aapplication\/json\s*(;|\z)/i,
      do: :ok,
      else: refuse(415, "unsupported_media_type", "the body must be application/json")
  end

  defp parse_query(body) do
    with {:ok, query} <- Json.decode(body),
         query = if(is_map(query), do: query, else: %{}),
         {:ok, algorithm} <- algorithm(query["hash"]),
         digests when is_list(digests) <- query["digests"] do
      cond do
        length(digests) > @max_digests ->
          refuse(413, "query_too_large", "at most #{@max_digests} digests at once")

        not Enum.all?(digests, &Digest.hex?/1) ->
          invalid_digest()

        true ->
          {:ok, algorithm, Enum.uniq(digests)}
      end
    else
      {:error, _} = refusal -> refusal
      _ -> refuse(400, "invalid_query", "the body is not JSON with a list of digests")
    end
  end

  @spec put_chunk(Request.t(), String.t(), String.t(), Router.t()) :: answer
  def put_chunk(request, algorithm, digest, router) do
    with {:ok, algorithm} <- algorithm(algorithm),
         {:ok, digest} <- digest(digest),
         {:ok, announced} <- Announcement.chunk(request, router.limits.max_chunk_bytes) do
      name = {:chunk, algorithm, digest}
      known = Store.length!(router.store, name) == announced.length
      response = Response.json(status(known), %{digest: digest, length: announced.length})

      case announced.encoding do
        nil ->
          with {:ok, request} <- receive_chunk(request, name, known, router), do: {:ok, response, request}

        :zstd ->
          reading(request, announced.body_length, router, fn body ->
            with :ok <- store_encoded(body, announced.length, name, known, router), do: {:ok, response}
          end)
      end
    end
  end

  # The body of a known chunk is read and checked all the same: the answer must not depend on what
  # others have sent.
  defp receive_chunk(request, {:chunk, algorithm, digest} = name, known, router) do
    receive_body = fn write ->
      hasher = Hasher.new(algorithm)

      received =
        Request.reduce(request, :ok, fn piece, :ok ->
          :ok = Hasher.update(hasher, piece)
          write.(piece)
        end)

      with {:ok, :ok, request} <- received do
        case check_digest(Digest.to_hex(Hasher.finalize(hasher)), digest) do
          :ok -> {:ok, request}
          {:error, refusal} -> {:error, refusal, request}
        end
      end
    end

    if known, do: receive_body.(fn _ -> :ok end), else: Store.put_pieces!(router.store, name, receive_body)
  end

  # All of the body has come before a decoder is taken, so that no slow sender holds one.
  defp store_encoded(body, length, {:chunk, algorithm, digest} = name, known, router) do
    Budget.wait_with(router.decoders, 1, fn ->
      with {:ok, bytes} <- decode(body, length),
           :ok <- check_digest(Digest.of(bytes, algorithm), digest) do
        if known, do: :ok, else: Store.put!(router.store, name, bytes)
      end
    end)
  end

  defp decode(body, length) do
    case Chunker.decompress(body, codec: :zstd, max_output: length, max_window_log: @max_window_log) do
      {:ok, bytes} when byte_size(bytes) == length ->
        {:ok, bytes}

      {:ok, bytes} ->
        refuse(
          400,
          "chunk_length_mismatch",
          "the content has #{byte_size(bytes)} bytes, not the #{length} announced"
        )

      {:error, code} ->
        refuse(400, Atom.to_string(code), "the body is not zstd of #{length} bytes within the limits")
    end
  end

  @spec put_manifest(Request.t(), String.t(), Router.t()) :: answer
  def put_manifest(request, root, %{limits: %{max_manifest_bytes: limit}, store: store} = router) do
    with {:ok, root} <- digest(root),
         {:ok, length} <- Announcement.length(request, limit, "manifest_too_large") do
      reading(request, length, router, fn bytes ->
        with {:ok, manifest} <- parse_manifest(bytes),
             :ok <- check_digest(Digest.to_hex(manifest.root), root),
             :ok <- check_chunks(manifest, store) do
          # A damaged one is healed by the next commit.
          known = Store.read!(store, {:manifest, root}) == bytes
          unless known, do: Store.put!(store, {:manifest, root}, bytes)

          {:ok,
           Response.json(status(known), %{
             rootDigest: root,
             chunks: length(manifest.chunks),
             totalLength: manifest.total_length
           })}
        end
      end)
    end
  end

  defp parse_manifest(bytes) do
    with {:error, code} <- Manifest.parse(bytes, max_bytes: byte_size(bytes)),
         do: refuse(400, Atom.to_string(code), "the body is not a canonical manifest")
  end

  # Every chunk must be stored with the length that the manifest says.
  defp check_chunks(%{hash: algorithm, chunks: chunks}, store) do
    chunks = Enum.uniq_by(chunks, fn {hash, _offset, length} -> {hash, length} end)
    hashes = MapSet.new(chunks, fn {hash, _, _} -> hash end)

    stored =
      for {hash, _, length} <- chunks, digest = Digest.to_hex(hash) do
        {digest, length, Store.length!(store, {:chunk, algorithm, digest})}
      end

    missing = for {digest, _, nil} <- stored, do: digest

    cond do
      MapSet.size(hashes) < length(chunks) ->
        refuse(400, "chunk_length_mismatch", "the manifest gives a chunk two lengths")

      missing != [] ->
        refuse(409, "chunks_missing", "#{length(missing)} chunks are not stored",
          missing: Enum.take(missing, @max_digests)
        )

      wrong = Enum.find(stored, fn {_, length, stored} -> length != stored end) ->
        refuse(
          400,
          "chunk_length_mismatch",
          "the manifest gives chunk #{elem(wrong, 0)} a length it does not have"
        )

      true ->
        :ok
    end
  end

  @spec get_chunk(Request.t(), String.t(), String.t(), Router.t()) :: answer
  def get_chunk(request, algorithm, digest, %{store: store}) do
    with {:ok, algorithm} <- algorithm(algorithm), {:ok, digest} <- digest(digest) do
      name = {:chunk, algorithm, digest}

      stored =
        if request.method == "HEAD",
          do: {:ok, Store.length!(store, name), ""},
          else: with({:ok, bytes} <- verified_chunk(store, name), do: {:ok, bytes && byte_size(bytes), bytes})

      with {:ok, length, bytes} when length != nil <- stored do
        {:ok, Response.stored(length, bytes)}
      else
        {:ok, nil, _} -> refuse(404, "chunk_not_found", "no chunk #{digest} is stored")
        refusal -> refusal
      end
    end
  end

  @spec get_manifest(Request.t(), String.t(), Router.t()) :: answer
  def get_manifest(_request, root, %{store: store}) do
    with {:ok, manifest} <- stored_manifest(store, root),
         do: {:ok, Response.stored(byte_size(manifest.bytes), manifest.bytes)}
  end

  @spec get_file(Request.t(), String.t(), Router.t()) :: answer
  def get_file(request, root, %{store: store, served: served}) do
    with {:ok, manifest} <- stored_manifest(store, root) do
      name = request |> Request.fields("name") |> List.first("")

      # The head goes out with the first chunk: until then damage can be answered with a 500.
      chunks =
        Stream.map(manifest.chunks, fn {hash, _, _} ->
          chunk_of_file(store, {:chunk, manifest.hash, Digest.to_hex(hash)})
        end)

      # A slow reader holds the manifest for as long as it reads.
      chunks =
        Budget.stream_with(served, byte_size(manifest.bytes), chunks, busy("too many files are read at once"))

      headers = [{"Content-Disposition", Response.disposition(name)}]
      {:ok, Response.stored(manifest.total_length, {:stream, chunks}, headers)}
    end
  end

  defp chunk_of_file(store, {:chunk, _, digest} = name) do
    with {:ok, nil} <- verified_chunk(store, name),
         do: refuse(500, "chunk_damaged", "chunk #{digest} is not stored")
  rescue
    error in File.Error ->
      Logger.error(Exception.message(error))
      {:error, Refusal.from_exception(error)}
  end

  defp stored_manifest(store, root) do
    with {:ok, root} <- digest(root) do
      case Store.read!(store, {:manifest, root}) do
        nil -> refuse(404, "manifest_not_found", "no manifest #{root} is committed")
        bytes -> verified_manifest(bytes, root)
      end
    end
  end

  defp verified_manifest(bytes, root) do
    with {:ok, manifest} <- Manifest.parse(bytes, max_bytes: byte_size(bytes)),
         ^root <- Digest.to_hex(manifest.root) do
      {:ok, manifest}
    else
      _ -> refuse(500, "manifest_damaged", "the stored manifest #{root} is damaged")
    end
  end

  # Returns a chunk's bytes or `nil`; sets it aside if they are no longer its own.
  defp verified_chunk(store, {:chunk, algorithm, digest} = name) do
    bytes = Store.read!(store, name)

    if bytes == nil or Digest.of(bytes, algorithm) == digest do
      {:ok, bytes}
    else
      Store.set_aside!(store, name)
      refuse(500, "chunk_damaged", "chunk #{digest} was damaged in the store and is set aside")
    end
  end

  # Reads the whole body, whose `length` counts against the server's budget until the answer is made.
  defp reading(request, length, router, answer) do
    result =
      Budget.try_with(router.buffered, length, fn ->
        with {:ok, body, request} <- Request.read_all(request) do
          case answer.(body) do
            {:ok, response} -> {:ok, response, request}
            {:error, refusal} -> {:error, refusal, request}
          end
        end
      end)

    with :busy <- result do
      busy("too many bodies are held at once")
    else
      {:ok, answer} -> answer
    end
  end

  defp busy(message), do: refuse(503, "server_busy", message, headers: [{"Retry-After", "1"}])

  defp check_digest(digest, digest), do: :ok
  defp check_digest(actual, _), do: refuse(400, "digest_mismatch", "the digest of the body is #{actual}")

  defp algorithm(name) do
    with :error <- Digest.algorithm(name),
         do: refuse(400, "unknown_hash_algorithm", "the hash must be sha256 or blake3")
  end

  defp digest(text), do: if(Digest.hex?(text), do: {:ok, text}, else: invalid_digest())

  defp invalid_digest, do: refuse(400, "invalid_digest", "a digest is 64 lowercase hexadecimal digits")

  defp status(true), do: 200
  defp status(false), do: 201
end
