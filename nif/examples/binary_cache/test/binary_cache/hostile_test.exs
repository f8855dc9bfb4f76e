defmodule BinaryCache.HostileTest do
  use BinaryCache.Case, async: true

  alias Chunker.Nix

  @path "/nix/store/9krlzvny65gdc8s7kpb6lkx8cd02c25b-hello"
  @narinfo "/9krlzvny65gdc8s7kpb6lkx8cd02c25b.narinfo"
  @no_address "this is not the address of a narinfo, NAR, listing, build log or realisation"
  @too_large "the NAR has more than 100000000 bytes"
  @limits [max_nar_bytes: 100_000_000, max_narinfo_bytes: 10_000]

  setup %{root: root},
    do: start_cache(root: Path.join(root, "cache"), limits: @limits, http: [port: 0, patience: 200])

  defp nar_address(sent, ending \\ ""), do: "/nar/#{Nix.base32_encode(Chunker.digest(sent))}.nar#{ending}"
  defp put_nar(sent, ending \\ ""), do: {"PUT", nar_address(sent, ending), sent}

  defp put_info(nar, fields) do
    {signed, fields} = Keyword.split(fields, [:store_path, :nar_hash, :nar_size, :references])
    {_, narinfo} = Nar.to_send(nar, @path)

    {:ok, text} =
      Nix.NarInfoFile.to_text(struct!(%{narinfo | narinfo: struct!(narinfo.narinfo, signed)}, fields))

    {"PUT", @narinfo, text}
  end

  # A NAR of 10 GB, in frames that follow one another.
  defp bomb(compress) do
    frame = compress.(:binary.copy(<<0>>, 100_000_000))
    compress.(binary_part(Nar.file(""), 0, 24)) <> String.duplicate(frame, 100)
  end

  defp cases do
    nar = Nar.file("the content")
    other = Nar.file("other content")
    gzip = :zlib.gzip(nar)
    xz = Chunker.compress!(nar, codec: :xz)

    [
      # Addresses.
      {{"GET", "/../../etc/passwd", nil}, {404, "there is nothing at this address"}},
      {{"GET", "/nar/..%2f..%2fetc%2fpasswd", nil}, {404, "there is nothing at this address"}},
      {{"PUT", "/nar/../paths/x", nar}, {400, @no_address}},
      {{"PUT", "/nar/" <> String.duplicate("0", 51) <> ".nar", nar}, {400, @no_address}},
      {{"PUT", "/9KRLZVNY65GDC8S7KPB6LKX8CD02C25B.narinfo", nar}, {400, @no_address}},
      {{"POST", @narinfo, "x"}, {405, "this address does not support POST"}},
      {{"DELETE", @narinfo, nil}, {405, "this address does not support DELETE"}},
      {{"PUT", "/nix-cache-info", "StoreDir: /x"}, {405, "this address does not support PUT"}},
      {{"GET", @narinfo, nil}, {404, "there is no such store path"}},
      {{"GET", nar_address(nar), nil}, {404, "no NAR was sent to this address"}},
      # NARs.
      {{"PUT", nar_address(other), nar},
       {422, "the body has the hash #{Nix.base32_encode(Chunker.digest(nar))}, not the one in its name"}},
      {put_nar(""), {400, "the body is empty"}},
      {put_nar("not a NAR, but long enough"),
       {415, "the body is not a NAR, nor one compressed by xz, zstd, bzip2, gzip or LZ4"}},
      {put_nar("short"), {415, "the body is not a NAR, nor one compressed by xz, zstd, bzip2, gzip or LZ4"}},
      {put_nar(Chunker.compress!("not a NAR"), ".zst"),
       {415, "the body is not a NAR, nor one compressed by xz, zstd, bzip2, gzip or LZ4"}},
      {put_nar(Chunker.compress!("")),
       {415, "the body is not a NAR, nor one compressed by xz, zstd, bzip2, gzip or LZ4"}},
      {put_nar(:zlib.gzip("")),
       {415, "the body is not a NAR, nor one compressed by xz, zstd, bzip2, gzip or LZ4"}},
      {put_nar(binary_part(xz, 0, byte_size(xz) - 1), ".xz"), {400, "the xz data is truncated"}},
      {put_nar(binary_part(gzip, 0, byte_size(gzip) - 1)), {400, "the gzip data is truncated"}},
      {put_nar(gzip <> "more"), {400, "the gzip data is damaged"}},
      {put_nar(xz <> "more", ".xz"), {400, "the xz data is truncated"}},
      {put_nar(binary_part(xz, 0, 40) <> <<255>> <> binary_part(xz, 41, byte_size(xz) - 41), ".xz"),
       {400, "the xz data is damaged"}},
      # Narinfos.
      {{"PUT", @narinfo, "StorePath: /nix/store"}, {400, "the body is not a narinfo"}},
      {{"PUT", @narinfo, <<255, 0, 1>>}, {400, "the body is not a narinfo"}},
      {{"PUT", @narinfo, ""}, {400, "the body is empty"}},
      {{"PUT", @narinfo, String.duplicate("x", 10_001)}, {413, "the body has more than 10000 bytes"}},
      {put_info(nar, []), {409, "there is no NAR for this narinfo: send that first"}},
      {put_info(nar, store_path: Nar.store_path("another")),
       {422, "StorePath is #{Nar.store_path("another")}, not the path of this address"}},
      {put_info(nar, store_path: "/other" <> @path), {422, "/other#{@path} is not in /nix/store"}},
      {put_info(nar, url: "../../etc/passwd"), {422, "URL is not of the form nar/<hash>.nar"}},
      {put_info(nar, url: "http://example.org/nar/x.nar"), {422, "URL is not of the form nar/<hash>.nar"}},
      {put_info(nar, file_hash: Chunker.digest("x")), {422, "FileHash is not the hash in URL"}}
    ]
  end

  test "every request has a clear answer, and leaves nothing", %{port: port, cache: cache, root: root} do
    for {{method, path, body}, answer} <- cases() do
      assert {{method, path, outcome(request(port, method, path, body))}, []} == {{method, path, answer}, []}
      assert {[], [], 0} = stored(cache, root)
    end
  end

  test "a narinfo that does not fit its NAR makes nothing available", %{port: port, cache: cache, root: root} do
    nar = Nar.file("the content")
    {"PUT", address, sent} = put_nar(nar)
    assert {201, _, _} = request(port, "PUT", address, sent)
    hash = Nix.base32_encode(Chunker.digest(nar))

    for {fields, text} <- [
          {[nar_hash: Chunker.digest("x")], "the NAR has the hash #{hash}, not the one in NarHash"},
          {[nar_size: byte_size(nar) + 1],
           "the NAR has #{byte_size(nar)} bytes, NarSize is #{byte_size(nar) + 1}"},
          {[file_size: 1], "FileSize is 1, but the NAR was sent in #{byte_size(nar)} bytes"},
          {[compression: "xz"], "Compression is xz, but the NAR was sent with none"}
        ] do
      {method, path, body} = put_info(nar, fields)
      assert {fields, outcome(request(port, method, path, body))} == {fields, {422, text}}
      assert {[], [_], 0} = stored(cache, root)
    end

    {method, path, body} = put_info(nar, [])
    assert {201, "created"} = outcome(request(port, method, path, body))
  end

  test "10 GB that come as a few KB or MB are refused early", %{port: port, cache: cache, root: root} do
    codecs = for codec <- [:zstd, :bzip2, :xz], do: &Chunker.compress!(&1, codec: codec)

    for compress <- [(&:zlib.gzip/1) | codecs] do
      {method, path, body} = put_nar(bomb(compress))
      assert {413, text} = outcome(request(port, method, path, body))
      assert text in [@too_large, "the NAR is more than 1000 times larger than what was sent"]
      assert {[], [], 0} = stored(cache, root)
    end
  end

  test "a body that ends too early, stalls or has no length is refused", %{
    port: port,
    cache: cache,
    root: root
  } do
    nar = Nar.file("the content")
    length = {"Content-Length", byte_size(nar)}
    half = binary_part(nar, 0, 50)
    put = head("PUT", nar_address(nar), [length])

    assert outcome(exchange(port, [put, half], shutdown: true)) ==
             {400, "the body ended #{byte_size(nar) - 50} bytes too early"}

    assert outcome(exchange(port, [put, half])) == {408, "nothing of the body came for too long"}

    assert outcome(
             exchange(port, [head("PUT", nar_address(nar), [{"Transfer-Encoding", "chunked"}]), "0\r\n\r\n"])
           ) ==
             {411, "the request needs a Content-Length"}

    assert outcome(exchange(port, head("PUT", nar_address(nar), [{"Connection", "close"}]))) ==
             {411, "the request needs a Content-Length"}

    # Nothing of it is sent.
    assert outcome(
             exchange(
               port,
               head("PUT", nar_address(nar), [{"Content-Length", 100_000_001}, {"Expect", "100-continue"}])
             )
           ) ==
             {413, "the body has more than 100000000 bytes"}

    for two <- [[length, {"Content-Length", 1}], [length, {"Transfer-Encoding", "chunked"}]],
        do: assert({400, _} = outcome(exchange(port, head("PUT", nar_address(nar), two))))

    assert {[], [], 0} = stored(cache, root)
  end

  test "what is not HTTP is refused", %{port: port} do
    assert {400, _} = outcome(exchange(port, "nonsense\r\n\r\n"))
    assert {400, _} = outcome(exchange(port, "GET /nix-cache-info HTTP/1.1\r\n\r\n"))

    assert {404, _} = outcome(exchange(port, "GET http://x/nix-cache-info HTTP/1.1\r\nHost: x\r\n\r\n"))

    assert {431, _} =
             outcome(exchange(port, ["GET / HTTP/1.1\r\nHost: x\r\nX: ", String.duplicate("x", 20_000)]))
  end
end
