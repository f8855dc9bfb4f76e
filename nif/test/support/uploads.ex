defmodule Chunker.Uploads do
  @moduledoc """
  What a client of the upload protocol sends, by `docs/protocol.md`.
  """

  @doc """
  Returns the requests that upload a file, `{method, target, body}` each, and its root.
  """
  def requests(data, options \\ [profile: :small]) do
    chunks = data |> Chunker.chunk!([payloads: true] ++ options) |> Enum.uniq_by(&elem(&1, 0))
    manifest = data |> Chunker.chunk!(options) |> Chunker.Manifest.new!(options)
    root = "#{manifest.hash}-#{Base.encode16(manifest.root_digest, case: :lower)}"
    digests = for {digest, _, _, _} <- chunks, do: digest

    packs =
      for part <- Enum.chunk_every(chunks, 500),
          do: {"POST", "/v1/packs/#{manifest.hash}", part |> Enum.map(&elem(&1, 3)) |> pack(manifest.hash)}

    ask =
      if digests == [],
        do: [],
        else: [{"POST", "/v1/chunks/#{manifest.hash}/missing", IO.iodata_to_binary(digests)}]

    commit = {"PUT", "/v1/manifests/#{root}", manifest.bytes}
    {ask ++ packs ++ [commit], root}
  end

  @doc """
  Returns a pack of these chunks, as they are.
  """
  def pack(chunks, hash) do
    rows =
      for chunk <- chunks,
          do: [Chunker.digest(chunk, hash), <<byte_size(chunk)::little-32>> |> List.duplicate(2)]

    IO.iodata_to_binary(["CPK1", <<length(chunks)::little-32>>, rows, chunks])
  end

  @doc """
  Returns the head of a request with this body, `nil` for none.
  """
  def head(method, target, body, headers \\ []) do
    length = if body, do: [{"content-length", "#{byte_size(body)}"}], else: []
    type = if method == "POST", do: [{"content-type", "application/octet-stream"}], else: []
    %{method: method, target: target, headers: length ++ type ++ headers}
  end

  @doc """
  Returns the load of an engine, once other threads have freed what requests held.
  """
  def settled(%Chunker.Upload{} = upload), do: upload |> Chunker.Upload.engine() |> settled()

  def settled(engine) do
    Chunker.Eventually.eventually(fn -> Chunker.Upload.Engine.load(engine) == %{memory: 0, waiting: 0} end)
    Chunker.Upload.Engine.load(engine)
  end
end
