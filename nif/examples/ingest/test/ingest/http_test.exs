defmodule Ingest.HttpTest do
  use ExUnit.Case, async: true

  import Ingest.Case, only: [connect: 1, exchange: 2, read_all: 1, outcome: 1]

  setup do
    name = :"http_#{System.unique_integer([:positive])}"
    options = [name: name, port: 0, head_bytes: 1024, handler: &echo/1]
    %{port: Ingest.Http.port(start_supervised!({Ingest.Http, options}))}
  end

  # Answers with the target and the body.
  defp echo(request) do
    {body, request} = read(request, [])
    body = request.target <> " " <> IO.iodata_to_binary(body)
    {%{status: 200, headers: [{"Content-Length", "#{byte_size(body)}"}], body: body}, request}
  end

  defp read(request, pieces) do
    case Ingest.Http.Request.read(request) do
      {:ok, piece, request} -> read(request, [pieces, piece])
      {:error, :closed, request} -> {pieces, request}
    end
  end

  test "a head of exactly the limit is read, of one byte more is not", %{port: port} do
    head = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: "
    fill = String.duplicate("x", 1024 - byte_size(head))
    assert outcome(exchange(port, head <> fill <> "\r\n\r\n")) == 200
    assert outcome(exchange(port, head <> fill <> "x\r\n\r\n")) == 431
    assert outcome(exchange(port, String.duplicate("x", 1100))) == 431
  end

  test "a head that a proxy could read in another way is refused", %{port: port} do
    host = "\r\nHost: x\r\n\r\n"

    for head <- [
          "GET  / HTTP/1.1" <> host,
          "GET /  HTTP/1.1" <> host,
          "GET\t/\tHTTP/1.1" <> host,
          "GET / HTTP/1.1 " <> host,
          "GET / HTTP/1.1x" <> host,
          "GET / HTTP/1.01" <> host,
          "GET / HTTP/2.0" <> host,
          "GET / a HTTP/1.1" <> host,
          "GET /\xff HTTP/1.1" <> host,
          "G\xffT / HTTP/1.1" <> host,
          "GET /" <> host,
          "GET / HTTP/1.1\r\n\r\n",
          "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
          "GET / HTTP/1.1\r\nHost : x\r\n\r\n",
          "GET / HTTP/1.1\r\nHost: x\r\n: x\r\n\r\n",
          "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
          "GET / HTTP/1.1\r\nHost: x\r\nA: b\nC: d\r\n\r\n",
          "GET / HTTP/1.1\r\nHost: x\r\nA: b\0\r\n\r\n",
          "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
          "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na",
          "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\na",
          "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\na"
        ] do
      assert outcome(exchange(port, head)) == 400, inspect(head)
    end
  end

  test "requests in one packet are answered in their order, however it is split", %{port: port} do
    posts = for n <- 1..3, do: "POST /#{n} HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nbody #{n}"
    last = "GET /4 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    bytes = IO.iodata_to_binary([posts, last])

    for size <- [1, 7, 100, byte_size(bytes)] do
      socket = connect(port)
      for <<piece::binary-size(size) <- bytes>>, do: :ok = :gen_tcp.send(socket, piece)
      :ok = :gen_tcp.send(socket, binary_part(bytes, byte_size(bytes), -rem(byte_size(bytes), size)))
      answers = read_all(socket)

      assert Regex.scan(~r/\r\n\r\n(\S+ (?:body \d)?)/, answers, capture: :all_but_first) == [
               ["/1 body 1"],
               ["/2 body 2"],
               ["/3 body 3"],
               ["/4 "]
             ]
    end
  end
end
