defmodule Ingest.Response do
  @moduledoc """
  Answers, and how they are written.
  """

  alias Ingest.{Json, Refusal, Request}

  @enforce_keys [:status]
  defstruct [:status, headers: [], length: nil, body: ""]

  @typedoc """
  A body is the bytes, or a stream of results whose first is taken before the head is sent.
  """
  @type t :: %__MODULE__{
          status: 200..599,
          headers: [{String.t(), String.t()}],
          length: non_neg_integer | nil,
          body: binary | {:stream, Enumerable.t()}
        }

  # What a send may hold back: the reader's pause is measured between pieces.
  @piece_bytes 64 * 1024

  @reasons %{
    200 => "OK",
    201 => "Created",
    204 => "No Content",
    400 => "Bad Request",
    404 => "Not Found",
    405 => "Method Not Allowed",
    408 => "Request Timeout",
    409 => "Conflict",
    411 => "Length Required",
    413 => "Content Too Large",
    415 => "Unsupported Media Type",
    421 => "Misdirected Request",
    431 => "Request Header Fields Too Large",
    500 => "Internal Server Error",
    503 => "Service Unavailable",
    507 => "Insufficient Storage"
  }

  @spec json(200..599, map, [{String.t(), String.t()}]) :: t
  def json(status, value, headers \\ []) do
    body = value |> Json.encode() |> IO.iodata_to_binary()
    headers = [{"Content-Type", "application/json"} | headers]
    %__MODULE__{status: status, headers: headers, length: byte_size(body), body: body}
  end

  @spec refusal(Refusal.t()) :: t
  def refusal(refusal) do
    missing = if refusal.missing, do: %{missing: refusal.missing}, else: %{}
    json(refusal.status, Map.merge(%{code: refusal.code, message: refusal.message}, missing), refusal.headers)
  end

  @doc """
  Returns an answer with stored bytes, which must not run as a page.
  """
  @spec stored(non_neg_integer, binary | {:stream, Enumerable.t()}, [{String.t(), String.t()}]) :: t
  def stored(length, body, headers \\ []) do
    headers = [{"Content-Type", "application/octet-stream"}, {"Content-Security-Policy", "sandbox"} | headers]
    %__MODULE__{status: 200, headers: headers, length: length, body: body}
  end

  @doc """
  Returns the value of `Content-Disposition` for an attachment of this name (RFC 6266): in plain ASCII
  and, for those that understand it, as it is.
  """
  @spec disposition(String.t()) :: String.t()
  def disposition(name) do
    case name
         |> String.replace(~r|[\x00-\x1f\x7f/\\]|, "_")
         |> String.codepoints()
         |> Enum.take(255)
         |> Enum.join() do
      "" ->
        "attachment"

      name ->
        ascii = String.replace(name, ~r/[^\x20-\x7e]|["%]/u, "_")
        encoded = URI.encode(name, &(&1 in ?0..?9 or &1 in ?a..?z or &1 in ?A..?Z or &1 in '-_.!~'))
        ~s(attachment; filename="#{ascii}"; filename*=UTF-8''#{encoded})
    end
  end

  @doc """
  Sends an answer to `request`, and to `HEAD` its head.

  Returns `{:refused, refusal}` if a stream begins with an error, of which nothing has been sent then,
  and `{:error, reason}` if the answer has been cut short: the connection must be closed at once.
  """
  @spec send(t, Request.t(), close: boolean) :: :ok | {:refused, Refusal.t()} | {:error, term}
  def send(response, request, close: close) do
    head = head(response, close)

    case response.body do
      _ when request.method == "HEAD" -> :gen_tcp.send(request.socket, head)
      {:stream, stream} -> send_stream(request.socket, head, stream)
      body -> send_pieces(request.socket, head, body)
    end
  end

  @doc """
  Sends an answer where there is no request.
  """
  @spec send_last(t, :gen_tcp.socket()) :: :ok | {:error, term}
  def send_last(response, socket), do: :gen_tcp.send(socket, [head(response, true), response.body])

  defp send_stream(socket, head, stream) do
    result =
      Enum.reduce_while(stream, {:unsent, head}, fn
        {:ok, bytes}, state ->
          case send_pieces(socket, if(state == :sent, do: "", else: head), bytes) do
            :ok -> {:cont, :sent}
            error -> {:halt, error}
          end

        {:error, refusal}, :sent ->
          {:halt, {:error, refusal}}

        {:error, refusal}, _ ->
          {:halt, {:refused, refusal}}
      end)

    case result do
      :sent -> :ok
      {:unsent, head} -> :gen_tcp.send(socket, head)
      other -> other
    end
  end

  defp send_pieces(socket, head, <<piece::binary-size(@piece_bytes), rest::binary>>) when rest != "" do
    with :ok <- :gen_tcp.send(socket, [head, piece]), do: send_pieces(socket, "", rest)
  end

  defp send_pieces(socket, head, rest), do: :gen_tcp.send(socket, [head, rest])

  defp head(response, close) do
    length = if response.length, do: [{"Content-Length", Integer.to_string(response.length)}], else: []
    connection = if close, do: [{"Connection", "close"}], else: []
    date = Calendar.strftime(DateTime.utc_now(), "%a, %d %b %Y %H:%M:%S GMT")

    [
      "HTTP/1.1 #{response.status} #{Map.fetch!(@reasons, response.status)}\r\nDate: #{date}\r\n",
      for({name, value} <- length ++ connection ++ response.headers, do: [name, ": ", value, "\r\n"]),
      "\r\n"
    ]
  end
end
