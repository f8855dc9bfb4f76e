defmodule Ingest.Http.Request do
  @moduledoc """
  The head of a request, and its body as far as it has not been read.
  """

  @enforce_keys [:method, :target, :version, :headers, :peer, :length, :keep_alive, :waiting, :unread]
  defstruct @enforce_keys ++ [:socket, :patience, buffer: ""]

  @typedoc """
  `:target` and `:headers` are as they were sent, `:version` is the minor version of HTTP/1. `:length` is that of the
  body in bytes, `:unknown` if the head does not say, and `nil` without a body. `:waiting` says that the sender waits
  for `100 Continue`. `:buffer` holds bytes that have arrived: of the body, and of later requests.
  """
  @type t :: %__MODULE__{
          method: String.t(),
          target: String.t(),
          version: 0 | 1,
          headers: [{String.t(), String.t()}],
          peer: {:inet.ip_address(), :inet.port_number()} | nil,
          length: non_neg_integer | :unknown | nil,
          keep_alive: boolean,
          waiting: boolean,
          unread: non_neg_integer | :unknown,
          socket: :gen_tcp.socket() | nil,
          patience: pos_integer | nil,
          buffer: binary
        }

  # How long what has arrived may take to get here after the process was suspended.
  @second_look 1_000

  @doc """
  Reads the head of a request of which `buffer` has come already.

  Returns `:closed` if the sender goes away, and a status if it is not HTTP/1.1, too long or too slow.
  """
  @spec read_head(:gen_tcp.socket(), binary, map) :: {:ok, t} | {:error, 400 | 408 | 431} | :closed
  def read_head(socket, buffer, options) do
    head(socket, buffer, options, System.monotonic_time(:millisecond) + options.head_timeout)
  end

  # A client may end its last body with an empty line that does not belong to it (RFC 9112, §2.2).
  defp head(socket, "\r\n" <> buffer, options, deadline), do: head(socket, buffer, options, deadline)

  defp head(socket, buffer, %{head_bytes: limit} = options, deadline) do
    case :binary.split(buffer, "\r\n\r\n") do
      [head, rest] when byte_size(head) <= limit ->
        with {:ok, request} <- parse(head),
             do:
               {:ok,
                %{request | socket: socket, patience: options.patience, buffer: rest, peer: peer(socket)}}

      [_] when byte_size(buffer) <= limit ->
        left = deadline - System.monotonic_time(:millisecond)

        # With nothing left it would still get what has arrived, and a sender of empty lines never end.
        case if(left > 0, do: :gen_tcp.recv(socket, 0, left), else: {:error, :timeout}) do
          {:ok, piece} -> head(socket, buffer <> piece, options, deadline)
          {:error, :timeout} -> {:error, 408}
          {:error, _} -> :closed
        end

      _ ->
        {:error, 431}
    end
  end

  defp peer(socket) do
    case :inet.peername(socket) do
      {:ok, peer} -> peer
      {:error, _} -> nil
    end
  end

  # RFC 9112, §3: single spaces, and nothing behind the version.
  @request_line ~r/\A([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) HTTP\/1\.([01])\z/
  # A line that ends in LF or CR alone, is folded, or has NUL may mean something else to a proxy in front.
  @field ~r/\A([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*?)[ \t]*\z/

  defp parse(head) do
    [request_line | fields] = :binary.split(head, "\r\n", [:global])

    with [_, method, target, version] <- Regex.run(@request_line, request_line),
         {:ok, headers} <- fields(fields, []),
         :ok <- check_host(values(headers, "host"), version),
         {:ok, length} <- length(values(headers, "transfer-encoding"), values(headers, "content-length")) do
      {:ok,
       %__MODULE__{
         method: method,
         target: target,
         version: String.to_integer(version),
         headers: headers,
         peer: nil,
         length: length,
         keep_alive: version == "1" and "close" not in tokens(headers, "connection"),
         waiting: version == "1" and length not in [nil, 0] and "100-continue" in tokens(headers, "expect"),
         unread: length || 0
       }}
    else
      _ -> {:error, 400}
    end
  end

  defp fields([], headers), do: {:ok, Enum.reverse(headers)}

  defp fields([line | lines], headers) do
    case Regex.run(@field, line) do
      [_, name, value] -> fields(lines, [{name, value} | headers])
      nil -> :error
    end
  end

  defp check_host([_], _), do: :ok
  defp check_host([], "0"), do: :ok
  defp check_host(_, _), do: :error

  # A body with two lengths is how one request is smuggled in another.
  defp length([], []), do: {:ok, nil}
  defp length([_ | _], []), do: {:ok, :unknown}

  defp length([], [digits]),
    do: if(digits =~ ~r/\A[0-9]{1,18}\z/, do: {:ok, String.to_integer(digits)}, else: :error)

  defp length(_, _), do: :error

  @doc """
  Returns the values of a header, whatever the case of its name.
  """
  @spec values(t | [{String.t(), String.t()}], String.t()) :: [String.t()]
  def values(%__MODULE__{headers: headers}, name), do: values(headers, name)

  def values(headers, name),
    do: for({other, value} <- headers, String.downcase(other, :ascii) == name, do: value)

  defp tokens(headers, name) do
    for value <- values(headers, name),
        token <- String.split(value, ","),
        do: token |> String.trim() |> String.downcase(:ascii)
  end

  @doc """
  Returns the next piece of the body, and the request.

  `:closed` says that there is no more, `:timeout` that the sender pauses for longer than it may; what it sends after
  that is not read.
  """
  @spec read(t) :: {:ok, binary, t} | {:error, :timeout | :closed, t}
  def read(%__MODULE__{} = request), do: request |> proceed() |> read(request.patience)

  @doc """
  Reads and drops the rest of the body, for at most `timeout` milliseconds.
  """
  @spec drain(t, non_neg_integer) :: t
  def drain(request, timeout), do: drain_until(request, System.monotonic_time(:millisecond) + timeout)

  defp drain_until(%{unread: 0} = request, _), do: request

  defp drain_until(request, deadline) do
    case read(request, max(deadline - System.monotonic_time(:millisecond), 0)) do
      {:ok, _, request} -> drain_until(request, deadline)
      {:error, _, request} -> request
    end
  end

  # Asks the sender for the body where it waits for that.
  defp proceed(%{waiting: true} = request) do
    _ = :gen_tcp.send(request.socket, "HTTP/1.1 100 Continue\r\n\r\n")
    %{request | waiting: false}
  end

  defp proceed(request), do: request

  defp read(%{unread: 0} = request, _), do: {:error, :closed, request}

  defp read(%{buffer: ""} = request, timeout) do
    case receive_bytes(request.socket, timeout) do
      {:ok, bytes} -> read(%{request | buffer: bytes}, timeout)
      {:error, :timeout} -> {:error, :timeout, %{request | keep_alive: false}}
      {:error, _} -> {:error, :closed, %{request | keep_alive: false}}
    end
  end

  defp read(%{unread: :unknown, buffer: piece} = request, _), do: {:ok, piece, %{request | buffer: ""}}

  defp read(%{unread: unread, buffer: buffer} = request, _) when byte_size(buffer) <= unread,
    do: {:ok, buffer, %{request | unread: unread - byte_size(buffer), buffer: ""}}

  defp read(%{unread: unread, buffer: buffer} = request, _) do
    <<piece::binary-size(unread), rest::binary>> = buffer
    {:ok, piece, %{request | unread: 0, buffer: rest}}
  end

  defp receive_bytes(socket, timeout) do
    with {:error, :timeout} <- :gen_tcp.recv(socket, 0, timeout),
         do: :gen_tcp.recv(socket, 0, min(timeout, @second_look))
  end
end
