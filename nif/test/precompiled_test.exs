Code.require_file("../native/precompiled.exs", __DIR__)

defmodule Chunker.PrecompiledTest do
  use ExUnit.Case, async: true
  alias Chunker.Precompiled

  @library "a library"
  @target "x86_64-unknown-linux-gnu"

  setup do
    directory = Path.join(System.tmp_dir!(), "chunker-precompiled-#{System.unique_integer([:positive])}")
    served = Path.join(directory, "served")
    File.mkdir_p!(served)
    on_exit(fn -> File.rm_rf!(directory) end)
    File.write!(Path.join(served, "chunker_nif.so"), @library)
    %{directory: directory, served: served, url: "http://127.0.0.1:#{serve(served)}"}
  end

  # Returns the port of a server of the files in `directory`.
  defp serve(directory, options \\ []) do
    {:ok, _} = Application.ensure_all_started(:inets)
    root = String.to_charlist(directory)
    common = [port: 0, bind_address: {127, 0, 0, 1}, server_name: 'localhost', server_root: root]
    {:ok, server} = :inets.start(:httpd, common ++ [document_root: root] ++ options)
    on_exit(fn -> :inets.stop(:httpd, server) end)
    :httpd.info(server)[:port]
  end

  defp library(%{directory: directory, url: url}, options \\ []) do
    list = Path.join(directory, "libraries.exs")
    digest = :crypto.hash(:sha256, options[:content] || @library) |> Base.encode16(case: :lower)
    file = {options[:name] || "chunker_nif.so", digest}
    File.write!(list, inspect(%{url: options[:url] || url, libraries: %{@target => file}}))
    environment = Map.new(options[:environment] || [])

    Precompiled.library(
      list,
      Keyword.get(options, :target, @target),
      Path.join(directory, "cache"),
      environment
    )
  end

  defp cached(%{directory: directory}) do
    case File.ls(Path.join(directory, "cache")) do
      {:ok, names} -> names
      {:error, :enoent} -> []
    end
  end

  test "a library of the list is downloaded once", context do
    assert {:ok, path} = library(context)
    assert File.read!(path) == @library
    File.rm!(Path.join(context.served, "chunker_nif.so"))
    assert library(context) == {:ok, path}
    assert length(cached(context)) == 1
  end

  test "a damaged library in the cache is downloaded again", context do
    {:ok, path} = library(context)
    File.write!(path, "another library")
    assert library(context) == {:ok, path}
    assert File.read!(path) == @library
  end

  test "a library with another digest is never kept", context do
    assert {:error, reason} = library(context, content: "what was released")
    assert reason =~ "SHA-256"
    assert cached(context) == []
  end

  test "what cannot be downloaded is an error that says what", context do
    assert {:error, reason} = library(context, name: "missing.so")
    assert reason =~ "/missing.so answers with status 404"
    assert {:error, reason} = library(context, url: "http://127.0.0.1:1")
    assert reason =~ "econnrefused"
    assert cached(context) == []
  end

  # OTP 24 has no certificates to check servers by.
  if Code.ensure_loaded?(:public_key) and function_exported?(:public_key, :cacerts_get, 0) do
    @tag :capture_log
    test "a server that nobody vouches for is refused", context do
      {:ok, _} = Application.ensure_all_started(:ssl)
      certificate = [digest: :sha256, key: {:namedCurve, :secp256r1}]
      chain = %{root: certificate, intermediates: [], peer: certificate}
      %{server_config: server} = :public_key.pkix_test_data(%{server_chain: chain, client_chain: chain})
      {:ok, listener} = :ssl.listen(0, server ++ [ip: {127, 0, 0, 1}, log_level: :none])
      {:ok, {_, port}} = :ssl.sockname(listener)

      told =
        Task.async(fn ->
          {:ok, socket} = :ssl.transport_accept(listener)
          :ssl.handshake(socket)
        end)

      assert {:error, _} = library(context, url: "https://localhost:#{port}")
      assert {:error, {:tls_alert, {:unknown_ca, _}}} = Task.await(told)
      assert cached(context) == []
    end
  end

  # Answers one request as a proxy does; the task returns its first line and its credentials.
  defp proxy(answer) do
    {:ok, listener} = :gen_tcp.listen(0, [:binary, packet: :raw, active: false, ip: {127, 0, 0, 1}])
    {:ok, port} = :inet.port(listener)

    task =
      Task.async(fn ->
        {:ok, socket} = :gen_tcp.accept(listener, 5000)
        {:ok, head} = :gen_tcp.recv(socket, 0, 5000)
        :ok = :gen_tcp.send(socket, answer)
        :gen_tcp.close(socket)
        [first | rest] = String.split(head, "\r\n")
        {first, Enum.find(rest, &(String.downcase(&1) =~ "proxy-authorization"))}
      end)

    {task, "127.0.0.1:#{port}"}
  end

  @found "HTTP/1.1 200 OK\r\ncontent-length: #{byte_size(@library)}\r\nconnection: close\r\n\r\n#{@library}"

  test "a download goes through the proxy of its scheme, with its credentials", context do
    {asked, address} = proxy(@found)
    environment = %{"http_proxy" => "http://me:a%20word@#{address}"}
    assert {:ok, path} = library(context, url: "http://releases.invalid/v1", environment: environment)
    assert File.read!(path) == @library
    basic = Base.encode64("me:a word")
    assert {"GET http://releases.invalid/v1/chunker_nif.so" <> _, line} = Task.await(asked)
    assert line =~ basic

    File.rm!(path)
    {asked, address} = proxy("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n")
    environment = %{"HTTPS_PROXY" => address, "HTTP_PROXY" => "http://127.0.0.1:1"}
    assert {:error, reason} = library(context, url: "https://releases.invalid/v1", environment: environment)
    assert reason =~ "releases.invalid"
    assert {"CONNECT releases.invalid:443" <> _, nil} = Task.await(asked)
  end

  test "hosts in NO_PROXY are asked directly, and a proxy that is none is named", context do
    for hosts <- ["127.0.0.1", "example.org, 127.0.0.1", "*"] do
      environment = %{"HTTP_PROXY" => "http://127.0.0.1:1", "NO_PROXY" => hosts}
      assert {:ok, path} = library(context, environment: environment)
      File.rm!(path)
    end

    assert {:error, reason} = library(context, environment: %{"HTTP_PROXY" => "socks5://127.0.0.1:1"})
    assert reason =~ "HTTP_PROXY is not the address of an HTTP proxy"
  end

  test "a cross-compiler gets the library of its target, never that of the host" do
    host = "x86_64-unknown-linux-gnu"

    nerves = %{
      "MIX_TARGET" => "rpi4",
      "TARGET_ARCH" => "aarch64",
      "TARGET_OS" => "linux",
      "TARGET_ABI" => "gnu"
    }

    assert Precompiled.target_of(nerves, host) == "aarch64-unknown-linux-gnu"
    assert Precompiled.target_of(%{nerves | "TARGET_ABI" => "musl"}, host) == "aarch64-unknown-linux-musl"
    assert Precompiled.target_of(%{nerves | "TARGET_ARCH" => "arm", "TARGET_ABI" => "gnueabihf"}, host) == nil
    assert Precompiled.target_of(%{"MIX_TARGET" => "rpi4"}, host) == nil
    assert Enum.all?([nerves, %{"MIX_TARGET" => "rpi4"}], &Precompiled.cross?/1)

    for none <- [%{}, %{"MIX_TARGET" => "host"}, %{"MIX_TARGET" => ""}] do
      assert Precompiled.target_of(none, host) == host
      refute Precompiled.cross?(none)
    end
  end

  test "without a list, and for a target that it lacks, there is none", context do
    assert Precompiled.library(Path.join(context.directory, "libraries.exs"), @target) == :none
    assert library(context, target: "riscv64gc-unknown-linux-gnu") == :none
    assert library(context, target: nil) == :none
  end

  test "systems have the names that Rust gives them" do
    for {architecture, os, target} <- [
          {'x86_64-pc-linux-gnu', {:unix, :linux}, "x86_64-unknown-linux-gnu"},
          {'aarch64-unknown-linux-gnu', {:unix, :linux}, "aarch64-unknown-linux-gnu"},
          {'x86_64-alpine-linux-musl', {:unix, :linux}, "x86_64-unknown-linux-musl"},
          {'aarch64-alpine-linux-musl', {:unix, :linux}, "aarch64-unknown-linux-musl"},
          {'aarch64-apple-darwin23.1.0', {:unix, :darwin}, "aarch64-apple-darwin"},
          {'x86_64-apple-darwin21', {:unix, :darwin}, "x86_64-apple-darwin"},
          {'win32', {:win32, :nt}, "x86_64-pc-windows-gnu"},
          {'riscv64-unknown-linux-gnu', {:unix, :linux}, nil},
          {'amd64-unknown-freebsd14.0', {:unix, :freebsd}, nil}
        ] do
      assert Precompiled.target(architecture, os, 8) == target
    end
  end
end
