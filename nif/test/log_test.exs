defmodule Chunker.LogTest do
  # Not async: the level is that of all processes.
  use ExUnit.Case, async: false

  import ExUnit.CaptureLog

  setup do
    # Lines that other tests left are logged by this.
    :ok = Chunker.set_log_level(:none)
    on_exit(fn -> Chunker.set_log_level(:none) end)
  end

  # What is logged while `work` runs at a level, a line each.
  defp lines(level, work) do
    log =
      capture_log([format: "[$level] $message $metadata\n", metadata: [:domain]], fn ->
        :ok = Chunker.set_log_level(level)
        work.()
        :ok = Chunker.set_log_level(:none)
      end)

    String.split(log, "\n", trim: true)
  end

  defp fail, do: {:error, :truncated_data} = Chunker.decompress(<<0x28, 0xB5, 0x2F, 0xFD>>)
  defp chunk(bytes), do: {:ok, [_ | _]} = Chunker.chunk(:binary.copy("x", bytes))

  test "an error is a line of the level debug, with its code" do
    assert lines(:debug, &fail/0) == ["[debug] error_returned code=truncated_data domain=elixir.chunker "]
  end

  test "a chunk is a line of the level all" do
    # A thread logs its first chunk, and there are not so many threads.
    logged = lines(:all, fn -> for _ <- 1..200_000, do: chunk(100) end)
    expected = "[debug] chunk_emitted offset=0 length=100 hash=sha256 domain=elixir.chunker "
    assert [_ | _] = logged
    assert Enum.uniq(logged) == [expected]
  end

  test "nothing is logged below the level, nor at first" do
    assert lines(:none, &fail/0) == []
    assert lines(:error, &fail/0) == []
    assert lines(:info, &fail/0) == []
    assert lines(:debug, fn -> chunk(100) end) == []
    assert capture_log(&fail/0) == ""
  end

  test "a level of Logger holds as well" do
    Logger.put_module_level(Chunker.Log, :error)
    assert lines(:debug, &fail/0) == []
  after
    Logger.delete_module_level(Chunker.Log)
  end

  test "lines come without another call" do
    :ok = Chunker.set_log_level(:debug)

    assert capture_log(fn ->
             fail()
             Process.sleep(500)
           end) =~ "error_returned code=truncated_data"
  end

  test "lines that come too fast are counted, and the rest is whole" do
    :sys.suspend(Chunker.Log)
    :ok = Chunker.Native.set_log_level(:debug)
    for _ <- 1..5000, do: fail()
    :sys.resume(Chunker.Log)
    logged = lines(:none, fn -> :ok end)
    assert Enum.count(logged, &(&1 =~ "error_returned code=truncated_data")) == 1024

    assert Enum.filter(logged, &(&1 =~ "lost")) == [
             "[warning] 3976 log lines were lost because they came too fast domain=elixir.chunker "
           ]
  end

  test "lines go on after the process that logs them has crashed" do
    :ok = Chunker.set_log_level(:debug)
    before = Process.whereis(Chunker.Log)

    crash_log = capture_log(fn -> Process.exit(before, :kill) && wait_for_another_than(before) end)
    refute crash_log =~ "error_returned"

    assert capture_log(fn ->
             fail()
             Process.sleep(500)
           end) =~ "error_returned code=truncated_data"
  end

  defp wait_for_another_than(pid) do
    case Process.whereis(Chunker.Log) do
      other when is_pid(other) and other != pid -> :ok
      _ -> Process.sleep(5) && wait_for_another_than(pid)
    end
  end

  test "processes may change the level at once" do
    1..8
    |> Enum.map(fn n ->
      Task.async(fn ->
        for i <- 1..200, do: Chunker.set_log_level(Enum.at([:none, :error, :info, :warning], rem(n + i, 4)))
      end)
    end)
    |> Task.await_many(60_000)

    assert lines(:debug, &fail/0) != []
  end

  test "another level raises" do
    for level <- [:verbose, :trace, "debug", nil, 3, :critical] do
      assert_raise ArgumentError, fn -> Chunker.set_log_level(level) end
    end

    assert Chunker.Native.log_level() == :none
  end
end
