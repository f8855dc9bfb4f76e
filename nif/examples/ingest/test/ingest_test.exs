defmodule IngestTest do
  use Ingest.Case, async: true

  import ExUnit.CaptureLog
  alias Ingest.{Refusal, Response}

  @chunk :binary.copy("0123456789", 100)

  defp stored?(root, bytes), do: digest(bytes) in files(root)

  @tag server: []
  test "a stop lets requests finish and closes idle connections", %{root: root, server: server, port: port} do
    idle = connect(port)
    sending = connect(port)
    <<first::binary-size(500), rest::binary>> = @chunk
    :ok = :gen_tcp.send(sending, [put_chunk(@chunk, ""), first])
    wait_for_writer(root)
    stopping = Task.async(fn -> Supervisor.stop(server) end)
    assert read_all(idle) == ""
    assert {:error, :econnrefused} = :gen_tcp.connect({127, 0, 0, 1}, port, [])
    :ok = :gen_tcp.send(sending, rest)
    assert 201 = outcome(read_all(sending))
    assert Task.await(stopping) == :ok
    assert stored?(root, @chunk)
    assert File.ls!(Path.join(root, "tmp")) == []
  end

  @tag server: [limits: [shutdown_timeout: 100]]
  test "a stop does not wait for ever, and nothing half is stored", %{root: root, server: server, port: port} do
    sending = connect(port)
    :ok = :gen_tcp.send(sending, [put_chunk(@chunk, ""), "half"])
    wait_for_writer(root)
    assert Supervisor.stop(server) == :ok
    assert read_all(sending) == ""
    refute stored?(root, @chunk)
  end

  @tag server: [limits: [max_connections: 2]]
  test "a connection too many is answered 503, and one that ends makes room", %{port: port} do
    get = "GET /v1/x HTTP/1.1\r\nHost: x\r\n"
    [first, _second] = [connect(port), connect(port)]
    # Both are served now, not waiting to be accepted.
    :ok = :gen_tcp.send(first, get <> "\r\n")
    {:ok, _} = :gen_tcp.recv(first, 0, 1_000)
    answer = read_all(connect(port))
    assert {503, "server_busy"} = outcome(answer)
    assert answer =~ "Retry-After: 1\r\n"
    :gen_tcp.close(first)
    assert eventually(fn -> match?({404, _}, outcome(exchange(port, get <> "Connection: close\r\n\r\n"))) end)
  end

  @tag server: [limits: [keep_alive_timeout: 50, head_timeout: 100]]
  test "idle connections are closed, slow heads answered 408", %{port: port} do
    assert read_all(connect(port)) == ""
    assert {408, "request_timeout"} = outcome(exchange(port, "GET /v1/x"))
  end

  @tag server: []
  test "a store that fails is a 500, the next request is served", %{root: root, port: port} do
    File.rm_rf!(Path.join(root, "tmp"))
    File.write!(Path.join(root, "tmp"), "")

    log =
      capture_log(fn ->
        assert {500, "internal_error"} = outcome(exchange(port, [put_chunk(@chunk), @chunk]))
      end)

    assert log =~ "File.Error"
    File.rm!(Path.join(root, "tmp"))
    File.mkdir!(Path.join(root, "tmp"))
    assert 201 = outcome(exchange(port, [put_chunk(@chunk), @chunk]))
    assert stored?(root, @chunk)
  end

  @tag server: []
  test "a chunk that cannot be read is a 500, on its own and in its file", %{root: root, port: port} do
    file = store_file(port, @chunk, 1)
    chunk = Path.join([root, "chunks/sha256", binary_part(digest(@chunk), 0, 2), digest(@chunk)])
    File.rm!(chunk)
    File.mkdir!(chunk)

    for path <- ["chunks/sha256/#{digest(@chunk)}", "files/#{file}"] do
      assert {500, "internal_error"} = outcome(exchange(port, get(path)))
    end
  end

  @tag server: [limits: [max_served_bytes: 1000]]
  test "manifests of files that are read are bounded: 503, then served", %{port: port} do
    chunk = :binary.copy("0123456789abcdef", 16_384)
    file = store_file(port, chunk, 100)
    stalled = connect(port)
    :ok = :gen_tcp.send(stalled, get("files/#{file}"))
    {:ok, _} = :gen_tcp.recv(stalled, 1, 1_000)
    assert {503, "server_busy"} = outcome(exchange(port, get("files/#{file}")))
    assert 200 = outcome(exchange(port, ["HEAD", String.trim_leading(get("files/#{file}"), "GET")]))
    :gen_tcp.close(stalled)
    assert eventually(fn -> match?(200, outcome(exchange(port, get("files/#{file}")))) end)
  end

  test "a full disk is a 507" do
    for reason <- [:enospc, :edquot] do
      assert %{status: 507} = Refusal.from_exception(%File.Error{reason: reason, action: "write", path: "x"})
    end

    assert %{status: 500} = Refusal.from_exception(%File.Error{reason: :eio, action: "write", path: "x"})
  end

  @tag server: []
  test "bodies of 100 senders at once hold little memory", %{root: root, port: port} do
    chunk = :binary.copy("0123456789abcdef", 65_536 * 8)
    before = :erlang.memory(:binary)

    sockets =
      for _ <- 1..100 do
        socket = connect(port)
        :ok = :gen_tcp.send(socket, [put_chunk(chunk), binary_part(chunk, 0, 4 * 1024 * 1024)])
        socket
      end

    assert eventually(fn -> Enum.all?(temporary_sizes(root, 100), &(&1 > 3_500_000)) end)
    held = :erlang.memory(:binary) - before
    Enum.each(sockets, &:gen_tcp.close/1)
    assert eventually(fn -> File.ls!(Path.join(root, "tmp")) == [] end)
    # Of the 400 MB that have come: what a process drops before it collects garbage, six pieces.
    assert held < 100 * 600 * 1024, "#{held} bytes"
    refute stored?(root, chunk)
  end

  test "names of attachments cannot break out of their header" do
    for {name, expected} <- [
          {"", "attachment"},
          {"a.bin", ~s(attachment; filename="a.bin"; filename*=UTF-8''a.bin)},
          {"a\r\nB: c", ~s(attachment; filename="a__B: c"; filename*=UTF-8''a__B%3A%20c)},
          {"../é\"%", ~s(attachment; filename="..____"; filename*=UTF-8''.._%C3%A9%22%25)}
        ] do
      assert Response.disposition(name) == expected
    end
  end

  # Commits a file that repeats a chunk, and returns its name.
  defp store_file(port, chunk, times) do
    assert 201 = outcome(exchange(port, [put_chunk(chunk), chunk]))
    [{hash, 0, length}] = Chunker.chunk!(chunk)
    chunks = for index <- 0..(times - 1), do: {hash, index * length, length}
    manifest = Chunker.Manifest.new!(chunks)
    file = Ingest.Digest.to_hex(manifest.root_digest)
    head = "Host: x\r\nConnection: close\r\nContent-Length: #{byte_size(manifest.bytes)}\r\n\r\n"
    put = ["PUT /v1/manifests/#{file} HTTP/1.1\r\n", head, manifest.bytes]
    assert 201 = outcome(exchange(port, put))
    file
  end

  defp get(path), do: "GET /v1/#{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

  defp temporary_sizes(root, count) do
    sizes = for file <- Path.wildcard(Path.join(root, "tmp/*")), do: File.stat!(file).size
    if length(sizes) == count, do: sizes, else: [0]
  end

  defp wait_for_writer(root), do: assert(eventually(fn -> File.ls!(Path.join(root, "tmp")) != [] end))

  defp eventually(condition, attempts \\ 500) do
    condition.() || (attempts > 0 && Process.sleep(10) && eventually(condition, attempts - 1))
  end
end
