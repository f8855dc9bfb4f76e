defmodule Chunker.Work do
  @moduledoc false
  # Work of the native library on its own threads. It is started with a reference, and ends with the message
  # `{reference, result}`, unless the work was stopped or its value closed before.

  alias Chunker.{Error, Native}

  @type failure :: {Chunker.error(), message :: String.t() | nil, [Chunker.digest()]}
  @type result(value) :: {:ok, value} | {:error, Error.t()}

  # Starts a call, and returns its result; after `timeout` milliseconds, it stops the call.
  @spec call((reference -> {:ok, call :: reference} | {:error, failure}), timeout) :: result(term)
  def call(start, timeout \\ :infinity) do
    reference = make_ref()

    case start.(reference) do
      {:ok, call} ->
        receive do
          {^reference, result} -> result(result)
        after
          timeout ->
            _ = Native.call_stop(call)
            late(reference, timeout)
        end

      error ->
        result(error)
    end
  end

  # Runs one step on a value of the library, and returns its result; after `timeout` milliseconds, it closes the
  # value.
  @spec step((reference -> {:ok, :ok} | {:error, failure}), timeout, (() -> term)) :: result(term)
  def step(start, timeout \\ :infinity, close \\ fn -> :ok end) do
    reference = make_ref()

    with {:ok, _} <- result(start.(reference)) do
      receive do
        {^reference, result} -> result(result)
      after
        timeout ->
          _ = close.()
          late(reference, timeout)
      end
    end
  end

  # Returns a stream of the lists that `next` yields for a value, up to the first empty one. The next list is
  # prepared while the last one is used. Raises `Chunker.Error`.
  @spec stream((() -> value), (value, reference -> term), (value -> term), timeout) :: Enumerable.t()
        when value: reference
  def stream(open, next, close, timeout \\ :infinity) do
    Stream.resource(
      fn ->
        value = open.()
        {value, ask(value, next)}
      end,
      fn {value, reference} ->
        case await!(reference, timeout) do
          [] -> {:halt, {value, reference}}
          items -> {items, {value, ask(value, next)}}
        end
      end,
      fn {value, reference} ->
        _ = close.(value)

        receive do
          {^reference, _} -> :ok
        after
          0 -> :ok
        end
      end
    )
  end

  defp ask(value, next) do
    reference = make_ref()
    _ = value |> next.(reference) |> result() |> Error.unwrap!()
    reference
  end

  defp await!(reference, timeout) do
    receive do
      {^reference, result} -> result |> result() |> Error.unwrap!()
    after
      timeout -> reference |> late(timeout) |> Error.unwrap!()
    end
  end

  # The message may have come just before the work was stopped.
  defp late(reference, timeout) do
    receive do
      {^reference, result} -> result(result)
    after
      0 -> {:error, %Error{code: :timeout, message: "the store took longer than #{timeout} ms"}}
    end
  end

  @spec result({:ok, value} | {:error, failure}) :: result(value) when value: term
  def result({:ok, _} = ok), do: ok

  def result({:error, {code, message, chunks}}),
    do: {:error, %Error{code: code, message: message, chunks: chunks}}
end
