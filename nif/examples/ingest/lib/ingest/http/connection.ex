defmodule Ingest.Http.Connection do
  @moduledoc false
  # One connection, a process: reads requests and answers them, one after the other. When it is told to shut down it
  # finishes the request that it has begun.

  require Logger
  alias Ingest.Http.Request

  # What a send may hold back: the reader's pause is measured between pieces.
  @piece_bytes 64 * 1024
  # A refused body up to this length is read to its end, so that the connection can be kept.
  @drained_bytes 1024 * 1024
  # How long a connection stays open for a refused body, so that the sender can read the answer.
  @linger 2_000
  # The same for one connection too many: it must not become many more.
  @turned_away 200
  # How often a reader that takes little is looked at.
  @look 50

  # Serves the socket once its owner has sent `:ready`.
  @spec serve(:gen_tcp.socket(), map) :: :ok
  def serve(socket, options) do
    Process.flag(:trap_exit, true)

    receive do
      :ready -> next_request(socket, "", options)
      # The server stops, and the process that accepted the socket is gone.
      {:EXIT, _, _} -> :ok
    after
      5_000 -> :ok
    end

    :gen_tcp.close(socket)
  end

  # Answers 503 once its owner has sent `:ready`, and closes the socket.
  @spec turn_away(:gen_tcp.socket()) :: :ok
  def turn_away(socket) do
    receive do
      :ready ->
        _ = :gen_tcp.send(socket, head(503, [{"Content-Length", "0"}, {"Retry-After", "1"}], true))
        linger(socket, @turned_away)
    after
      5_000 -> :ok
    end

    :gen_tcp.close(socket)
  end

  defp next_request(socket, buffer, options) do
    with {:ok, buffer} <- await(socket, buffer, options),
         {:ok, request} <- Request.read_head(socket, buffer, options) do
      case answer(request, options) do
        {:keep, buffer} -> next_request(socket, buffer, options)
        :close -> :ok
      end
    else
      {:error, status} ->
        _ = :gen_tcp.send(socket, head(status, [{"Content-Length", "0"}], true))
        linger(socket, @linger)

      :closed ->
        :ok
    end
  end

  # Between requests the process listens to its supervisor as well.
  defp await(socket, "", options) do
    with :ok <- :inet.setopts(socket, active: :once) do
      receive do
        {:tcp, ^socket, bytes} -> {:ok, bytes}
        {:tcp_closed, ^socket} -> :closed
        {:tcp_error, ^socket, _} -> :closed
        {:EXIT, _, _} -> :closed
      after
        options.head_timeout -> :closed
      end
    else
      # It has been closed already.
      {:error, _} -> :closed
    end
  end

  defp await(_, buffer, _), do: {:ok, buffer}

  defp answer(request, options) do
    {answer, request} =
      try do
        options.handler.(request)
      rescue
        error ->
          Logger.error(Exception.format(:error, error, __STACKTRACE__))
          # How much of the body has been read is lost.
          unread = if request.length, do: :unknown, else: 0
          answer = %{status: 500, headers: [{"Content-Length", "0"}], body: ""}
          {answer, %{request | unread: unread, waiting: false, buffer: "", keep_alive: false}}
      end

    finish(answer, drain_short(request))
  end

  defp drain_short(%{waiting: false, keep_alive: true, unread: unread} = request)
       when unread in 0..@drained_bytes,
       do: Request.drain(request, @linger)

  defp drain_short(request), do: request

  defp finish(answer, request) do
    framing = framing(answer, request)
    keep = request.keep_alive and request.unread == 0 and framing != :close

    case send_answer(request, answer, framing, not keep) do
      :ok when keep ->
        {:keep, request.buffer}

      :ok ->
        if request.unread != 0, do: linger(request.socket, @linger)
        :close

      # A short body must never look like a whole one.
      {:error, _} ->
        _ = :inet.setopts(request.socket, linger: {true, 0})
        :close
    end
  end

  # How the reader sees where the body ends (RFC 9112, §6.3).
  defp framing(%{body: body, headers: headers}, request) do
    cond do
      is_binary(body) or Request.values(headers, "content-length") != [] -> :length
      request.version == 1 -> :chunked
      true -> :close
    end
  end

  defp send_answer(request, %{status: status, headers: headers, body: body}, framing, close) do
    headers = if framing == :chunked, do: [{"Transfer-Encoding", "chunked"} | headers], else: headers
    head = head(status, headers, close)

    if is_binary(body),
      do: send_pieces(request, head, if(request.method == "HEAD", do: "", else: body)),
      else: send_stream(request, head, body, framing)
  end

  defp send_stream(request, head, pieces, framing) do
    sent =
      with :ok <- send_some(request, head) do
        Enum.reduce_while(pieces, :ok, fn piece, :ok ->
          case send_pieces(request, "", piece, framing) do
            :ok -> {:cont, :ok}
            error -> {:halt, error}
          end
        end)
      end

    if sent == :ok and framing == :chunked, do: send_some(request, "0\r\n\r\n"), else: sent
  rescue
    error ->
      Logger.error(
        "an answer was cut short: #{request.method} #{request.target}: #{Exception.message(error)}"
      )

      {:error, :cut}
  end

  # An empty chunk would end the body.
  defp send_pieces(_, "", "", :chunked), do: :ok

  defp send_pieces(request, head, piece, :chunked),
    do: send_pieces(request, [head, Integer.to_string(byte_size(piece), 16), "\r\n"], piece <> "\r\n")

  defp send_pieces(request, head, piece, _), do: send_pieces(request, head, piece)

  defp send_pieces(request, head, <<piece::binary-size(@piece_bytes), rest::binary>>) when rest != "" do
    with :ok <- send_some(request, [head, piece]), do: send_pieces(request, "", rest)
  end

  defp send_pieces(request, head, rest), do: send_some(request, [head, rest])

  # Sends bytes, or says that the reader has taken none of them for too long.
  defp send_some(%{socket: socket, patience: patience}, bytes) do
    with {:error, :timeout} <- :gen_tcp.send(socket, bytes),
         {:ok, progress} <- progress(socket),
         do: wait(socket, progress, patience, patience)
  end

  # Waits until the socket's queue is empty, as long as the reader makes progress.
  defp wait(_, {0, _}, _, _), do: :ok
  defp wait(_, _, left, _) when left <= 0, do: {:error, :timeout}

  defp wait(socket, {pending, acknowledged} = before, left, patience) do
    Process.sleep(@look)

    case progress(socket) do
      {:ok, {less, more} = now} when less < pending or more > acknowledged ->
        wait(socket, now, patience, patience)

      {:ok, _} ->
        wait(socket, before, left - @look, patience)

      error ->
        error
    end
  end

  # Bytes waiting for the kernel, and bytes that the reader's machine has acknowledged. The kernel takes more only once
  # a third of its buffer is free, which can take a slow reader longer than it may pause.
  defp progress(socket) do
    with {:ok, [send_pend: pending]} <- :inet.getstat(socket, [:send_pend]),
         do: {:ok, {pending, acknowledged(socket)}}
  end

  # `tcpi_bytes_acked` of Linux's `struct tcp_info`. Other systems have another layout.
  @tcp_info {:raw, 6, 11, 128}

  defp acknowledged(socket) do
    with {:unix, :linux} <- :os.type(),
         {:ok, [{:raw, _, _, <<_::binary-size(120), bytes::native-64>>}]} <-
           :inet.getopts(socket, [@tcp_info]) do
      bytes
    else
      _ -> 0
    end
  end

  # Closing with unread bytes would reset the connection, and the sender might never see the answer.
  defp linger(socket, time) do
    _ = :gen_tcp.shutdown(socket, :write)
    drop(socket, System.monotonic_time(:millisecond) + time)
  end

  defp drop(socket, deadline) do
    left = deadline - System.monotonic_time(:millisecond)
    # With nothing left it would still get what has arrived, and go on for as long as somebody sends.
    with true <- left > 0, {:ok, _} <- :gen_tcp.recv(socket, 0, left), do: drop(socket, deadline)
    :ok
  end

  defp head(status, headers, close) do
    connection = if close, do: [{"Connection", "close"}], else: []
    date = Calendar.strftime(DateTime.utc_now(), "%a, %d %b %Y %H:%M:%S GMT")

    [
      "HTTP/1.1 #{status} \r\nDate: #{date}\r\n",
      for({name, value} <- connection ++ headers, do: [name, ": ", value, "\r\n"]),
      "\r\n"
    ]
  end
end
