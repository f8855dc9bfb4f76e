defmodule Chunker.TelemetryTest do
  use ExUnit.Case, async: true

  setup do
    Process.put(:telemetry, true)
    :ok
  end

  test "every operation says how much it did" do
    assert {:ok, [_]} = Chunker.chunk("abc")
    assert_received {[:chunker, :chunk, :stop], %{bytes: 3, chunks: 1, duration: duration}, %{result: :ok}}
    assert is_integer(duration) and duration > 0

    assert [_] = Enum.to_list(Chunker.stream(["a", "bc"]))
    assert_received {[:chunker, :feed, :stop], %{bytes: 1, chunks: 0}, %{result: :ok}}
    assert_received {[:chunker, :feed, :stop], %{bytes: 2, chunks: 0}, %{result: :ok}}
    assert_received {[:chunker, :finish, :stop], %{bytes: 0, chunks: 1}, %{result: :ok}}

    assert {:ok, _} = Chunker.chunk_batch(["abc", "de"])
    assert_received {[:chunker, :chunk_batch, :stop], %{bytes: 5, inputs: 2}, %{result: :ok}}

    assert {:ok, _} = Chunker.compress_batch(["abc", "de"])
    assert_received {[:chunker, :compress_batch, :stop], %{bytes: 5, inputs: 2}, %{result: :ok}}

    {:ok, compressed} = Chunker.compress("abc")
    length = byte_size(compressed)
    assert_received {[:chunker, :compress, :stop], %{bytes: 3, output_bytes: ^length}, %{result: :ok}}

    assert {:ok, "abc"} = Chunker.decompress(compressed)
    assert_received {[:chunker, :decompress, :stop], %{bytes: ^length, output_bytes: 3}, %{result: :ok}}

    assert {:ok, {:stored, "abc"}} = Chunker.compress_adaptive("abc")
    assert_received {[:chunker, :compress, :stop], %{bytes: 3, output_bytes: 3}, %{result: :ok}}
  end

  test "a stream's bytes are those of its feeds and its finish" do
    compressed = ["a", "bc"] |> Chunker.compress_stream() |> Enum.join()
    length = byte_size(compressed)
    assert {3, ^length} = totals(:compress)
    bomb = Chunker.compress!(:binary.copy(<<0>>, 3_000_000))
    assert {3_000_000, length} = totals(:compress)
    [compressed, bomb] |> Chunker.decompress_stream() |> Stream.run()
    assert {byte_size(compressed) + length, 3_000_003} == totals(:decompress)
  end

  # The bytes that went in and out, in all events of an operation.
  defp totals(operation) do
    receive do
      {[:chunker, ^operation, :stop], %{bytes: bytes, output_bytes: output_bytes}, %{result: :ok}} ->
        {more, more_output} = totals(operation)
        {bytes + more, output_bytes + more_output}
    after
      0 -> {0, 0}
    end
  end

  test "an upload says what was asked for and how it ended" do
    upload = Chunker.Upload.new!(store: Chunker.Store.open!("memory://telemetry"))
    digest = Chunker.digest("abc")

    for {method, target, body, metadata} <- [
          {"GET", "/v1", nil, %{operation: :describe, status: 200, code: nil}},
          {"GET", "/v2", nil, %{operation: nil, status: 404, code: "not_found"}},
          {"POST", "/v1/chunks/sha256/missing", digest, %{operation: :ask_missing, status: 200, code: nil}}
        ] do
      Chunker.Upload.answer(upload, Chunker.Uploads.head(method, target, body), body, &{:ok, &1, ""})
      bytes = byte_size(body || "")
      assert_received {[:chunker, :upload, :stop], %{bytes: ^bytes, duration: _}, ^metadata}
    end
  end

  test "an error is an event too" do
    assert {:error, code} = Chunker.chunk("abc", min_size: 1)
    assert_received {[:chunker, :chunk, :stop], %{bytes: 3, chunks: 0}, %{result: {:error, ^code}}}
  end
end
