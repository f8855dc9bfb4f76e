# Pushes and pulls a NAR of many MB, and says how much memory the VM took at most:
#
#   mix run large.exs 2048        through a socket, with clients in the same VM
#   mix run large.exs 2048 zstd   the same, compressed on the way in
#   mix run large.exs 2048 nix    by real nix, with the cache in a VM of its own
#
# Linux only: /proc has the figure.

Code.require_file("demo/real_nix.ex", __DIR__)

defmodule Large do
  @mib 1024 * 1024

  def run(mib, compression) do
    folder = Path.join(System.tmp_dir!(), "binary-cache-large-#{System.pid()}")
    {:ok, _} = BinaryCache.start_link(root: folder, http: [port: 0])
    {:ok, socket} = :gen_tcp.connect({127, 0, 0, 1}, BinaryCache.port(), [:binary, active: false])
    path = "/nix/store/9krlzvny65gdc8s7kpb6lkx8cd02c25b-large"
    start = peak()
    IO.puts("VM before: #{start} MiB")

    try do
      nar = nar(path, mib)
      {digest, size} = summary(nar)
      sent = if compression == "none", do: nar, else: Chunker.compress_stream(nar, codec: :zstd, level: 1)
      {file_hash, file_size} = summary(sent)
      url = "nar/#{Chunker.Nix.base32_encode(file_hash)}.nar"

      timed("push", size, fn ->
        :ok = :gen_tcp.send(socket, head("PUT", "/" <> url, file_size))
        Enum.each(sent, &(:ok = :gen_tcp.send(socket, &1)))
        {201, _} = answer(socket)

        narinfo = """
        StorePath: #{path}
        URL: #{url}
        Compression: #{compression}
        NarHash: sha256:#{Chunker.Nix.base32_encode(digest)}
        NarSize: #{size}
        References: #{Path.basename(path)}
        """

        :ok = :gen_tcp.send(socket, [head("PUT", "/#{hash(path)}.narinfo", byte_size(narinfo)), narinfo])
        {201, _} = answer(socket)
      end)

      timed("pull", size, fn ->
        hash = Chunker.Nix.base32_encode(digest)
        :ok = :gen_tcp.send(socket, head("GET", "/nar/#{hash(path)}-#{hash}.nar", 0))
        {200, ^digest} = answer(socket)
      end)
    after
      File.rm_rf!(folder)
    end
  end

  def by_nix(mib) do
    folder = Path.join(System.tmp_dir!(), "binary-cache-large-#{System.pid()}")
    nix = RealNix.new(Path.join(folder, "nix"))
    {key, public_key} = RealNix.key(nix, "large-1")
    file = Path.join(folder, "large")

    File.open!(file, [:write, :raw], fn file ->
      for i <- 1..mib, do: :ok = IO.binwrite(file, noise(i, @mib))
    end)

    path = RealNix.add(nix, file)
    File.rm!(file)
    {address, pid} = serve(folder, nix, key)

    try do
      IO.puts("VM before: #{peak(pid)} MiB")
      size = mib * @mib

      timed(
        "nix copy --to",
        size,
        fn -> {_, 0} = RealNix.push(nix, address <> "?compression=none", [path]) end,
        pid
      )

      timed(
        "nix copy --from",
        size,
        fn -> {_, 0} = RealNix.pull(nix, address, "pulled", public_key, [path]) end,
        pid
      )

      true = RealNix.same?(nix, "pulled", path)
      IO.puts("the same byte for byte")
    after
      {_, 0} = System.cmd("kill", [pid])
      # Nix makes what it stores read-only.
      _ = System.cmd("chmod", ["-R", "u+w", folder])
      File.rm_rf!(folder)
    end
  end

  # The cache as its script starts it: its address, and the id of its process.
  defp serve(folder, nix, key) do
    arguments =
      ~w(run cache.exs #{Path.join(folder, "cache")} --port 0 --key #{key} --store-dir #{RealNix.store_dir(nix)})

    server =
      Port.open({:spawn_executable, System.find_executable("mix")}, [:binary, args: arguments, line: 1000])

    {:os_pid, pid} = Port.info(server, :os_pid)

    receive do
      {^server, {:data, {:eol, "http://" <> _ = line}}} -> {line |> String.split() |> hd(), "#{pid}"}
    after
      60_000 -> raise "the cache does not start"
    end
  end

  # Noise, so that nothing of it is stored twice, with references in it.
  defp nar(path, mib) do
    length = mib * @mib
    head = for word <- ["nix-archive-1", "(", "type", "regular", "contents"], do: text(word)

    pieces =
      Stream.map(1..mib, fn i ->
        [noise(i, @mib - 64), path, <<0::size(64 - byte_size(path))-unit(8)>>]
      end)

    [[head, <<length::little-64>>]]
    |> Stream.concat(pieces)
    |> Stream.concat([text(")")])
    |> Stream.map(&IO.iodata_to_binary/1)
  end

  defp noise(seed, length),
    do: :crypto.crypto_one_time(:aes_128_ctr, <<seed::128>>, <<0::128>>, <<0::size(length)-unit(8)>>, true)

  defp text(text) do
    padding = rem(8 - rem(byte_size(text), 8), 8)
    <<byte_size(text)::little-64, text::binary, 0::size(padding)-unit(8)>>
  end

  defp summary(pieces) do
    hasher = Chunker.Hasher.new()

    size =
      Enum.reduce(pieces, 0, fn piece, size ->
        :ok = Chunker.Hasher.update(hasher, piece)
        size + byte_size(piece)
      end)

    {Chunker.Hasher.finalize(hasher), size}
  end

  defp hash(path), do: path |> Path.basename() |> binary_part(0, 32)

  defp head(method, target, length),
    do: "#{method} #{target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: #{length}\r\n\r\n"

  # Returns the status, and the digest of the body.
  defp answer(socket), do: answer_head(socket, "")

  defp answer_head(socket, buffer) do
    case :binary.split(buffer, "\r\n\r\n") do
      ["HTTP/1.1 " <> <<status::binary-size(3)>> <> _ = head, rest] ->
        [_, length] = Regex.run(~r/Content-Length: ([0-9]+)/, head)
        {String.to_integer(status), digest(socket, rest, String.to_integer(length), Chunker.Hasher.new())}

      _ ->
        {:ok, bytes} = :gen_tcp.recv(socket, 0, 600_000)
        answer_head(socket, buffer <> bytes)
    end
  end

  defp digest(socket, bytes, left, hasher) do
    :ok = Chunker.Hasher.update(hasher, bytes)

    case left - byte_size(bytes) do
      0 ->
        Chunker.Hasher.finalize(hasher)

      left ->
        {:ok, bytes} = :gen_tcp.recv(socket, 0, 600_000)
        digest(socket, bytes, left, hasher)
    end
  end

  defp timed(name, size, work, pid \\ "self") do
    {microseconds, _} = :timer.tc(work)
    IO.puts("#{name}: #{round(size / @mib / (microseconds / 1_000_000))} MiB/s, VM at most: #{peak(pid)} MiB")
  end

  defp peak(pid \\ "self") do
    [_, kib] = Regex.run(~r/VmHWM:\s+([0-9]+) kB/, File.read!("/proc/#{pid}/status"))
    div(String.to_integer(kib), 1024)
  end
end

case System.argv() do
  [mib] -> Large.run(String.to_integer(mib), "none")
  [mib, "zstd"] -> Large.run(String.to_integer(mib), "zstd")
  [mib, "nix"] -> Large.by_nix(String.to_integer(mib))
  _ -> IO.puts(:stderr, "usage: mix run large.exs MIB [zstd | nix]")
end
