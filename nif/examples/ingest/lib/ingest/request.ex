defmodule Ingest.Request do
  @moduledoc """
  The head of a request, and the body behind it as far as it has not been read.

  Functions that read return the request again: what is left of it has changed.
  """

  import Ingest.Refusal, only: [refuse: 3]
  alias Ingest.{Limits, Refusal}

  @enforce_keys [:socket, :limits, :method, :path, :query, :headers, :length, :keep_alive, :waiting]
  defstruct @enforce_keys ++ [unread: 0, buffer: ""]

  @typedoc """
  `:path` and `:query` are as they were sent. `:length` is the announced length of the body, `:unknown`
  that of one without, and `nil` says that there is no body. `:waiting` says that the sender waits for
  `100 Continue`. `:buffer` has bytes that have arrived: of the body, and of requests behind it.
  """
  @type t :: %__MODULE__{
          socket: :gen_tcp.socket(),
          limits: Limits.t(),
          method: String.t(),
          path: String.t(),
          query: String.t(),
          headers: %{optional(String.t()) => [String.t()]},
          length: non_neg_integer | :unknown | nil,
          keep_alive: boolean,
          waiting: boolean,
          unread: non_neg_integer | :unknown,
          buffer: binary
        }

  @doc """
  Reads the head of a request of which `buffer` has come already.

  Returns `:closed` if the sender goes away, and a refusal if it is not HTTP/1.1, too long or too slow.
  """
  @spec read(:gen_tcp.socket(), binary, Limits.t()) :: {:ok, t} | {:error, Refusal.t()} | :closed
  def read(socket, buffer, limits) do
    read_head(socket, buffer, limits, deadline(limits.head_timeout))
  end

  # A client may end its last body with an empty line that does not belong to it (RFC 9112, §2.2).
  defp read_head(socket, "\r\n" <> buffer, limits, deadline),
    do: read_head(socket, buffer, limits, deadline)

  defp read_head(socket, buffer, limits, deadline) do
    case :binary.split(buffer, "\r\n\r\n") do
      [head, rest] when byte_size(head) <= limits.max_head_bytes ->
        with {:ok, request} <- parse(head),
             do: {:ok, %{request | socket: socket, limits: limits, buffer: rest}}

      [_] when byte_size(buffer) <= limits.max_head_bytes ->
        case :gen_tcp.recv(socket, 0, remaining(deadline)) do
          {:ok, piece} -> read_head(socket, buffer <> piece, limits, deadline)
          {:error, :timeout} -> refuse(408, "request_timeout", "the head took too long")
          {:error, _} -> :closed
        end

      _ ->
        refuse(431, "headers_too_large", "the head of the request is too large")
    end
  end

  defp parse(head) do
    with :ok <- check_lines(head),
         {:ok, {:http_request, method, target, version}, rest} when version in [{1, 0}, {1, 1}] <-
           :erlang.decode_packet(:http_bin, head <> "\r\n\r\n", []),
         {path, query} = split_target(target),
         {:ok, headers} <- parse_headers(rest, %{}),
         :ok <- check_host(headers, version),
         {:ok, length} <- parse_length(headers) do
      {:ok,
       %__MODULE__{
         socket: nil,
         limits: nil,
         method: to_string(method),
         path: path,
         query: query,
         headers: headers,
         length: length,
         keep_alive: version == {1, 1} and "close" not in tokens(headers, "connection"),
         waiting:
           version == {1, 1} and length not in [nil, 0] and "100-continue" in tokens(headers, "expect"),
         unread: length || 0
       }}
    else
      _ -> refuse(400, "malformed_request", "this is not HTTP/1.1")
    end
  end

  # RFC 9112, §3: single spaces, and nothing behind the version.
  @request_line ~r/\A[!#$%&'*+.^_`|~0-9A-Za-z-]+ [\x21-\x7e]+ HTTP\/1\.[01]\z/

  # What OTP's parser lets through, and what proxies in front may understand in another way: other request
  # lines, lines that end in LF or CR alone, folded lines, and NUL.
  defp check_lines(head) do
    [request_line | _] = lines = :binary.split(head, "\r\n", [:global])
    if request_line =~ @request_line and Enum.all?(lines, &line?/1), do: :ok, else: :error
  end

  defp line?(<<first, _::binary>> = line) when first not in ' \t',
    do: :binary.match(line, ["\r", "\n", "\0"]) == :nomatch

  defp line?(_), do: false

  defp parse_headers(text, headers) do
    case :erlang.decode_packet(:httph_bin, text, []) do
      {:ok, {:http_header, _, _, name, value}, rest} when name != "" ->
        value = String.replace(value, ~r/\A[ \t]+|[ \t]+\z/, "")
        parse_headers(rest, Map.update(headers, String.downcase(name, :ascii), [value], &(&1 ++ [value])))

      {:ok, :http_eoh, ""} ->
        {:ok, headers}

      _ ->
        :error
    end
  end

  defp check_host(headers, version) do
    case headers do
      %{"host" => [_]} -> :ok
      %{"host" => _} -> :error
      _ when version == {1, 0} -> :ok
      _ -> :error
    end
  end

  # A body with two lengths is how one request is smuggled in another.
  defp parse_length(%{"transfer-encoding" => _, "content-length" => _}), do: :error
  defp parse_length(%{"transfer-encoding" => _}), do: {:ok, :unknown}

  defp parse_length(%{"content-length" => [digits]}) do
    if digits =~ ~r/\A[0-9]{1,18}\z/, do: {:ok, String.to_integer(digits)}, else: :error
  end

  defp parse_length(%{"content-length" => _}), do: :error
  defp parse_length(_), do: {:ok, nil}

  defp split_target({:abs_path, target}) do
    [path | query] = :binary.split(target, "?")
    {path, Enum.join(query)}
  end

  # The forms for proxies and for the server as a whole: nothing is there.
  defp split_target(_), do: {"", ""}

  defp tokens(headers, name) do
    for value <- Map.get(headers, name, []),
        token <- String.split(value, ","),
        do: token |> String.trim() |> String.downcase(:ascii)
  end

  @doc """
  Returns the value of a header that is given once, `nil` otherwise.
  """
  @spec header(t, String.t()) :: String.t() | nil
  def header(request, name) do
    case request.headers do
      %{^name => [value]} -> value
      _ -> nil
    end
  end

  @doc """
  Returns the values of the query's fields of this name, decoded as forms are.
  """
  @spec fields(t, String.t()) :: [String.t()]
  def fields(request, name) do
    for field <- String.split(request.query, "&", trim: true),
        [field_name | value] = :binary.split(field, "="),
        decode(field_name) == name,
        do: value |> Enum.join() |> decode()
  end

  defp decode(text) do
    ~r/%([0-9A-Fa-f]{2})/
    |> Regex.replace(String.replace(text, "+", " "), fn _, digits -> Base.decode16!(digits, case: :mixed) end)
    |> valid()
  end

  defp valid(text) do
    case :unicode.characters_to_binary(text) do
      text when is_binary(text) -> text
      {_, valid, <<_, rest::binary>>} -> valid <> "\uFFFD" <> valid(rest)
    end
  end

  @doc """
  Reads the body in pieces of at most 64 KiB, and passes each with the accumulator to `fun`.

  Refuses a body that takes too long; exits if its sender goes away.
  """
  @spec reduce(t, acc, (binary, acc -> acc)) :: {:ok, acc, t} | {:error, Refusal.t(), t} when acc: term
  def reduce(request, acc, fun), do: reduce(proceed(request), acc, fun, deadline(request.limits.body_timeout))

  defp reduce(%{unread: 0} = request, acc, _, _), do: {:ok, acc, request}

  defp reduce(request, acc, fun, deadline) do
    case receive_piece(request, min(request.limits.idle_timeout, remaining(deadline))) do
      {:ok, piece, request} ->
        reduce(request, fun.(piece, acc), fun, deadline)

      {:error, :timeout} ->
        {:error, refusal} = refuse(408, "request_timeout", "the body took too long")
        {:error, refusal, %{request | keep_alive: false, unread: 0}}

      {:error, _} ->
        exit(:normal)
    end
  end

  @doc """
  Returns the whole body, whose length the caller has limited.
  """
  @spec read_all(t) :: {:ok, binary, t} | {:error, Refusal.t(), t}
  def read_all(request) do
    with {:ok, pieces, request} <- reduce(request, [], &[&2 | &1]),
         do: {:ok, IO.iodata_to_binary(pieces), request}
  end

  @doc """
  Reads and drops the rest of the body, for at most `timeout` milliseconds.
  """
  @spec drain(t, non_neg_integer) :: t
  def drain(request, timeout), do: drain_until(request, deadline(timeout))

  defp drain_until(%{unread: 0} = request, _), do: request

  defp drain_until(request, deadline) do
    case receive_piece(request, remaining(deadline)) do
      {:ok, _, request} -> drain_until(request, deadline)
      {:error, _} -> request
    end
  end

  # Asks the sender for the body where it waits for that.
  defp proceed(%{waiting: true} = request) do
    _ = :gen_tcp.send(request.socket, "HTTP/1.1 100 Continue\r\n\r\n")
    %{request | waiting: false}
  end

  defp proceed(request), do: request

  defp receive_piece(%{buffer: ""} = request, timeout) do
    with {:ok, bytes} <- :gen_tcp.recv(request.socket, 0, timeout),
         do: receive_piece(%{request | buffer: bytes}, timeout)
  end

  defp receive_piece(%{unread: :unknown, buffer: piece} = request, _),
    do: {:ok, piece, %{request | buffer: ""}}

  defp receive_piece(%{unread: unread, buffer: buffer} = request, _) when byte_size(buffer) <= unread,
    do: {:ok, buffer, %{request | unread: unread - byte_size(buffer), buffer: ""}}

  defp receive_piece(%{unread: unread, buffer: buffer} = request, _) do
    <<piece::binary-size(unread), rest::binary>> = buffer
    {:ok, piece, %{request | unread: 0, buffer: rest}}
  end

  defp deadline(milliseconds), do: System.monotonic_time(:millisecond) + milliseconds
  defp remaining(deadline), do: max(deadline - System.monotonic_time(:millisecond), 0)
end
