defmodule Chunker.ReloadTest do
  use ExUnit.Case, async: false

  alias Chunker.{Native, Peers}

  @moduletag :capture_log

  test "the library survives that its module is purged and loaded again" do
    Peers.distribute()
    {node, _} = Peers.start()

    for _ <- 1..3 do
      inputs = for _ <- 1..20, do: :crypto.strong_rand_bytes(100_000)
      expected = {:ok, for(input <- inputs, do: Chunker.chunk(input))}
      assert :erpc.call(node, Chunker, :chunk_batch, [inputs]) == expected
      assert :erpc.call(node, Peers, :store, [inputs]) == IO.iodata_to_binary(inputs)
      for step <- [:purge, :delete, :purge], do: :erpc.call(node, :code, step, [Native])
      for pid <- :erpc.call(node, Process, :list, []), do: :erpc.call(node, :erlang, :garbage_collect, [pid])
      assert {:module, Native} = :erpc.call(node, :code, :load_file, [Native])
    end

    assert :erpc.call(node, Chunker, :available?, [])
  end

  test "without its library, a node says so" do
    Peers.distribute()
    {node, _} = Peers.start()
    :ok = :erpc.call(node, :logger, :set_primary_config, [:level, :none])
    for step <- [:purge, :delete, :purge], do: :erpc.call(node, :code, step, [Native])
    {:ok, binary} = File.read(:code.which(Native))
    directory = Path.join(System.tmp_dir!(), "chunker-none-#{System.pid()}/chunker-0/ebin")
    File.mkdir_p!(directory)
    on_exit(fn -> directory |> Path.join("../..") |> Path.expand() |> File.rm_rf!() end)
    :erpc.call(node, :code, :replace_path, [:chunker, to_charlist(directory)])
    assert {:module, Native} = :erpc.call(node, :code, :load_binary, [Native, 'nif', binary])
    refute :erpc.call(node, Chunker, :available?, [])

    assert_raise ErlangError, ~r/chunker_nif_not_loaded/, fn ->
      :erpc.call(node, Chunker, :chunk, ["data"])
    end
  end
end
