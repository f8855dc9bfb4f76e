defmodule IngestTest do
  use Ingest.Case, async: true

  import ExUnit.CaptureLog
  alias Chunker.Store

  defp noise(bytes), do: :crypto.strong_rand_bytes(bytes)

  defp usage(store) do
    {:ok, usage} = Store.usage(store)
    usage
  end

  @tag server: []
  test "a file gets in and out", %{port: port, store: store} do
    data = noise(200_000)
    root = upload(port, data)
    assert store |> Store.read(root) |> Enum.join() == data
    assert port |> exchange(request("GET", "/v1/files/#{root}")) |> body() == {data, true}
    range = request("GET", "/v1/files/#{root}", nil, ["Range: bytes=-5", "Connection: close"])
    answer = exchange(port, range)
    assert outcome(answer) == 206
    assert body(answer) == {binary_part(data, 200_000, -5), true}
    head = exchange(port, request("HEAD", "/v1/files/#{root}"))
    assert head =~ ~r/^Content-Length: 200000\r$/m
    assert String.ends_with?(head, "\r\n\r\n")
  end

  @tag server: []
  test "a stop lets requests finish and closes idle connections", %{store: store, server: server, port: port} do
    [idle, sending] = [connect(port), connect(port)]
    {_, request} = pack(noise(100_000), [])
    <<first::binary-size(50_000), rest::binary>> = IO.iodata_to_binary(request)
    :ok = :gen_tcp.send(sending, first)
    Process.sleep(200)
    stopping = Task.async(fn -> Supervisor.stop(server) end)
    assert read_all(idle) == ""
    assert {:error, :econnrefused} = :gen_tcp.connect({127, 0, 0, 1}, port, [])
    :ok = :gen_tcp.send(sending, rest)
    assert 200 = outcome(read_all(sending))
    assert Task.await(stopping) == :ok
    assert %{packs: 1} = usage(store)
  end

  @tag server: [shutdown: 100]
  test "a stop does not wait for ever, and nothing half is stored", context do
    sending = connect(context.port)
    {_, request} = pack(noise(100_000), [])
    :ok = :gen_tcp.send(sending, binary_part(IO.iodata_to_binary(request), 0, 50_000))
    Process.sleep(200)
    assert Supervisor.stop(context.server) == :ok
    assert read_all(sending) == ""
    assert %{packs: 0} = usage(context.store)
  end

  @tag server: [connections: 2]
  test "a connection too many is answered 503, and one that ends makes room", %{port: port} do
    [first, _second] = [connect(port), connect(port)]
    :ok = :gen_tcp.send(first, request("GET", "/v1", nil, []))
    {:ok, _} = :gen_tcp.recv(first, 0, 1_000)
    answer = read_all(connect(port))
    assert outcome(answer) == 503
    assert answer =~ "Retry-After: 1\r\n"
    :gen_tcp.close(first)
    assert eventually(fn -> outcome(exchange(port, request("GET", "/v1"))) == 200 end)
  end

  @tag server: [head_timeout: 100]
  test "idle connections are closed, slow heads answered 408", %{port: port} do
    assert read_all(connect(port)) == ""
    assert outcome(exchange(port, "GET /v1 HTTP/1.1\r\nHost")) == 408
  end

  @tag server: [head_timeout: 300]
  test "whoever sends empty lines for ever is given up", %{port: port} do
    socket = connect(port)

    sender =
      Task.async(fn ->
        1..2_000
        |> Enum.take_while(fn _ -> Process.sleep(5) == :ok and :gen_tcp.send(socket, "\r\n") == :ok end)
        |> length()
      end)

    assert outcome(read_all(socket)) == 408
    assert Task.await(sender, 30_000) < 2_000
  end

  @tag server: [patience: 400]
  test "a sender may be slow but not pause", %{port: port, store: store} do
    {_, request} = pack(noise(2_000), [])
    bytes = IO.iodata_to_binary(request)
    [slow, pausing] = [connect(port), connect(port)]
    :ok = :gen_tcp.send(pausing, binary_part(bytes, 0, 1_000))
    for <<piece::binary-size(200) <- bytes>>, do: :gen_tcp.send(slow, piece) == :ok and Process.sleep(150)
    :ok = :gen_tcp.send(slow, binary_part(bytes, byte_size(bytes), -rem(byte_size(bytes), 200)))
    {:ok, answer} = :gen_tcp.recv(slow, 0, 5_000)
    assert outcome(answer) == 200
    answer = read_all(pausing)
    assert {408, "request_timeout"} = outcome(answer)
    assert answer =~ "Connection: close\r\n"
    assert %{packs: 1} = usage(store)
  end

  @tag server: [patience: 400]
  test "a reader may be slow but not pause", %{port: port, store: store} do
    data = noise(16_000_000)
    {:ok, root} = Store.write(store, [data])
    small = [recbuf: 65_536, buffer: 65_536]
    [slow, pausing] = [connect(port, small), connect(port, small)]
    for socket <- [slow, pausing], do: :ok = :gen_tcp.send(socket, request("GET", "/v1/files/#{root}"))
    started = System.monotonic_time(:millisecond)
    assert {^data, true} = slow |> read_slowly("") |> body()
    assert System.monotonic_time(:millisecond) - started > 1_500
    refute pausing |> read_all() |> body() |> elem(1)
  end

  defp read_slowly(socket, answer) do
    Process.sleep(6)

    case :gen_tcp.recv(socket, 0, 5_000) do
      {:ok, bytes} -> read_slowly(socket, answer <> bytes)
      {:error, :closed} -> answer
    end
  end

  @tag server: []
  test "a client that goes away at any byte leaves nothing", %{port: port, store: store} do
    {_, request} = pack(noise(300), [])
    bytes = IO.iodata_to_binary(request)

    for length <- 1..(byte_size(bytes) - 1)//7 do
      socket = connect(port)
      :ok = :gen_tcp.send(socket, binary_part(bytes, 0, length))
      :gen_tcp.close(socket)
    end

    assert outcome(exchange(port, request("GET", "/v1"))) == 200
    assert %{packs: 0} = usage(store)
  end

  @tag server: []
  test "whoever sends a large body sees why it is refused", %{port: port} do
    {pack, _} = pack(noise(16_000_000))
    wrong = request("POST", "/v1/packs/blake3", "X" <> binary_part(pack, 1, byte_size(pack) - 1), [])
    answer = exchange(port, wrong)
    assert {400, "invalid_pack"} = outcome(answer)
    assert answer =~ "Connection: close\r\n"

    # A short one costs no connection.
    {pack, _} = pack(noise(1000))
    wrong = request("POST", "/v1/packs/blake3", "X" <> binary_part(pack, 1, byte_size(pack) - 1), [])
    socket = connect(port)

    for _ <- 1..3 do
      :ok = :gen_tcp.send(socket, wrong)
      {:ok, answer} = :gen_tcp.recv(socket, 0, 5_000)
      assert {400, "invalid_pack"} = outcome(answer)
    end
  end

  @tag server: []
  test "a body that will be refused is not asked for", %{port: port} do
    {pack, _} = pack(noise(1000))
    expect = ["Expect: 100-continue"]
    socket = connect(port)
    [line, headers, gap, _] = request("POST", "/v1/packs/md5", pack, expect)
    :ok = :gen_tcp.send(socket, [line, headers, gap])
    assert {400, "unknown_hash_algorithm"} = socket |> read_all() |> outcome()

    socket = connect(port)
    [line, headers, gap, body] = request("POST", "/v1/packs/blake3", pack, expect)
    :ok = :gen_tcp.send(socket, [line, headers, gap])
    assert {:ok, "HTTP/1.1 100 Continue\r\n\r\n"} = :gen_tcp.recv(socket, 0, 5_000)
    :ok = :gen_tcp.send(socket, body)
    assert {:ok, "HTTP/1.1 200" <> _} = :gen_tcp.recv(socket, 0, 5_000)
  end

  @tag server: []
  test "another site's name that points here is refused", %{port: port} do
    ask = fn host ->
      outcome(exchange(port, "GET /v1 HTTP/1.1\r\nHost: #{host}\r\nConnection: close\r\n\r\n"))
    end

    for host <- [
          "evil.example",
          "localhost.evil.example",
          "localhost:1:2",
          "10.0.0.1",
          "127.0.0.1.evil.example"
        ],
        do: assert({421, "misdirected_request"} = ask.(host))

    for host <- ["localhost", "LOCALHOST:#{port}", "a.localhost", "127.0.0.1:1", "[::1]", "[::1]:4000"],
        do: assert(ask.(host) == 200, host)
  end

  @tag server: [upload: [authorize: &__MODULE__.authorize/1]]
  test "hooks know the request, and then any name may be asked", %{port: port} do
    ask = fn headers ->
      outcome(exchange(port, ["GET /v1 HTTP/1.1\r\nHost: a.example\r\n", headers, "\r\n"]))
    end

    assert ask.("Connection: close\r\n") == {401, "unauthorized"}
    assert ask.("Connection: close\r\nAuthorization: Bearer secret\r\n") == 200
  end

  def authorize(request) do
    {127, 0, 0, 1} = elem(request.context.peer, 0)
    authorization = Chunker.Upload.Request.header(request, "authorization")
    if authorization == "Bearer secret", do: :ok, else: {:refuse, :unauthorized}
  end

  @tag server: [upload: [on_commit: &__MODULE__.broken/2]]
  test "a hook that raises is a 500, and the next request is served", %{port: port} do
    log = capture_log(fn -> assert upload(port, noise(1000)) == nil end)
    assert log =~ "the hook is broken"
    assert outcome(exchange(port, request("GET", "/v1"))) == 200
  end

  def broken(_, _), do: raise("the hook is broken")

  @tag server: []
  test "bodies of 100 senders at once hold little memory of the VM", %{store: store, port: port} do
    {_, request} = pack(noise(4_000_000), [])
    part = binary_part(IO.iodata_to_binary(request), 0, 3_000_000)
    :erlang.garbage_collect()
    before = :erlang.memory(:binary)

    sockets =
      for _ <- 1..100 do
        socket = connect(port, send_timeout: 2_000)
        socket
      end

    sending = Task.async_stream(sockets, &:gen_tcp.send(&1, part), max_concurrency: 100, timeout: 60_000)
    _ = Enum.to_list(sending)
    held = :erlang.memory(:binary) - before
    Enum.each(sockets, &:gen_tcp.close/1)
    # Each holds what a socket buffers, and what waits to be sent here.
    assert held < 100 * 4_000_000
    assert %{packs: 0} = usage(store)
  end

  @tag server: []
  test "two servers and a collector on one store lose nothing", %{root: root, store: store, port: port} do
    other = start_supervised!({Ingest, store: Store.open!(root, cache: :none), port: 0, name: :ingest_beside})
    collector = Store.open!(root, cache: :none)
    ends = System.monotonic_time(:millisecond) + 3_000

    collecting = Task.async(fn -> collector |> collect_until(ends, [0]) |> Enum.sum() end)

    uploading =
      for port <- [port, Ingest.port(other)],
          _ <- 1..2,
          do: Task.async(fn -> upload_until(port, ends, []) end)

    files = uploading |> Task.await_many(60_000) |> Enum.concat()
    assert Task.await(collecting, 60_000) > 0
    assert length(files) > 4
    assert {:ok, %{sound: true}} = Store.check(store, read_data: true)
    for {root, data} <- files, do: assert(store |> Store.read(root) |> Enum.join() == data)
  end

  # Every file that is collected was written and deleted here. Returns how many packs were deleted.
  defp collect_until(store, ends, deleted) do
    {:ok, root} = Store.write(store, [noise(10_000)])
    {:ok, true} = Store.delete(store, root)
    {:ok, %{deleted_packs: packs}} = Store.collect(store, min_age: 0, max_waste: 0)

    if System.monotonic_time(:millisecond) < ends,
      do: collect_until(store, ends, [packs | deleted]),
      else: [packs | deleted]
  end

  # A chunk that is collected before its file is committed is sent again.
  defp upload_until(port, ends, files) do
    data = noise(:rand.uniform(100_000))
    root = Enum.find_value(Stream.repeatedly(fn -> upload(port, data) end), & &1)
    files = [{root, data} | files]
    if System.monotonic_time(:millisecond) < ends, do: upload_until(port, ends, files), else: files
  end

  test "a server that is killed at any moment keeps what it has acknowledged", %{root: root, store: store} do
    acknowledged =
      for round <- 1..20, reduce: [] do
        acknowledged ->
          {port, server, os_pid} = start_server([root])
          parent = self()
          client = spawn_link(fn -> upload_until_killed(port, parent, []) end)
          Process.sleep(rem(round * 37, 400))
          {_, 0} = System.cmd("kill", ["-9", "#{os_pid}"])
          assert_receive {^server, {:exit_status, _}}, 5_000
          assert_receive {^client, files}, 20_000
          files ++ acknowledged
      end

    assert acknowledged != []
    assert {:ok, %{sound: true}} = Store.check(store, read_data: true)
    for {root, data} <- acknowledged, do: assert(store |> Store.read(root) |> Enum.join() == data)
  end

  @tag server: []
  test "a port that cannot be used is an error of one line", %{port: port, root: root} do
    serve = fn store, port ->
      arguments = ["run", "--no-compile", "serve.exs", store, "--port", "#{port}"]
      System.cmd("mix", arguments, env: [{"MIX_ENV", "test"}], stderr_to_stdout: true)
    end

    assert serve.(root, port) == {"cannot listen on port #{port}: address already in use\n", 1}
    assert serve.(root <> "-none", 99_999) == {"--port is 99999 (expected 0 to 65535)\n", 2}
    refute File.exists?(root <> "-none")
  end

  test "the server's own slowness never counts", %{root: root} do
    {port, _, os_pid} = start_server(["--patience", "500", root])
    {_, request} = pack(noise(500_000), [])
    <<first::binary-size(1_000), second::binary-size(100_000), third::binary>> = IO.iodata_to_binary(request)
    socket = connect(port)
    :ok = :gen_tcp.send(socket, first)
    Process.sleep(100)
    {_, 0} = System.cmd("kill", ["-STOP", "#{os_pid}"])
    :ok = :gen_tcp.send(socket, second)
    Process.sleep(1_500)
    {_, 0} = System.cmd("kill", ["-CONT", "#{os_pid}"])
    :ok = :gen_tcp.send(socket, third)
    assert {:ok, "HTTP/1.1 200" <> _} = :gen_tcp.recv(socket, 0, 10_000)
  end

  defp start_server(arguments) do
    script = Path.expand("support/server", __DIR__)
    server = Port.open({:spawn_executable, script}, [:binary, :exit_status, line: 1000, args: arguments])
    {:os_pid, os_pid} = Port.info(server, :os_pid)
    on_exit(fn -> System.cmd("kill", ["-9", "#{os_pid}"], stderr_to_stdout: true) end)
    assert_receive {^server, {:data, {:eol, "http://127.0.0.1:" <> port}}}, 20_000
    {String.to_integer(port), server, os_pid}
  end

  defp upload_until_killed(port, parent, files) do
    data = noise(:rand.uniform(400_000))

    case upload(port, data) do
      nil -> send(parent, {self(), files})
      root -> upload_until_killed(port, parent, [{root, data} | files])
    end
  end
end
