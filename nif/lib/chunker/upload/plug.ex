defmodule Chunker.Upload.Plug do
  @moduledoc """
  `Chunker.Upload` as a plug, for Plug and Phoenix.

      # In a module of your application; made when it starts, and kept:
      def upload, do: :persistent_term.get(MyApp.Upload)

      # In an endpoint or a router, before Plug.Parsers and Plug.Head:
      forward "/store", to: Chunker.Upload.Plug, init_opts: [upload: &MyApp.upload/0]

  Give the upload the same `:prefix`, here `"/store"`: it matches paths as sent. Hooks find the `Plug.Conn` in
  `request.context`.

  This package neither depends on Plug nor has to be compiled after it: the module calls `Plug.Conn` if it is
  there.

  ## Options

    * `:upload` - a function that returns the `Chunker.Upload`, required
    * `:patience` - number of milliseconds for which the sender of a body may send nothing, by default 30,000;
      after that, the answer is 408

  The web server decides how long the reader of an answer may read nothing: Bandit and Cowboy have a
  `send_timeout`. They also count the server's own pauses, and may require that 16 KiB arrive within
  `:patience`.

  If stored data turns out to be damaged while an answer is sent, the plug raises `Chunker.Error`, which makes
  the web server cut the connection.
  """

  alias Chunker.Upload

  # The package must compile without it.
  @compile {:no_warn_undefined, Plug.Conn}

  # The most bytes that one read returns, and that the web server requests from its socket.
  @piece_bytes 65_536
  @read_bytes 16_384

  @type option :: {:upload, (() -> Upload.t())} | {:patience, pos_integer}

  @doc false
  @spec init([option]) :: keyword
  def init(options) do
    options = Keyword.validate!(options, [:upload, patience: 30_000])

    unless is_function(options[:upload], 0),
      do: raise(ArgumentError, "upload: #{inspect(options[:upload])} is not a function of no arguments")

    options
  end

  @doc false
  @spec call(conn, keyword) :: conn when conn: map
  def call(conn, options) do
    head = %{method: conn.method, target: target(conn), headers: conn.req_headers}
    state = {conn, :unread}
    {answer, {conn, _}} = Upload.answer(options[:upload].(), head, state, &read(&1, options[:patience]), conn)
    send_answer(conn, answer)
  end

  defp target(%{request_path: path, query_string: ""}), do: path
  defp target(%{request_path: path, query_string: query}), do: path <> "?" <> query

  defp read({conn, read}, patience) do
    options = [length: @piece_bytes, read_length: @read_bytes, read_timeout: patience]

    case Plug.Conn.read_body(conn, options) do
      # Called because there must be a body.
      {:ok, "", _} when read == :unread ->
        raise "the request body was already read: put Chunker.Upload.Plug before Plug.Parsers"

      {:ok, "", conn} ->
        {:error, :closed, {conn, :read}}

      {:more, "", conn} ->
        {:error, :timeout, {conn, :read}}

      {more, piece, conn} when more in [:ok, :more] ->
        {:ok, piece, {conn, :read}}

      {:error, :timeout} ->
        {:error, :timeout, {conn, :read}}

      {:error, _} ->
        {:error, :closed, {conn, :read}}
    end
  end

  defp send_answer(conn, answer) do
    conn =
      answer.headers
      |> Enum.reduce(conn, fn {name, value}, conn ->
        Plug.Conn.put_resp_header(conn, String.downcase(name, :ascii), value)
      end)
      |> close_after(answer.status)
      |> Plug.Conn.halt()

    case answer.body do
      bytes when is_binary(bytes) -> Plug.Conn.send_resp(conn, answer.status, bytes)
      pieces -> send_pieces(Plug.Conn.send_chunked(conn, answer.status), pieces)
    end
  end

  # What is left of the body comes, if ever, too late.
  defp close_after(conn, 408), do: Plug.Conn.put_resp_header(conn, "connection", "close")
  defp close_after(conn, _), do: conn

  defp send_pieces(conn, pieces) do
    Enum.reduce_while(pieces, conn, fn piece, conn ->
      case Plug.Conn.chunk(conn, piece) do
        {:ok, conn} -> {:cont, conn}
        # The reader has gone.
        {:error, _} -> {:halt, conn}
      end
    end)
  end
end
