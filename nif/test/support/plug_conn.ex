defmodule Plug.Conn do
  @moduledoc """
  What `Chunker.Upload.Plug` uses of Plug, which cannot be had without Hex: the functions of that name, as
  Plug 1.16 documents them, over a body and a reader that a test says.

  `body` is what `read_body/2` returns, call by call, without the conn; `reader` is how many chunks are taken before
  the reader is gone.
  """

  defstruct method: "GET",
            request_path: "/",
            query_string: "",
            req_headers: [],
            resp_headers: [{"cache-control", "max-age=0, private, must-revalidate"}],
            status: nil,
            resp_body: [],
            state: :unset,
            halted: false,
            body: [],
            reader: :infinity,
            assigns: %{}

  def read_body(%__MODULE__{body: body} = conn, options) do
    [:length, :read_length, :read_timeout] = options |> Keyword.keys() |> Enum.sort()

    case body do
      [] -> {:ok, "", conn}
      [{:error, reason} | _] -> {:error, reason}
      [{more, bytes} | rest] -> {more, bytes, %{conn | body: rest}}
    end
  end

  def put_resp_header(%__MODULE__{state: :unset} = conn, name, value) do
    true = name == String.downcase(name)
    :nomatch = :binary.match(value, ["\r", "\n"])
    %{conn | resp_headers: List.keystore(conn.resp_headers, name, 0, {name, value})}
  end

  def halt(conn), do: %{conn | halted: true}

  # Web servers say themselves how long the body is, and Bandit says nothing of an empty one to `HEAD`.
  def send_resp(%__MODULE__{state: :unset} = conn, status, body) do
    length = {"content-length", "#{IO.iodata_length(body)}"}
    headers = List.keystore(conn.resp_headers, "content-length", 0, length)
    %{conn | state: :sent, status: status, resp_headers: headers, resp_body: body}
  end

  def send_chunked(%__MODULE__{state: :unset} = conn, status), do: %{conn | state: :chunked, status: status}

  def chunk(%__MODULE__{state: :chunked, reader: 0}, _), do: {:error, :closed}

  def chunk(%__MODULE__{state: :chunked, reader: reader} = conn, piece) do
    reader = if is_integer(reader), do: reader - 1, else: reader
    {:ok, %{conn | reader: reader, resp_body: [conn.resp_body, piece]}}
  end
end
