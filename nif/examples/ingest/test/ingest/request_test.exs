defmodule Ingest.RequestTest do
  use Ingest.Case, async: true

  @moduletag server: [limits: [max_head_bytes: 1024]]

  @malformed {400, "malformed_request"}
  @path "/v1/chunks/sha256/#{String.duplicate("0", 64)}"

  test "what two parsers could understand in two ways is refused", %{port: port} do
    get = "GET #{@path} HTTP/1.1\r\n"

    for {head, what} <- [
          {get <> "Host: x\r\nA: b\r\n c\r\n\r\n", "folded line"},
          {get <> "Host: x\r\nA: b\nc: d\r\n\r\n", "line that ends in LF"},
          {get <> "Host: x\r\nA: b\rc: d\r\n\r\n", "line that ends in CR"},
          {get <> "Host: x\r\nA: b\0c\r\n\r\n", "NUL in a value"},
          {"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n", "NUL in the path"},
          {get <> "Host: x\r\nA : b\r\n\r\n", "space before the colon"},
          {get <> "Host: x\r\n: b\r\n\r\n", "header without a name"},
          {get <> "Host: x\r\nA b\r\n\r\n", "header without a colon"},
          {get <> "Host: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "length twice"},
          {get <> "Host: x\r\nContent-Length: 5, 5\r\n\r\nhello", "list of lengths"},
          {get <> "Host: x\r\nContent-Length: +5\r\n\r\nhello", "length with a sign"},
          {get <> "Host: x\r\nContent-Length:\r\n\r\n", "length without digits"},
          {get <> "Host: x\r\nContent-Length: 0x5\r\n\r\nhello", "hexadecimal length"},
          {get <> "Host: x\r\nContent-Length: #{String.duplicate("9", 100)}\r\n\r\n", "length of 100 digits"},
          {get <> "Host: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", "length and chunked"},
          {get <> "\r\n", "no host"},
          {get <> "Host: x\r\nHost: y\r\n\r\n", "two hosts"},
          {"GET #{@path} HTTP/2.0\r\nHost: x\r\n\r\n", "another version"},
          {"GET #{@path}\r\n\r\n", "no version"},
          {"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", "space in the path"},
          {"G(T #{@path} HTTP/1.1\r\nHost: x\r\n\r\n", "method that is no token"},
          {" #{get}Host: x\r\n\r\n", "space before the method"}
        ] do
      assert {what, outcome(exchange(port, head))} == {what, @malformed}
    end
  end

  test "an empty line before a request, HTTP/1.0 and any case of names are understood", %{port: port} do
    assert {404, "chunk_not_found"} = outcome(exchange(port, "\r\n\r\nGET #{@path} HTTP/1.0\r\n\r\n"))

    assert {404, "chunk_not_found"} =
             outcome(exchange(port, "GET #{@path} HTTP/1.1\r\nhOST: x\r\ncONNECTION:  a, Close \r\n\r\n"))
  end

  test "the forms of a target for proxies have nothing behind them", %{port: port} do
    for target <- ["http://x#{@path}", "x:443", "*"] do
      request = "GET #{target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
      assert {404, "not_found"} = outcome(exchange(port, request))
    end
  end

  test "a head of exactly the limit is read, of one byte more is not", %{port: port} do
    head = "GET #{@path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: "
    fill = String.duplicate("x", 1024 - byte_size(head))
    assert {404, _} = outcome(exchange(port, head <> fill <> "\r\n\r\n"))
    assert {431, "headers_too_large"} = outcome(exchange(port, head <> fill <> "x\r\n\r\n"))
    assert {431, "headers_too_large"} = outcome(exchange(port, String.duplicate("x", 1100)))
  end

  test "requests in one packet are answered in their order, however it is split", %{port: port} do
    chunks = for index <- 1..3, do: "chunk #{index}"
    bytes = for chunk <- chunks, do: [put_chunk(chunk, ""), chunk]
    last = "GET /v1/nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    bytes = IO.iodata_to_binary([bytes, last])
    expected = Enum.map(chunks, &digest/1) ++ ["not_found"]

    for size <- [1, 7, 100, byte_size(bytes)] do
      socket = connect(port)
      :ok = :inet.setopts(socket, nodelay: true)
      for <<piece::binary-size(size) <- bytes>>, do: :ok = :gen_tcp.send(socket, piece)
      :ok = :gen_tcp.send(socket, binary_part(bytes, byte_size(bytes), -rem(byte_size(bytes), size)))
      answer = read_all(socket)

      assert Regex.scan(~r/"(?:digest|code)":"(\w+)"/, answer, capture: :all_but_first) ==
               Enum.map(expected, &[&1])
    end
  end

  test "fields of a query are decoded as forms are, and bytes that are no text replaced" do
    request = %Ingest.Request{
      socket: nil,
      limits: nil,
      method: "GET",
      path: "/",
      query: "name=a%20b+c&other=1&name=%zz%&na%6De=%ff%C3%A9&name&=",
      headers: %{},
      length: nil,
      keep_alive: true,
      waiting: false
    }

    assert Ingest.Request.fields(request, "name") == ["a b c", "%zz%", "\uFFFDé", ""]
    assert Ingest.Request.fields(request, "none") == []
  end
end
