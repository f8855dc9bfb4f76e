defmodule BinaryCache.KillTest do
  use BinaryCache.Case, async: true

  alias Chunker.Store

  @kills 20
  @pushers 4

  test "what was answered with a success is there after kill -9, at any moment", %{root: root} do
    accepted =
      for kill <- 1..@kills, reduce: [] do
        accepted ->
          {server, port} = start(root)
          pushers = for pusher <- 1..@pushers, do: Task.async(fn -> push_on(port, {kill, pusher}, 1, []) end)
          Process.sleep(:rand.uniform(400))
          kill(server)
          Enum.concat([accepted | Task.await_many(pushers, 60_000)])
      end

    assert length(accepted) > @kills
    %{port: port, cache: cache} = start_cache(root: root)
    for {path, digest} <- accepted, do: assert({path, Chunker.digest(pull(port, path))} == {path, digest})
    # There may be paths besides whose client was not told, and they are whole too.
    records = File.ls!(Path.join(root, "paths"))
    assert length(records) >= length(accepted)

    for hash <- records do
      assert {:ok, %{narinfo: %{narinfo: narinfo}}} = BinaryCache.Catalog.read(Path.join(root, "paths"), hash)
      assert Chunker.digest(pull(port, narinfo.store_path)) == narinfo.nar_hash
    end

    assert {:ok, %{sound: true}} = Store.check(BinaryCache.store(cache), read_data: true)
    assert {:ok, _} = BinaryCache.collect(cache, min_age: 0)
    for {path, digest} <- accepted, do: assert({path, Chunker.digest(pull(port, path))} == {path, digest})
  end

  # Returns the paths that were accepted before the cache was killed.
  defp push_on(port, pusher, count, accepted) do
    path = Nar.store_path("killed", {pusher, count} |> :erlang.term_to_binary() |> Base.encode16())
    nar = Nar.file(:crypto.strong_rand_bytes(:rand.uniform(1_000_000)) <> path)
    compression = Enum.at(~w(none zstd), rem(count, 2))

    case push(port, nar, path, references: [path], compression: compression) do
      {201, 201} -> push_on(port, pusher, count + 1, [{path, Chunker.digest(nar)} | accepted])
      _ -> accepted
    end
  catch
    # The answer ended in the middle, or nobody was there any more.
    _, _ -> accepted
  end

  # A cache in a VM of its own.
  defp start(root) do
    arguments = ~w(-S mix run --no-compile --no-deps-check cache.exs) ++ [root, "--port", "0"]
    options = [:binary, :exit_status, line: 1000, args: arguments, env: [{'MIX_ENV', 'test'}]]
    server = Port.open({:spawn_executable, System.find_executable("elixir")}, options)
    {:os_pid, pid} = Port.info(server, :os_pid)
    on_exit(fn -> System.cmd("kill", ["-9", "#{pid}"], stderr_to_stdout: true) end)
    assert_receive {^server, {:data, {:eol, "http://localhost:" <> rest}}}, 60_000
    {port, _} = Integer.parse(rest)
    {server, port}
  end

  defp kill(server) do
    {:os_pid, pid} = Port.info(server, :os_pid)
    {_, 0} = System.cmd("kill", ["-9", "#{pid}"])
    assert_receive {^server, {:exit_status, 137}}, 10_000
  end
end
