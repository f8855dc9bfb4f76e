defmodule Ingest.Connection do
  @moduledoc """
  One connection, a process: reads requests and answers them, one after the other.

  What it holds at a time is bounded: a head, one piece of a body or one chunk of an answer, and what
  it has taken from the budgets of the server. When it is told to shut down it finishes the request
  that it has begun.
  """

  require Logger
  alias Ingest.{Limits, Refusal, Request, Response, Router}

  # A refused body up to this length is read to its end, so that the connection can be kept.
  @max_drained_bytes 1024 * 1024
  # How long a connection stays open for a refused body, so that the sender can read the answer.
  @linger 2_000

  @doc """
  Serves the socket once its owner has sent `:ready`.
  """
  @spec serve(:gen_tcp.socket(), Router.t()) :: :ok
  def serve(socket, router) do
    Process.flag(:trap_exit, true)

    receive do
      :ready -> next_request(socket, "", router)
    after
      5_000 -> :ok
    end

    :gen_tcp.close(socket)
  end

  @doc """
  Answers 503 on a socket for which there is no process, and closes it.
  """
  @spec turn_away(:gen_tcp.socket()) :: :ok
  def turn_away(socket) do
    {:error, refusal} =
      Refusal.refuse(503, "server_busy", "too many connections", headers: [{"Retry-After", "1"}])

    _ = refusal |> Response.refusal() |> Response.send_last(socket)
    :gen_tcp.close(socket)
  end

  defp next_request(socket, buffer, router) do
    with {:ok, buffer} <- await(socket, buffer, router.limits),
         {:ok, request} <- Request.read(socket, buffer, router.limits) do
      case answer(request, router) do
        {:keep, buffer} -> next_request(socket, buffer, router)
        :close -> :ok
      end
    else
      {:error, %Refusal{} = refusal} ->
        _ = refusal |> Response.refusal() |> Response.send_last(socket)
        linger(socket)

      :closed ->
        :ok
    end
  end

  # Between requests the process listens to its supervisor as well.
  defp await(socket, "", %Limits{keep_alive_timeout: timeout}) do
    with :ok <- :inet.setopts(socket, active: :once) do
      receive do
        {:tcp, ^socket, bytes} -> {:ok, bytes}
        {:tcp_closed, ^socket} -> :closed
        {:tcp_error, ^socket, _} -> :closed
        {:EXIT, _, _} -> :closed
      after
        timeout -> :closed
      end
    else
      # It has been closed already.
      {:error, _} -> :closed
    end
  end

  defp await(_, buffer, _), do: {:ok, buffer}

  defp answer(request, router) do
    {response, request} =
      try do
        Router.answer(request, router)
      rescue
        error ->
          Logger.error(Exception.format(:error, error, __STACKTRACE__))
          # How much of the body has been read is lost.
          refusal = error |> Refusal.from_exception() |> Response.refusal()

          {refusal,
           %{request | unread: if(request.length, do: :unknown, else: 0), waiting: false, buffer: ""}}
      end

    finish(response, drain_short(request))
  end

  defp drain_short(%{waiting: false, unread: unread} = request) when unread in 0..@max_drained_bytes,
    do: Request.drain(request, @linger)

  defp drain_short(request), do: request

  defp finish(response, request) do
    keep = request.keep_alive and request.unread == 0

    case Response.send(response, request, close: not keep) do
      :ok when keep ->
        {:keep, request.buffer}

      :ok ->
        if request.unread != 0, do: linger(request.socket)
        :close

      {:refused, refusal} ->
        Router.log(refusal)
        refusal |> Response.refusal() |> Router.with_policy() |> finish(request)

      # A short body must never look like a whole one.
      {:error, reason} ->
        with %Refusal{} <- reason, do: Router.log(reason)
        _ = :inet.setopts(request.socket, linger: {true, 0})
        :close
    end
  end

  # Closing with unread bytes would reset the connection, and the sender might never see the answer.
  defp linger(socket) do
    _ = :gen_tcp.shutdown(socket, :write)
    drop(socket, System.monotonic_time(:millisecond) + @linger)
  end

  defp drop(socket, deadline) do
    timeout = max(deadline - System.monotonic_time(:millisecond), 0)
    with {:ok, _} <- :gen_tcp.recv(socket, 0, timeout), do: drop(socket, deadline)
    :ok
  end
end
