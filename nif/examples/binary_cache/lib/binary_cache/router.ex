defmodule BinaryCache.Router do
  @moduledoc """
  Finds what a request asks for, and answers it.

  | | |
  |---|---|
  | `GET /nix-cache-info` | what the cache says of itself |
  | `GET /<hash>.narinfo` | what it says of a store path, signed |
  | `PUT /<hash>.narinfo` | makes a store path available whose NAR was sent |
  | `GET /nar/<hash>-<NarHash>.nar` | the NAR of a store path, or a range of it |
  | `GET /nar/<hash>-<NarHash>.nar.zst` | the same, compressed, and only whole |
  | `PUT /nar/<FileHash>.nar.xz` | sends a NAR; the ending is that of any compression, or none |
  | `HEAD /nar/<FileHash>.nar.xz` | whether it need not be sent, because it waits or is stored |
  | `GET`, `PUT /<hash>.ls`, `/log/<derivation>`, `/realisations/<id>.doi` | a listing, a build log, a realisation |

  `HEAD` is possible wherever `GET` is. Addresses are taken as they come, undecoded: what is not exactly one of
  these is nothing.
  """

  import BinaryCache.Refusal, only: [refuse: 2, refuse: 3]
  alias BinaryCache.{Body, Cache, Catalog, Documents, Incoming, Publication, Record, Telemetry}
  alias Chunker.{Error, Nix}
  alias Chunker.Nix.NarInfoFile
  alias Ingest.Http
  alias Ingest.Http.Request

  @base32 "[0-9a-df-np-sv-z]"
  @narinfo Regex.compile!("\\A/(#{@base32}{32})\\.narinfo\\z")
  @nar Regex.compile!("\\A/nar/(#{@base32}{32})-(#{@base32}{52})\\.nar(\\.zst)?\\z")
  @sent Regex.compile!("\\A/?nar/(#{@base32}{52})\\.nar(?:\\.[a-z0-9]{1,8})?\\z")

  @doc """
  Returns the answer, and the request with what of its body has not been read.
  """
  @spec answer(Request.t(), Cache.t()) :: {Http.answer(), Request.t()}
  def answer(request, cache) do
    {answer, request} =
      case route(request, cache) do
        {:ok, answer} -> {answer, request}
        {:ok, answer, request} -> {answer, request}
        {:error, refusal} -> {refused(refusal), request}
        {:error, refusal, request} -> {refused(refusal), request}
      end

    {if(request.method == "HEAD", do: %{answer | body: ""}, else: answer), request}
  rescue
    error in [File.Error, Error] ->
      unless full?(error), do: reraise(error, __STACKTRACE__)
      # How much of the body has been read is lost.
      unread = if request.length, do: :unknown, else: 0

      {line(507, "the cache is full"),
       %{request | unread: unread, waiting: false, buffer: "", keep_alive: false}}
  end

  defp full?(%File.Error{reason: reason}), do: reason in [:enospc, :edquot]
  defp full?(%Error{code: code}), do: code == :storage_full

  defp refused(refusal), do: line(refusal.status, refusal.message, refusal.headers)

  defp line(status, text, headers \\ []), do: text(status, text <> "\n", "text/plain; charset=utf-8", headers)

  defp text(status, body, type, headers \\ []) do
    headers = [{"Content-Length", "#{byte_size(body)}"}, {"Content-Type", type} | headers]
    %{status: status, headers: headers, body: body}
  end

  defp route(%{target: "/nix-cache-info"} = request, cache),
    do: dispatch(request, %{"GET" => fn -> cache_info(cache) end})

  defp route(%{target: path} = request, cache) do
    cond do
      match = Regex.run(@narinfo, path) ->
        [_, hash] = match

        dispatch(request, %{
          "GET" => fn -> get_narinfo(cache, hash) end,
          "PUT" => fn -> put_narinfo(cache, request, hash) end
        })

      match = Regex.run(@nar, path) ->
        [_, hash, nar_hash | compressed] = match

        dispatch(request, %{
          "GET" => fn ->
            with {:ok, record} <- record(cache, hash, nar_hash),
                 do: get_nar(cache, request, record, compressed)
          end
        })

      match = Regex.run(@sent, path) ->
        [_, file_hash] = match

        dispatch(request, %{
          "GET" => fn -> sent(cache, request, file_hash) end,
          "PUT" => fn -> put_nar(cache, request, file_hash) end
        })

      name = Documents.name(path) ->
        dispatch(request, %{
          "GET" => fn -> get_document(cache, name) end,
          "PUT" => fn -> put_document(cache, request, name) end
        })

      request.method in ["GET", "HEAD"] ->
        refuse(404, "there is nothing at this address")

      true ->
        refuse(400, "this is not the address of a narinfo, NAR, listing, build log or realisation")
    end
  end

  defp dispatch(%{method: method}, endpoints) do
    allow = endpoints |> Map.keys() |> Enum.concat(["HEAD"]) |> Enum.join(", ")

    case endpoints[if(method == "HEAD", do: "GET", else: method)] do
      nil -> refuse(405, "this address does not support #{method}", [{"Allow", allow}])
      endpoint -> endpoint.()
    end
  end

  defp cache_info(%{info: info}) do
    {:ok,
     text(
       200,
       """
       StoreDir: #{info.store_dir}
       WantMassQuery: #{if info.want_mass_query, do: 1, else: 0}
       Priority: #{info.priority}
       """,
       "text/x-nix-cache-info"
     )}
  end

  defp get_narinfo(cache, hash) do
    with {:ok, record} <- record(cache, hash) do
      narinfo = record |> Record.served(cache.compression) |> sign(cache.key)
      {:ok, text(200, narinfo |> NarInfoFile.to_text() |> Error.unwrap!(), "text/x-nix-narinfo")}
    end
  end

  defp sign(narinfo, nil), do: narinfo

  defp sign(narinfo, {name, key}) do
    others = Enum.reject(narinfo.signatures, &String.starts_with?(&1, name <> ":"))
    %{narinfo | signatures: others ++ [narinfo.narinfo |> Nix.sign(key) |> Error.unwrap!()]}
  end

  defp record(cache, hash) do
    case Catalog.read(cache.records, hash) do
      {:ok, record} -> {:ok, record}
      nil -> refuse(404, "there is no such store path")
      :damaged -> refuse(500, "the record of this store path is damaged")
    end
  end

  defp put_narinfo(cache, request, hash) do
    with {:ok, request, text} <- read_narinfo(request, cache.limits) do
      result =
        with {:ok, narinfo} <- parse(text),
             :ok <- check_path(narinfo, hash, cache),
             {:ok, file_hash} <- check_url(narinfo),
             do: publish(cache, narinfo, file_hash)

      case result do
        {:ok, :created} -> {:ok, line(201, "created"), request}
        {:ok, :known} -> {:ok, line(200, "there already"), request}
        {:error, refusal} -> {:error, refusal, request}
      end
    end
  end

  defp read_narinfo(request, limits) do
    with {:ok, _} <- length(request, limits.max_narinfo_bytes),
         {:ok, pieces, request} <- Body.reduce(request, [], &{:ok, [&2 | &1]}),
         do: {:ok, request, IO.iodata_to_binary(pieces)}
  end

  defp length(%{length: length}, limit, least \\ 1) do
    cond do
      length in [nil, :unknown] -> refuse(411, "the request needs a Content-Length")
      length > limit -> refuse(413, "the body has more than #{limit} bytes")
      length < least -> refuse(400, "the body is empty")
      true -> {:ok, length}
    end
  end

  defp parse(text) do
    with {:error, _} <- NarInfoFile.parse(text), do: refuse(400, "the body is not a narinfo")
  end

  defp check_path(%{narinfo: %{store_path: store_path, references: references}}, hash, %{info: info}) do
    cond do
      Record.hash_part(store_path) != hash ->
        refuse(422, "StorePath is #{store_path}, not the path of this address")

      outside = Enum.find([store_path | references], &(Path.dirname(&1) != info.store_dir)) ->
        refuse(422, "#{outside} is not in #{info.store_dir}")

      true ->
        :ok
    end
  end

  # Where a NAR was sent to is its hash: nothing else is stored by the client's name for it.
  defp check_url(narinfo) do
    with [_, file_hash] <- Regex.run(@sent, narinfo.url),
         true <- narinfo.file_hash == nil or Nix.base32_encode(narinfo.file_hash) == file_hash do
      {:ok, file_hash}
    else
      nil -> refuse(422, "URL is not of the form nar/<hash>.nar")
      false -> refuse(422, "FileHash is not the hash in URL")
    end
  end

  defp publish(cache, narinfo, file_hash) do
    %{store_path: store_path, nar_size: nar_size} = narinfo.narinfo

    Telemetry.measure(:publish, nar_size, %{store_path: store_path}, fn ->
      result = publish_missing(cache, narinfo, file_hash)
      {result, outcome(result)}
    end)
  end

  # A path that is there needs no NAR.
  defp publish_missing(cache, %{narinfo: signed} = narinfo, file_hash) do
    case Catalog.read(cache.records, Record.hash_part(signed.store_path)) do
      {:ok, record} ->
        with :ok <- Catalog.check_same(record, narinfo),
             {:ok, _} = published <-
               Catalog.publish(cache.catalog, Record.with_signatures(record, narinfo.signatures)) do
          # The path was already published: the NAR that was sent again is not needed.
          if Catalog.sent(cache.catalog, file_hash) != [], do: Incoming.discard(cache, file_hash)
          published
        end

      _ ->
        Publication.publish(cache, narinfo, file_hash)
    end
  end

  defp outcome({:ok, _}), do: :ok
  defp outcome({:error, refusal}), do: {:refused, refusal.status}

  defp put_nar(cache, request, file_hash) do
    with {:ok, length} <- length(request, cache.limits.max_nar_bytes) do
      Telemetry.measure(:receive, length, %{}, fn ->
        case Incoming.receive_nar(cache, request, file_hash) do
          {:ok, _, request} -> {{:ok, line(201, "waits for its narinfo"), request}, :ok}
          {:error, refusal, _} = refused -> {refused, {:refused, refusal.status}}
        end
      end)
    end
  end

  defp get_document(cache, name) do
    case Documents.get(cache, name) do
      nil ->
        refuse(404, "there is nothing at this address")

      :damaged ->
        refuse(500, "the document at this address is damaged")

      {:ok, encoding, length, pieces} ->
        encoded = if encoding == "", do: [], else: [{"Content-Encoding", encoding}]
        headers = [{"Content-Length", "#{length}"}, {"Content-Type", Documents.content_type(name)} | encoded]
        {:ok, %{status: 200, headers: headers, body: pieces}}
    end
  end

  defp put_document(cache, request, name) do
    with {:ok, _} <- length(request, cache.limits.max_document_bytes, 0),
         {:ok, request} <- Documents.put(cache, request, name),
         do: {:ok, line(201, "stored"), request}
  end

  # The address that a NAR was sent to is not the one that it is served from.
  defp sent(cache, %{method: method}, file_hash) do
    cond do
      not Publication.sent?(cache, file_hash) -> refuse(404, "no NAR was sent to this address")
      method == "HEAD" -> {:ok, text(200, "", "application/x-nix-nar")}
      true -> refuse(404, "the address of the NAR is in its store path's narinfo")
    end
  end

  defp get_nar(cache, request, %{narinfo: %{narinfo: signed}} = record, []) do
    with {:ok, status, {start, stop}, headers} <- range(request, signed.nar_size) do
      headers = [{"Content-Length", "#{stop - start}"}, {"Accept-Ranges", "bytes"} | headers]
      {:ok, nar(status, headers, Publication.stream(cache, record, {start, stop}), signed)}
    end
  end

  defp get_nar(cache, _, %{narinfo: %{narinfo: signed}} = record, [".zst"]),
    do: {:ok, nar(200, [], Publication.compressed(cache, record), signed)}

  defp nar(status, headers, pieces, signed) do
    headers = [{"Content-Type", "application/x-nix-nar"} | headers]
    %{status: status, headers: headers, body: counted(pieces, signed.store_path)}
  end

  defp record(cache, hash, nar_hash) do
    with {:ok, record} <- record(cache, hash),
         do:
           if(Nix.base32_encode(record.narinfo.narinfo.nar_hash) == nar_hash, do: {:ok, record}, else: gone())
  end

  defp gone, do: refuse(404, "the store path has a different NAR now")

  # One range (RFC 9110, §14): Nix goes on where a download broke off. What is not one is ignored.
  defp range(request, size) do
    asked = request |> Request.values("range") |> Enum.join(",")

    case Regex.run(~r/\Abytes=([0-9]{1,18})-([0-9]{0,18})\z/, asked) do
      nil ->
        {:ok, 200, {0, size}, []}

      [_, first, last] ->
        start = String.to_integer(first)
        stop = if last == "", do: size, else: min(String.to_integer(last) + 1, size)

        cond do
          start >= size ->
            refuse(416, "the NAR has #{size} bytes", [{"Content-Range", "bytes */#{size}"}])

          stop <= start ->
            {:ok, 200, {0, size}, []}

          true ->
            {:ok, 206, {start, stop}, [{"Content-Range", "bytes #{start}-#{stop - 1}/#{size}"}]}
        end
    end
  end

  defp counted(pieces, store_path) do
    Stream.transform(
      pieces,
      fn -> {System.monotonic_time(), 0, :stopped} end,
      fn piece, {begun, bytes, result} -> {[piece], {begun, bytes + byte_size(piece), result}} end,
      fn {begun, bytes, _} -> {[], {begun, bytes, :ok}} end,
      fn {begun, bytes, result} ->
        Telemetry.stop(:serve, begun, bytes, %{result: result, store_path: store_path})
      end
    )
  end
end
