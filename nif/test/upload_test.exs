defmodule Chunker.UploadTest do
  use ExUnit.Case, async: true

  import Chunker.Eventually
  import Chunker.Uploads, only: [settled: 1]
  import ExUnit.CaptureLog
  alias Chunker.{Error, Store, Upload, Uploads}
  alias Chunker.Upload.{Answer, Engine, Request}

  @moduletag :tmp_dir

  setup %{tmp_dir: directory} do
    url = Path.join(directory, "store")
    %{url: url, store: Store.open!(url, cache: :none)}
  end

  defp noise(bytes), do: :crypto.strong_rand_bytes(bytes)

  # Answers a request whose body comes in pieces of `size` bytes.
  defp answer(upload, {method, target, body}, options \\ []) do
    head = Uploads.head(method, target, body, options[:headers] || [])
    size = options[:size] || 65_536

    read = fn
      "" -> {:error, :closed, ""}
      <<piece::binary-size(size), rest::binary>> -> {:ok, piece, rest}
      rest -> {:ok, rest, ""}
    end

    {answer, _} = Upload.answer(upload, head, body || "", read, options[:context])
    answer
  end

  defp get(upload, target, headers \\ []), do: answer(upload, {"GET", target, nil}, headers: headers)
  defp bytes(%Answer{body: body}) when is_binary(body), do: body
  defp bytes(%Answer{body: body}), do: Enum.join(body)
  defp header(answer, name), do: for({^name, value} <- answer.headers, do: value) |> List.first()

  defp upload!(upload, data, options \\ []) do
    {requests, root} = Uploads.requests(data)
    for request <- requests, do: assert(answer(upload, request, options).status in [200, 201])
    root
  end

  test "a file gets in and out, however its body is cut", %{store: store} do
    upload = Upload.new!(store: store)

    for {length, size} <- [{0, 1}, {1, 1}, {100_000, 1000}, {1_000_000, 999}, {3_000_000, 1_000_000}] do
      data = noise(length)
      root = upload!(upload, data, size: size)
      answer = get(upload, "/v1/files/#{root}")
      assert header(answer, "Content-Length") == "#{length}"
      assert bytes(answer) == data
      assert store |> Store.read(root) |> Enum.join() == data

      if length > 100 do
        part = get(upload, "/v1/files/#{root}", [{"Range", "bytes=10-99"}])
        assert {part.status, bytes(part)} == {206, binary_part(data, 10, 90)}
      end

      assert answer(upload, {"HEAD", "/v1/files/#{root}", nil}).body == ""
    end

    assert %{memory: 0, waiting: 0} = settled(upload)
  end

  test "a repeated upload asks, and nothing is missing", %{store: store} do
    upload = Upload.new!(store: store)
    data = noise(500_000)
    root = upload!(upload, data)
    {[ask | _], ^root} = Uploads.requests(data)
    assert upload |> answer(ask) |> bytes() =~ ~r/\A\0+\z/

    assert %{status: 200, committed: %{new: false}} =
             answer(upload, List.last(elem(Uploads.requests(data), 0)))
  end

  test "what is wrong is refused by its code, and leaves nothing", %{store: store} do
    upload = Upload.new!(store: store)
    chunk = noise(1000)
    <<_::binary-size(100), _, rest::binary>> = pack = Uploads.pack([chunk], :blake3)
    damaged = binary_part(pack, 0, 100) <> <<0>> <> rest
    manifest = List.last(elem(Uploads.requests(chunk), 0))

    for {status, code, request} <- [
          {404, "not_found", {"GET", "/v2", nil}},
          {405, "method_not_allowed", {"PATCH", "/v1", nil}},
          {400, "invalid_root", {"GET", "/v1/files/x", nil}},
          {400, "malformed_request", {"GET", "/v1/\xFF\xFE", nil}},
          {411, "length_required", {"POST", "/v1/packs/blake3", nil}},
          {400, "unknown_hash_algorithm", {"POST", "/v1/packs/md5", pack}},
          {400, "chunk_digest_mismatch", {"POST", "/v1/packs/blake3", damaged}},
          {400, "invalid_pack", {"POST", "/v1/packs/blake3", "CPK2" <> binary_part(pack, 4, 1000)}},
          {409, "chunks_missing", manifest}
        ] do
      answer = answer(upload, request)
      assert {answer.status, answer.code} == {status, code}
      assert bytes(answer) =~ ~s("code":"#{code}")
    end

    assert {:ok, %{packs: 0, files: 0}} = Store.usage(store)
    assert %{memory: 0} = settled(upload)
  end

  test "a sender that pauses is answered 408, one that goes away 400, and both leave nothing", %{store: store} do
    upload = Upload.new!(store: store)
    pack = Uploads.pack([noise(100_000)], :blake3)
    head = Uploads.head("POST", "/v1/packs/blake3", pack)

    for {reason, status} <- [timeout: 408, closed: 400] do
      read = fn
        0 -> {:ok, binary_part(pack, 0, 50_000), 1}
        1 -> {:error, reason, 2}
      end

      assert {%{status: ^status}, 2} = Upload.answer(upload, head, 0, read)
    end

    assert {:ok, %{packs: 0}} = Store.usage(store)
    assert %{memory: 0} = settled(upload)
  end

  test "what a request held is freed by no scheduler", %{store: store} do
    {:ok, engine} = Engine.new(memory: 1024 * 1024 * 1024)
    most = 64 * 1024 * 1024
    body = :binary.copy("x", most - 1)
    head = %{method: "PUT", target: "/v1/manifests/sha256-#{String.duplicate("0", 64)}"}

    # The quickest of some: a machine may be busy. Freeing these bytes takes milliseconds.
    times =
      for _ <- 1..5 do
        {:request, request} = Engine.begin(engine, Map.put(head, :headers, [{"content-length", "#{most}"}]))
        :more = Engine.start(request, store)
        :more = Engine.push(request, body)
        {microseconds, :ok} = :timer.tc(fn -> Engine.close(request) end)
        microseconds
      end

    assert Enum.min(times) < 1_000
    assert settled(engine).memory == 0
  end

  test "a quota is a number of bytes or none, and stops no deletion", %{store: store} do
    quota = fn %{context: left} -> left end
    upload = Upload.new!(store: store, quota: quota)
    root = upload!(upload, noise(1_000), context: :infinity)
    pack = {"POST", "/v1/packs/blake3", Uploads.pack([noise(10)], :blake3)}

    for {left, status} <- [{58, 200}, {57, 507}, {0, 507}, {-1, 507}, {58.0, 200}],
        do: assert(answer(upload, pack, context: left).status == status, inspect(left))

    for left <- [nil, false, :error, {:error, :no_database}, "58"],
        do: assert_raise(ArgumentError, ~r/quota/, fn -> answer(upload, pack, context: left) end)

    assert answer(upload, {"DELETE", "/v1/files/#{root}", nil}, context: -1).status == 204
  end

  test "hooks say who may ask, in which store, how much, and hear of files", %{store: store} do
    {:ok, tenant} = Store.open("memory://tenant-of-hooks")
    parent = self()

    authorize = fn %Request{} = request ->
      case request.context do
        nil -> {:refuse, :unauthorized}
        :banned -> {:refuse, :forbidden}
        :reader -> if request.writes, do: {:refuse, :read_only}, else: :ok
        :tenant -> {:ok, tenant}
        :odd -> {:refuse, {451, "not_here", "not in this country", [{"Link", "<https://example.org>"}]}}
        :owner -> :ok
      end
    end

    quota = fn request ->
      send(parent, {:quota, request.operation, request.body_length})
      if request.context == :tenant, do: :infinity, else: 200_000
    end

    on_commit = fn file, request -> send(parent, {:committed, file, request.context}) end

    upload =
      Upload.new!(
        store: store,
        authorize: authorize,
        quota: quota,
        on_commit: on_commit,
        origins: ["https://a.example"],
        credentials: true
      )

    data = noise(100_000)
    root = upload!(upload, data, context: :owner)
    assert_received {:committed, %{root: ^root, length: 100_000, new: true}, :owner}
    refute_received {:committed, _, _}
    assert_received {:quota, :write_pack, _}
    assert_received {:quota, :commit, _}
    refute_received {:quota, :ask_missing, _}

    read = {"GET", "/v1/files/#{root}", nil}
    pack = {"POST", "/v1/packs/blake3", Uploads.pack([noise(10)], :blake3)}
    large = {"POST", "/v1/packs/blake3", Uploads.pack([noise(300_000)], :blake3)}

    for {context, request, status} <- [
          {nil, read, 401},
          {:banned, read, 403},
          {:reader, pack, 403},
          {:owner, large, 507},
          {:odd, read, 451},
          {:tenant, read, 404}
        ],
        do: assert(answer(upload, request, context: context).status == status)

    assert upload |> answer(read, context: nil) |> header("WWW-Authenticate") == "Bearer"
    assert upload |> answer(read, context: :odd) |> header("Link") == "<https://example.org>"
    assert bytes(answer(upload, read, context: :reader)) == data
    assert upload!(upload, data, context: :tenant) == root
    assert tenant |> Store.read(root) |> Enum.join() == data

    # A preflight carries no credentials.
    origin = [{"Origin", "https://a.example"}, {"Access-Control-Request-Method", "POST"}]
    preflight = answer(upload, {"OPTIONS", "/v1/packs/blake3", nil}, headers: origin)
    assert preflight.status == 204
    assert header(preflight, "Access-Control-Allow-Origin") == "https://a.example"
    assert header(preflight, "Access-Control-Allow-Credentials") == "true"
  end

  test "a hook or a reader that raises leaves nothing", %{store: store} do
    upload =
      Upload.new!(
        store: store,
        authorize: fn request -> if request.context == 1, do: raise("hook"), else: :ok end
      )

    head = Uploads.head("POST", "/v1/packs/blake3", Uploads.pack([noise(1000)], :blake3))
    assert_raise RuntimeError, "hook", fn -> Upload.answer(upload, head, nil, & &1, 1) end
    assert catch_throw(Upload.answer(upload, head, nil, fn _ -> throw(:reader) end)) == :reader
    assert %{memory: 0, waiting: 0} = settled(upload)
  end

  test "an answer that turns out to be damaged is cut, and the cause is logged", %{store: store, url: url} do
    upload = Upload.new!(store: store)
    root = upload!(upload, noise(12_000_000))
    [pack | _] = url |> Path.join("packs/*") |> Path.wildcard() |> Enum.sort_by(&File.stat!(&1).size, :desc)
    bytes = File.read!(pack)
    at = byte_size(bytes) - 600_000
    <<head::binary-size(at), byte, rest::binary>> = bytes
    File.write!(pack, [head, Bitwise.bxor(byte, 1), rest])
    answer = get(upload, "/v1/files/#{root}")
    assert answer.status == 200
    assert_raise Error, fn -> Enum.to_list(answer.body) end
    assert %{memory: 0} = settled(upload)

    [manifest] = url |> Path.join("manifests/*") |> Path.wildcard()
    File.write!(manifest, "damaged")
    fresh = Upload.new!(store: Store.open!(url, cache: :none))

    log =
      capture_log(fn -> assert %{status: 500, code: "manifest_damaged"} = get(fresh, "/v1/files/#{root}") end)

    assert log =~ root
  end

  test "an exchange can end at any step, by its process too", %{store: store} do
    {:ok, engine} = Engine.new()
    data = noise(3_000_000)
    upload = Upload.new!(store: store)
    root = upload!(upload, data)
    {:ok, %{packs: packs}} = Store.usage(store)
    pack = Uploads.pack(for(_ <- 1..20, do: noise(50_000)), :blake3)
    half = binary_part(pack, 0, 500_000)

    steps = [
      fn -> begin(engine, Uploads.head("POST", "/v1/packs/blake3", pack)) end,
      fn ->
        engine |> begin(Uploads.head("POST", "/v1/packs/blake3", pack)) |> tap(&Engine.start(&1, store))
      end,
      fn ->
        request = begin(engine, Uploads.head("POST", "/v1/packs/blake3", pack))
        :more = Engine.start(request, store)
        :more = Engine.push(request, half)
        request
      end,
      fn ->
        request = begin(engine, Uploads.head("GET", "/v1/files/#{root}", nil))
        :enough = Engine.start(request, store)
        %{body: body} = Engine.finish(request)
        Enum.take(body, 1)
        request
      end
    ]

    for step <- steps do
      request = step.()
      :ok = Engine.close(request)
      :ok = Engine.close(request)
      assert_raise Error, ~r/chunker_closed/, fn -> Engine.start(request, store) end

      for ending <- [:normal, :kill] do
        {pid, monitor} =
          spawn_monitor(fn ->
            step.()
            if ending == :kill, do: Process.exit(self(), :kill)
          end)

        assert_receive {:DOWN, ^monitor, :process, ^pid, _}, 10_000
      end
    end

    assert settled(engine) == %{memory: 0, waiting: 0}
    assert {:ok, %{packs: ^packs}} = Store.usage(store)
    assert self() |> Process.info(:message_queue_len) |> elem(1) == 0
  end

  test "a step out of turn is an error, and the exchange goes on", %{store: store} do
    {:ok, engine} = Engine.new()
    pack = Uploads.pack([noise(1000)], :blake3)
    request = begin(engine, Uploads.head("POST", "/v1/packs/blake3", pack))
    assert_raise Error, ~r/invalid_argument/, fn -> Engine.push(request, pack) end
    assert :more = Engine.start(request, store)
    assert_raise Error, ~r/invalid_argument/, fn -> Engine.start(request, store) end
    assert :enough = Engine.push(request, pack)
    assert %{status: 200} = Engine.finish(request)
    assert_raise Error, ~r/chunker_closed/, fn -> Engine.finish(request) end
    request = begin(engine, Uploads.head("GET", "/v1", nil))
    assert %{status: 403} = Engine.refuse(request, :forbidden)
    assert_raise Error, ~r/chunker_closed/, fn -> Engine.refuse(request, :forbidden) end
  end

  test "memory is bounded: requests wait in line, and one too many is 503", %{store: store} do
    {:ok, engine} = Engine.new(memory: 8 * 1024 * 1024, pack_bytes: 4 * 1024 * 1024, line: 1)
    pack = Uploads.pack([noise(4_000_000)], :blake3)
    head = Uploads.head("POST", "/v1/packs/blake3", pack)
    first = begin(engine, head)
    :more = Engine.start(first, store)
    parent = self()

    spawn_link(fn ->
      request = begin(engine, head)
      send(parent, {:started, Engine.start(request, store)})
    end)

    assert eventually(fn -> Engine.load(engine).waiting == 1 end)
    assert {:answer, %{status: 503, code: "server_busy"}} = engine |> begin(head) |> Engine.start(store)
    Engine.close(first)
    assert_receive {:started, :more}
    assert %{memory: 0, waiting: 0} = settled(engine)
  end

  test "options that cannot work are refused by name, unknown ones raise" do
    for {options, name} <- [
          {[memory: 1], "memory"},
          {[origins: :any, credentials: true], "credentials"},
          {[prefix: "store"], "prefix"},
          {[pack_bytes: 1], "pack_bytes"}
        ] do
      assert {:error, %Error{code: :invalid_store_option, message: message}} = Engine.new(options)
      assert message =~ name
    end

    for {name, _} = option <- [memory: -1, origins: :all, origins: [1], credentials: 1, prefix: 1, line: "1"] do
      assert {:error, %Error{code: :invalid_argument, message: message}} = Engine.new([option])
      assert message =~ ~r/^#{name} is .* \(expected /
    end

    assert_raise ArgumentError, fn -> Engine.new(size: 1) end
    assert_raise ArgumentError, fn -> Upload.new(memory: 1) end
  end

  test "hooks that cannot work are refused by name, and the list of options has them", %{store: store} do
    for {name, value} = option <- [store: "/tmp/x", authorize: true, quota: 5, on_commit: &IO.puts/1] do
      options = Keyword.merge([store: store], [option])
      assert {:error, %Error{code: :invalid_argument, message: message}} = Upload.new(options)
      assert message =~ "#{name} is #{inspect(value)} (expected a "
    end

    error = assert_raise ArgumentError, fn -> Upload.new(store: store, authorise: &inspect/1) end
    for name <- [:store, :authorize, :quota, :on_commit, :memory], do: assert(error.message =~ inspect(name))
  end

  test "a prefix is part of every path", %{store: store} do
    upload = Upload.new!(store: store, prefix: "/a/b")
    assert %{status: 200} = get(upload, "/a/b/v1")
    assert %{status: 404} = get(upload, "/v1")
  end

  test "a shell refuses for its own reasons" do
    {:ok, engine} = Engine.new(origins: ["https://a.example"])
    head = Uploads.head("GET", "/anything", nil, [{"Origin", "https://a.example"}])

    for {refusal, status, code} <- [
          {:misdirected_request, 421, "misdirected_request"},
          {:request_timeout, 408, "request_timeout"},
          {:server_busy, 503, "server_busy"},
          {:unauthorized, 401, "unauthorized"},
          {{:unauthorized, "Basic realm=\"a\""}, 401, "unauthorized"},
          {{418, "teapot", "short and stout"}, 418, "teapot"}
        ] do
      assert %{status: ^status, code: ^code} = answer = Engine.refuse(engine, head, refusal)
      assert header(answer, "Access-Control-Allow-Origin") == "https://a.example"
    end

    for refusal <- [:other, {200, "ok", "fine"}, {400, "Not a code", "x"}, {400, "", ""}],
        do: assert_raise(ArgumentError, fn -> Engine.refuse(engine, head, refusal) end)
  end

  defp begin(engine, head) do
    {:request, request} = Engine.begin(engine, head)
    request
  end
end
