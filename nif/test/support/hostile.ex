defmodule Chunker.Hostile do
  @moduledoc """
  Calls of which half are right, and half should never be made.
  """

  import Bitwise

  alias Chunker.{Native, Store, Upload, Uploads}

  @functions Native.__info__(:functions) -- [load: 0]

  # A store remembers for days what was collected, so it is a new one after these.
  @store_calls 20_000

  # Those of stores and exchanges.
  @stores for {name, _} = function <- @functions,
              to_string(name) =~ ~r/^(store|reader|writer|engine|exchange|call)_/,
              do: function

  @doc """
  Makes `count` calls with arguments drawn by `seed`; returns how many had which outcome.

  Every NIF is called, also with terms of all kinds and with resources that are open, finished, in use by another
  process, or left by a process that was killed. Raises what the VM raises, but for `ArgumentError`.
  """
  def run(count, seed) do
    :rand.seed(:exsss, {seed, seed, seed})
    Enum.reduce(1..count, {%{}, resources()}, &step/2) |> elem(0)
  end

  @doc """
  The same for stores and exchanges alone: files are written, read, uploaded, deleted and collected, processes are
  killed amid that, and functions are called with terms of all kinds.
  """
  def run_stores(count, seed) do
    :rand.seed(:exsss, {seed, seed, seed})
    starts = Stream.iterate(1, &(&1 + @store_calls)) |> Enum.take_while(&(&1 <= count))

    for start <- starts, reduce: %{} do
      outcomes ->
        more = start..min(start + @store_calls - 1, count) |> in_a_store()
        Map.merge(outcomes, more, fn _, a, b -> a + b end)
    end
  end

  defp in_a_store(calls) do
    store = Store.open!("memory://hostile-#{System.unique_integer([:positive])}", cache: :none)
    upload = Upload.new!(store: store)

    outcomes =
      Enum.reduce(calls, %{}, fn index, outcomes ->
        if rem(index, 200) == 0, do: flush()
        if rem(index, 2000) == 0, do: clear(store)

        outcome =
          cond do
            rem(index, 100) == 0 -> killed(store, upload)
            rem(index, 2) == 0 -> file(store, upload, :rand.uniform(4))
            true -> call(@stores, opened(store, upload), &plausible/2)
          end

        Map.update(outcomes, outcome, 1, &(&1 + 1))
      end)

    clear(store)
    flush()
    outcomes
  end

  # A file that is stored, read whole and in part by one of the ways there are.
  defp file(store, upload, way) do
    data = binary()
    profile = [min_size: 64, avg_size: 1024, max_size: 8192, hash: Enum.random([:sha256, :blake3])]

    root =
      if :rand.uniform(2) == 1 do
        {:ok, root} = Store.write(store, [data], profile)
        root
      else
        {requests, root} = Uploads.requests(data, profile)
        for request <- requests, do: true = exchange(upload, request).status in [200, 201]
        root
      end

    end_at = :rand.uniform(byte_size(data) + 1) - 1

    case way do
      1 ->
        ^data = store |> Store.read(root) |> Enum.join()

      2 ->
        true = store |> Store.read(root, range: {0, end_at}) |> Enum.join() == binary_part(data, 0, end_at)

      3 ->
        answer = exchange(upload, {"GET", "/v1/files/#{root}", nil})
        ^data = if is_binary(answer.body), do: answer.body, else: Enum.join(answer.body)

      4 ->
        {:ok, true} = Store.delete(store, root)
    end

    :proper
  end

  defp exchange(upload, {method, target, body}) do
    read = fn bytes -> {:ok, bytes, ""} end
    {answer, _} = Upload.answer(upload, Uploads.head(method, target, body), body || "", read)
    answer
  end

  defp killed(store, upload) do
    # What is killed amid a deletion may still happen, to a file that others have just stored again.
    {pid, monitor} = spawn_monitor(fn -> for way <- Stream.cycle(1..3), do: file(store, upload, way) end)
    Process.sleep(:rand.uniform(4) - 1)
    Process.exit(pid, :kill)

    receive do
      {:DOWN, ^monitor, :process, ^pid, _} -> :killed
    end
  end

  # One of each kind, of which some are busy or closed.
  defp opened(store, upload) do
    {:ok, writer} = Native.writer_open(store, :blake3)
    {:ok, reader} = Native.store_files(store)
    if :rand.uniform(2) == 1, do: Native.reader_next(reader, make_ref())
    engine = Upload.engine(upload)
    {:request, exchange, _} = Native.exchange_begin(engine, {"GET", "/v1/files", []})
    if :rand.uniform(2) == 1, do: Native.exchange_start(exchange, store, make_ref())
    {:ok, call} = Native.store_get(store, :sha256, :binary.copy("h", 32), make_ref())
    for resource <- [writer, reader, exchange, call], :rand.uniform(4) == 1, do: close(resource)
    [store, writer, reader, engine, exchange, call]
  end

  # An argument of a function of stores that it may well be called with: its resource, what it works on, and last a
  # reference for its message.
  defp plausible({name, arity, index}, resources) do
    cond do
      :rand.uniform(8) == 1 -> argument(resources)
      index == 1 and name != :store_open -> of_kind(name, resources)
      index == arity and index > 1 and :rand.uniform(4) > 1 -> make_ref()
      true -> Enum.random(works() ++ [hd(resources), make_ref()])
    end
  end

  defp of_kind(name, [store, writer, reader, engine, exchange, call]) do
    case name |> to_string() |> String.split("_") |> hd() do
      "store" -> store
      "writer" -> if(name == :writer_open, do: store, else: writer)
      "reader" -> reader
      "engine" -> engine
      "exchange" -> if(name == :exchange_begin, do: engine, else: exchange)
      "call" -> call
    end
  end

  defp works do
    digest = :binary.copy("h", 32)
    root = "blake3-" <> Base.encode16(digest, case: :lower)

    [
      nil,
      true,
      false,
      :sha256,
      :blake3,
      digest,
      root,
      {nil, nil, true},
      {nil, 100, false},
      {0, 5},
      {5, 0},
      ""
    ] ++
      [:forbidden, {400, "code", "message"}, [{digest, "bytes"}], [memory: 1 <<< 26], binary()] ++
      [{"GET", "/v1/files/" <> root, []}, {"POST", "/v1/packs/sha256", [{"content-length", "100"}]}]
  end

  defp close(resource) do
    for close <- [
          &Native.writer_close/1,
          &Native.reader_close/1,
          &Native.exchange_close/1,
          &Native.call_stop/1
        ] do
      try do
        close.(resource)
      rescue
        ArgumentError -> :ok
      end
    end
  end

  defp clear(store) do
    for %{root: root} <- Store.files(store), do: {:ok, _} = Store.delete(store, root)
    {:ok, _} = Store.collect(store, min_age: 0)
  end

  # What work said that nobody waited for.
  defp flush do
    receive do
      {_reference, _} -> flush()
    after
      0 -> :ok
    end
  end

  defp step(index, {outcomes, resources}) do
    if rem(index, 500) == 0, do: flush()

    resources = if rem(index, 100) == 0, do: resources(), else: resources

    outcome =
      cond do
        rem(index, 500) == 0 -> at_once(resources)
        rem(index, 2) == 0 -> proper()
        true -> call(@functions, resources)
      end

    {Map.update(outcomes, outcome, 1, &(&1 + 1)), resources}
  end

  defp call(functions, resources, argument \\ fn _, resources -> argument(resources) end) do
    {name, arity} = Enum.random(functions)

    case apply(Native, name, for(index <- 1..arity//1, do: argument.({name, arity, index}, resources))) do
      {:ok, _} -> :ok
      {:error, code} when is_atom(code) -> code
      {:error, {code, _, _}} when is_atom(code) -> code
      _ -> :ok
    end
  rescue
    ArgumentError -> ArgumentError
  end

  # A call that is right, with a result that must be.
  defp proper do
    data = binary()
    codec = Enum.random([:zstd, :zstd, :lz4, :lz4, :bzip2])
    options = [min_size: 64, avg_size: 1024, max_size: 8192, hash: Enum.random([:sha256, :blake3])]

    case :rand.uniform(8) do
      1 ->
        {:ok, ^data} = data |> Chunker.compress!(codec: codec, level: 1) |> Chunker.decompress(codec: codec)

      2 ->
        manifest = data |> Chunker.chunk!(options) |> Chunker.Manifest.new!(options)
        :ok = Chunker.Manifest.verify(manifest, data)

      3 ->
        chunks =
          [data, [data, "end"]] |> Chunker.stream([payloads: true] ++ options) |> Enum.map(&elem(&1, 3))

        true = IO.iodata_to_binary(chunks) == data <> data <> "end"

      4 ->
        {:ok, [{:ok, _}, {:error, :invalid_argument}, {:ok, []}]} =
          Chunker.chunk_batch([data, 1, ""], options)

      5 ->
        {:ok, ^data} = data |> Chunker.Nix.base32_encode() |> Chunker.Nix.base32_decode()

      6 ->
        <<_::256>> = Chunker.digest(data, options[:hash])

      _ ->
        bytes = byte_size(data)
        ^bytes = data |> Chunker.chunk!(options) |> Enum.map(&elem(&1, 2)) |> Enum.sum()
    end

    :proper
  end

  # Two processes feed one chunker, and one of them, or its owner, is killed amid that.
  defp at_once([chunker | _]) do
    piece = :binary.copy("piece", 50_000)
    feed = fn -> for _ <- 1..4, do: Native.chunker_feed_dirty(chunker, piece, Enum.random([true, false])) end
    processes = for _ <- 1..2, do: spawn_monitor(feed)
    {victim, _} = Enum.random(processes)
    Process.exit(victim, :kill)

    for {pid, monitor} <- processes do
      receive do
        {:DOWN, ^monitor, :process, ^pid, _} -> :ok
      end
    end

    :at_once
  end

  # One of each kind, and one chunker of each state.
  defp resources do
    {:ok, chunker} = Native.chunker_open_with({64, 256, 1024, nil, nil, :blake3}, true, nil)
    {:ok, finished} = Native.chunker_open_with({64, 256, 1024, nil, nil, :blake3}, false, nil)
    {:ok, []} = Native.chunker_finish_dirty(finished)
    {:ok, hasher} = Native.hasher_open(:sha256)
    {:ok, compressor} = Native.compressor_open_dirty(Enum.random([:zstd, :lz4, :bzip2]), 1, nil)
    codec = Enum.random([nil, :zstd, :lz4, :xz, :bzip2])
    {:ok, decompressor} = Native.decompressor_open_dirty(codec, {nil, nil, nil}, nil)
    [chunker, finished, orphaned(), hasher, compressor, decompressor]
  end

  defp orphaned do
    parent = self()

    {owner, monitor} =
      spawn_monitor(fn ->
        {:ok, chunker} = Native.chunker_open_with(nil, true, nil)
        {:ok, []} = Native.chunker_feed_normal(chunker, "piece", true)
        send(parent, {self(), chunker})
        Process.sleep(:infinity)
      end)

    chunker =
      receive do
        {^owner, chunker} -> chunker
      end

    Process.exit(owner, :kill)

    receive do
      {:DOWN, ^monitor, :process, ^owner, :killed} -> chunker
    end
  end

  defp argument(resources) do
    case :rand.uniform(12) do
      1 ->
        Enum.random(resources)

      2 ->
        Enum.random([nil, true, false, :sha256, :blake3, :zstd, :lz4, :xz, :bzip2, :md5, :undefined, :large])

      3 ->
        Enum.random([0, 1, 64, 256, 1024, 65_536, 1 <<< 20, 1 <<< 30])

      4 ->
        Enum.random([-1, -(1 <<< 31), 1 <<< 32, (1 <<< 63) - 1, 1 <<< 64, 1 <<< 200, -(1 <<< 200), 63, 1.5])

      5 ->
        Enum.random([
          <<1::1>>,
          <<0::size(1_000_003)>>,
          [],
          [1 | 2],
          ["a" | "b"],
          ["a" | :b],
          'abc',
          %{},
          {},
          self()
        ])

      6 ->
        Enum.random([
          make_ref(),
          &binary_part/3,
          {nil, nil, nil},
          {1, 2, 3},
          {64, 256, 1024, nil, nil, :blake3},
          {64, 256, 1024, 4, 1 <<< 64, :md5},
          "fastcdc-v2020/nc1/64-256-1024/sha256",
          {-1, nil, nil},
          {1000, 20, 1000},
          {"", "", 0, []}
        ])

      7 ->
        List.duplicate(binary(), :rand.uniform(8))

      8 ->
        for offset <- [0, 64, 128], do: {:binary.copy("h", 32), offset, 64}

      9 ->
        {"/nix/store/#{:binary.copy("0", 32)}-name", :binary.copy("h", 32), 1, [binary()]}

      _ ->
        binary()
    end
  end

  defp binary do
    case :rand.uniform(8) do
      1 ->
        ""

      2 ->
        Enum.random([
          "a:" <> Base.encode64(:binary.copy("k", 64)),
          :binary.copy("k", 32),
          :binary.copy("s", 64)
        ])

      3 ->
        Enum.random([
          <<0x28, 0xB5, 0x2F, 0xFD>>,
          <<0x04, 0x22, 0x4D, 0x18>>,
          "\xFD7zXZ\0",
          "BZh9",
          "CDCMNFT\1"
        ])

      4 ->
        :binary.copy(<<:rand.uniform(256) - 1>>, :rand.uniform(70_000))

      5 ->
        binary_part(noise(), 0, :rand.uniform(70_000))

      _ ->
        :rand.bytes(:rand.uniform(100))
    end
  end

  # Made once: a binary of noise costs more than most of the calls.
  defp noise do
    with nil <- Process.get(__MODULE__) do
      noise = :rand.bytes(70_000)
      Process.put(__MODULE__, noise)
      noise
    end
  end

  @doc """
  Returns the bytes that the VM has allocated, and those that the system gave it, once garbage is gone.
  """
  def memory do
    for pid <- Process.list(), do: :erlang.garbage_collect(pid)
    [_, pages | _] = "/proc/self/statm" |> File.read!() |> String.split()
    %{erlang: :erlang.memory(:total), resident: String.to_integer(pages) * 4096}
  end
end
