defmodule Ingest.HttpTest do
  use ExUnit.Case, async: true

  import Ingest.Case, only: [connect: 1, connect: 2, exchange: 2, read_all: 1, outcome: 1]

  setup do
    name = :"http_#{System.unique_integer([:positive])}"
    options = [name: name, port: 0, head_bytes: 1024, patience: 1_500, handler: &echo/1]
    %{port: Ingest.Http.port(start_supervised!({Ingest.Http, options}))}
  end

  # Answers with the target and the body, or with what the target says.
  defp echo(%{target: "/stream"} = request),
    do: {%{status: 200, headers: [], body: Stream.map(["some", "", noise(), "end"], & &1)}, request}

  # 20 MB at full speed, and what follows as over a network that carries 100 KB/s (SO_MAX_PACING_RATE).
  defp echo(%{target: "/slow"} = request) do
    pieces = Stream.repeatedly(fn -> noise() end)
    pace = fn -> :ok = pace(request.socket, 100_000) end

    body = [
      Stream.take(pieces, 100),
      Stream.map([""], fn piece -> pace.() && piece end),
      Stream.take(pieces, 50)
    ]

    send(:slow_http_test, {:socket, request.socket})
    {%{status: 200, headers: [], body: Stream.concat(body)}, request}
  end

  defp echo(%{target: "/cut"} = request) do
    body = Stream.map(["some", :cut], fn piece -> if piece == :cut, do: raise("cut"), else: piece end)
    {%{status: 200, headers: [], body: body}, request}
  end

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

  defp noise, do: String.duplicate("0123456789", 20_000)

  test "a stream whose length nobody knows is sent in chunks, and ends visibly", %{port: port} do
    twice =
      "GET /stream HTTP/1.1\r\nHost: x\r\n\r\nGET /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

    assert [_, first, second] = String.split(exchange(port, twice), "HTTP/1.1 200 ")
    for answer <- [first, second], do: assert(dechunk(answer) == "some" <> noise() <> "end")

    # Who does not know chunks sees the end of the connection.
    answer = exchange(port, "GET /stream HTTP/1.0\r\n\r\n")
    refute answer =~ "chunked"
    assert [_, body] = String.split(answer, "\r\n\r\n")
    assert body == "some" <> noise() <> "end"
  end

  @tag :capture_log
  test "a stream that raises never ends", %{port: port} do
    answer = exchange(port, "GET /cut HTTP/1.1\r\nHost: x\r\n\r\n")
    refute answer =~ "0\r\n\r\n"
    socket = connect(port, show_econnreset: true)
    :ok = :gen_tcp.send(socket, "GET /cut HTTP/1.0\r\n\r\n")
    assert closed(socket) == :econnreset
  end

  defp closed(socket) do
    case :gen_tcp.recv(socket, 0, 5_000) do
      {:ok, _} -> closed(socket)
      {:error, reason} -> reason
    end
  end

  defp dechunk(answer) do
    [head, body] = :binary.split(answer, "\r\n\r\n")
    assert head =~ "Transfer-Encoding: chunked"
    refute head =~ "Content-Length"
    chunks(body)
  end

  defp chunks(body) do
    [size, rest] = :binary.split(body, "\r\n")
    size = String.to_integer(size, 16)
    <<chunk::binary-size(size), "\r\n", rest::binary>> = rest
    if size == 0, do: rest, else: chunk <> chunks(rest)
  end

  defp pace(socket, rate), do: :inet.setopts(socket, [{:raw, 1, 47, <<rate::native-32>>}])

  if :os.type() == {:unix, :linux} do
    test "a network may be slower than a third of the kernel's buffer in the server's patience", %{port: port} do
      Process.register(self(), :slow_http_test)

      reader =
        Task.async(fn ->
          # Segments of a network (TCP_MAXSEG): at this speed, one of loopback's takes longer than the patience.
          reader = connect(port, [{:raw, 6, 2, <<1460::native-32>>}])
          :ok = :gen_tcp.send(reader, "GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
          read_all(reader)
        end)

      assert_receive {:socket, socket}
      # The kernel has some MB of it: it takes no more for longer than the server is patient.
      Process.sleep(6_000)
      assert Process.alive?(reader.pid)
      :ok = pace(socket, 0xFFFF_FFFF)
      assert reader |> Task.await(60_000) |> dechunk() |> byte_size() == 150 * 200_000
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
