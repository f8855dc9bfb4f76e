defmodule Chunker.UploadPlugTest do
  use ExUnit.Case, async: true

  alias Chunker.{Error, Store, Upload, Uploads}
  alias Plug.Conn

  @moduletag :tmp_dir

  setup %{tmp_dir: directory} do
    url = Path.join(directory, "store")
    %{url: url, store: Store.open!(url, cache: :none)}
  end

  defp conn({method, target, body}, fields \\ []) do
    %{headers: headers} = Uploads.head(method, target, body)
    [path | query] = String.split(target, "?")

    struct!(
      %Conn{
        method: method,
        request_path: path,
        query_string: Enum.join(query),
        req_headers: headers,
        body: whole(body)
      },
      fields
    )
  end

  defp whole(nil), do: []
  defp whole(body), do: [ok: body]

  defp call(conn, upload, options \\ []),
    do: Upload.Plug.call(conn, Upload.Plug.init([upload: fn -> upload end] ++ options))

  defp body(conn), do: IO.iodata_to_binary(conn.resp_body)
  defp header(conn, name), do: conn.resp_headers |> List.keyfind(name, 0, {name, nil}) |> elem(1)

  defp upload!(upload, data) do
    {requests, root} = Uploads.requests(data)
    for request <- requests, do: assert(call(conn(request), upload).status in [200, 201])
    root
  end

  test "a file gets in and out", %{store: store} do
    upload = Upload.new!(store: store)
    data = :crypto.strong_rand_bytes(500_000)
    root = upload!(upload, data)
    answer = call(conn({"GET", "/v1/files/#{root}?type=text/plain", nil}), upload)
    assert {answer.status, answer.state, answer.halted} == {200, :chunked, true}
    assert body(answer) == data
    assert header(answer, "content-length") == "500000"
    assert header(answer, "content-type") == "text/plain; charset=utf-8"
    assert header(answer, "cache-control") == "private, max-age=31536000, immutable"
    assert header(call(conn({"GET", "/v1", nil}), upload), "cache-control") == "no-store"
    assert body(call(conn({"HEAD", "/v1/files/#{root}", nil}), upload)) == ""
  end

  test "a body comes in the pieces in which web servers give it", %{store: store} do
    upload = Upload.new!(store: store)
    pack = Uploads.pack([:crypto.strong_rand_bytes(1000)], :blake3)
    <<first::binary-size(100), second::binary-size(500), third::binary>> = pack
    request = {"POST", "/v1/packs/blake3", pack}

    for pieces <- [
          [more: first, more: second, ok: third],
          [more: first, more: second, more: third],
          [more: pack, ok: ""]
        ],
        do: assert(call(conn(request, body: pieces), upload).status == 200)

    for {pieces, status} <- [
          {[more: first, error: :timeout], 408},
          {[more: first, more: ""], 408},
          {[more: first, ok: ""], 400},
          {[more: first, error: :closed], 400}
        ] do
      answer = call(conn(request, body: pieces), upload)
      assert answer.status == status
      if status == 408, do: assert(header(answer, "connection") == "close")
    end
  end

  test "a body that somebody else has read is an error that says so", %{store: store} do
    upload = Upload.new!(store: store)
    pack = Uploads.pack(["chunk"], :blake3)
    request = conn({"POST", "/v1/packs/blake3", pack}, body: [])
    assert_raise RuntimeError, ~r/before Plug.Parsers/, fn -> call(request, upload) end
    assert Uploads.settled(upload) == %{memory: 0, waiting: 0}
  end

  test "hooks find the conn", %{store: store} do
    authorize = fn request -> if request.context.assigns[:user], do: :ok, else: {:refuse, :unauthorized} end
    upload = Upload.new!(store: store, authorize: authorize)
    request = {"GET", "/v1", nil}
    assert call(conn(request), upload).status == 401
    assert call(conn(request, assigns: %{user: 1}), upload).status == 200
  end

  test "a reader that goes away ends it, and damage cuts it", %{store: store, url: url} do
    upload = Upload.new!(store: store)
    root = upload!(upload, :crypto.strong_rand_bytes(12_000_000))
    request = {"GET", "/v1/files/#{root}", nil}
    assert %{state: :chunked} = call(conn(request, reader: 1), upload)

    [pack | _] = url |> Path.join("packs/*") |> Path.wildcard() |> Enum.sort_by(&File.stat!(&1).size, :desc)
    bytes = File.read!(pack)
    at = byte_size(bytes) - 600_000
    <<head::binary-size(at), byte, rest::binary>> = bytes
    File.write!(pack, [head, Bitwise.bxor(byte, 1), rest])
    assert_raise Error, fn -> call(conn(request), upload) end
  end

  test "options are checked when it is made" do
    for options <- [[], [upload: 1], [upload: fn -> nil end, size: 1]],
        do: assert_raise(ArgumentError, fn -> Upload.Plug.init(options) end)
  end
end
