defmodule Ingest.RequestTest do
  use Ingest.Case, async: true

  @moduletag server: [limits: [max_head_bytes: 1024]]

  @path "/v1/chunks/sha256/#{String.duplicate("0", 64)}"

  test "a head of exactly the limit is read, of one byte more is not", %{port: port} do
    head = "GET #{@path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: "
    fill = String.duplicate("x", 1024 - byte_size(head))
    assert {404, _} = outcome(exchange(port, head <> fill <> "\r\n\r\n"))
    assert {431, "headers_too_large"} = outcome(exchange(port, head <> fill <> "x\r\n\r\n"))
    assert {431, "headers_too_large"} = outcome(exchange(port, String.duplicate("x", 1100)))
  end

  test "a request line that a proxy could read in another way is refused", %{port: port} do
    for line <- [
          "GET  #{@path} HTTP/1.1",
          "GET #{@path}  HTTP/1.1",
          "GET\t#{@path}\tHTTP/1.1",
          "GET #{@path} HTTP/1.1 ",
          "GET #{@path} HTTP/1.1x",
          "GET #{@path} HTTP/1.01",
          "GET #{@path} HTTP/2.0",
          "GET #{@path} a HTTP/1.1",
          "GET #{@path}\xff HTTP/1.1",
          "G\xffT #{@path} HTTP/1.1",
          "GET #{@path}"
        ] do
      assert {400, "malformed_request"} = outcome(exchange(port, line <> "\r\nHost: x\r\n\r\n")), line
    end
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
