defmodule BinaryCache.DocumentsTest do
  use BinaryCache.Case, async: true

  @hash "9krlzvny65gdc8s7kpb6lkx8cd02c25b"
  @listing "/#{@hash}.ls"
  @log "/log/#{@hash}-hello-1.0.drv"
  @no_address "this is not the address of a narinfo, NAR, listing, build log or realisation"
  @realisation "/realisations/sha256:#{String.duplicate("0a", 32)}!out.doi"

  @tag cache: []
  test "listings, logs and realisations come back as they were sent, also after a restart", context do
    %{port: port} = context
    large = :crypto.strong_rand_bytes(1_000_000)

    for address <- [@listing, @log, @realisation] do
      assert {404, _, _} = request(port, "GET", address)
      assert {404, _, _} = request(port, "HEAD", address)
      assert {201, _, "stored\n"} = request(port, "PUT", address, "first")
      assert {201, _, _} = request(port, "PUT", address, large, [{"Content-Encoding", "br"}])
    end

    %{port: port} = restart(context)
    text = "text/plain; charset=utf-8"

    for {address, type} <- [{@listing, "application/json"}, {@log, text}, {@realisation, "application/json"}] do
      assert {200, headers, ^large} = request(port, "GET", address)
      assert %{"content-type" => ^type, "content-encoding" => "br"} = headers
      assert {200, %{"content-length" => "1000000"}, ""} = request(port, "HEAD", address)
      assert {201, _, _} = request(port, "PUT", address, "last")
      assert {200, headers, "last"} = request(port, "GET", address)
      refute headers["content-encoding"]
      # The log of a silent build.
      assert {201, _, _} = request(port, "PUT", address, "")
      assert {200, _, ""} = request(port, "GET", address)
    end
  end

  @tag cache: []
  test "the log of any derivation that Nix can name stays, also over a restart", context do
    # Nix allows 211 characters after the hash.
    logs = for name <- [String.duplicate("x", 207) <> ".drv", "a.new"], do: "/log/#{@hash}-#{name}"
    for log <- logs, do: assert({201, _, _} = request(context.port, "PUT", log, log))
    %{port: port} = restart(context)
    for log <- logs, do: assert({200, _, ^log} = request(port, "GET", log))
  end

  @tag cache: []
  test "a damaged one never looks whole", %{port: port, root: root} do
    path = Path.join(root, "documents/logs/#{@hash}-hello-1.0.drv")
    assert {201, _, _} = request(port, "PUT", @log, String.duplicate("x", 300_000))
    bytes = File.read!(path)

    for {place, answer} <- [{0, 500}, {100, :cut}, {290_000, :cut}, {byte_size(bytes) - 1, :cut}] do
      <<head::binary-size(place), byte, rest::binary>> = bytes
      File.write!(path, [head, Bitwise.bxor(byte, 1), rest])
      got = request(port, "GET", @log)
      assert if(answer == :cut, do: got, else: elem(got, 0)) == answer
    end

    File.write!(path, binary_part(bytes, 0, 20))
    assert {500, _, _} = request(port, "GET", @log)
    assert {201, _, _} = request(port, "PUT", @log, "x")
    assert {200, _, "x"} = request(port, "GET", @log)
  end

  @tag cache: [limits: [max_document_bytes: 100], http: [port: 0, patience: 200]]
  test "what is too long, ends too early or is badly named is refused", %{port: port, root: root} do
    for {method, address, body, headers, answer} <- [
          {"PUT", @log, String.duplicate("x", 101), [], {413, "the body has more than 100 bytes"}},
          {"PUT", @log, "x", [{"Content-Encoding", String.duplicate("x", 21)}],
           {415, "the Content-Encoding is too long"}},
          {"POST", @log, "x", [], {405, "this address does not support POST"}},
          {"PUT", "/log/../paths/x", "x", [], {400, @no_address}},
          {"PUT", "/log/#{@hash}-", "x", [], {400, @no_address}},
          {"PUT", "/#{@hash}.ls.xz", "x", [], {400, @no_address}},
          {"PUT", "/realisations/sha256:00!out.doi", "x", [], {400, @no_address}},
          # Of `index-debug-info=true`: it would name NARs by addresses that they are not served from.
          {"PUT", "/debuginfo/#{String.duplicate("0", 40)}.debug", "{}", [], {400, @no_address}}
        ] do
      assert outcome(request(port, method, address, body, headers)) == answer
    end

    assert {400, "the body ended 40 bytes too early"} =
             outcome(
               exchange(port, [head("PUT", @log, [{"Content-Length", 50}]), "0123456789"], shutdown: true)
             )

    assert Path.wildcard(Path.join(root, "documents/*/*"), match_dot: true) == []
  end

  @tag cache: [limits: [expiry: 1_000]]
  test "a listing goes with its store path, or when that does not come", %{
    port: port,
    cache: cache,
    root: root
  } do
    path = Nar.store_path("listed")
    listing = "/#{BinaryCache.Record.hash_part(path)}.ls"
    for address <- [listing, @listing, @log], do: assert({201, _, _} = request(port, "PUT", address, "{}"))
    assert {201, 201} = push(port, Nar.file("listed"), path)
    assert eventually(fn -> match?({404, _, _}, request(port, "GET", @listing)) end)
    assert {200, _, "{}"} = request(port, "GET", listing)
    assert {200, _, "{}"} = request(port, "GET", @log)
    assert BinaryCache.delete(cache, path)
    assert {404, _, _} = request(port, "GET", listing)
    assert File.ls!(Path.join(root, "documents/listings")) == []
  end
end
