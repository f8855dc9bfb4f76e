defmodule Chunker.Upload.Plug do
  @moduledoc """
  `Chunker.Upload` as a plug, for Plug and Phoenix.

      # In your application, which calls :persistent_term.put(MyApp.Upload, upload) when it starts:
      def upload, do: :persistent_term.get(MyApp.Upload)

      # In a Plug.Router, before Plug.Parsers and Plug.Head:
      forward "/store", to: Chunker.Upload.Plug, init_opts: [upload: &MyApp.upload/0]

      # In a Phoenix.Endpoint, above these two:
      @store Chunker.Upload.Plug.init(upload: &MyApp.upload/0)
      plug :store

      defp store(%{path_info: ["store" | _]} = conn, _), do: Chunker.Upload.Plug.call(conn, @store)
      defp store(conn, _), do: conn

  Give the upload the same `:prefix`, here `"/store"`: it matches paths as sent. Hooks find the `Plug.Conn` in
  `request.context`.

  This package does not depend on Plug, and can be compiled before it: the module calls `Plug.Conn` at run time.

  ## Options

    * `:upload` - a function that returns the `Chunker.Upload`, required
    * `:patience` - how long a client may send nothing of a body, in milliseconds, by default 30,000; after
      that, the answer is 408

  The web server decides how long a client may read nothing of an answer: Bandit and Cowboy have a
  `send_timeout`. They also count the server's own pauses, and may require that 16 KiB arrive within
  `:patience`.

  If stored data turns out to be damaged while an answer is being sent, the plug raises `Chunker.Error`, so that
  the web server cuts the connection.
  """

  alias Chunker.Upload

  # The package must compile without it.
  @compile {:no_warn_undefined, Plug.Conn}

  # Limits in bytes for one read, and for what the web server requests from its socket.
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
      # This function is called only if there must be a body.
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

    cond do
      # With `send_resp`, Cowboy and Bandit would replace the length in the head by that of the body: none.
      conn.method == "HEAD" -> Plug.Conn.send_chunked(conn, answer.status)
      is_binary(answer.body) -> Plug.Conn.send_resp(conn, answer.status, answer.body)
      true -> send_pieces(Plug.Conn.send_chunked(conn, answer.status), answer.body)
    end
  end

  # The rest of the body would come too late, if ever.
  defp close_after(conn, 408), do: Plug.Conn.put_resp_header(conn, "connection", "close")
  defp close_after(conn, _), do: conn

  defp send_pieces(conn, pieces) do
    Enum.reduce_while(pieces, conn, fn piece, conn ->
      case Plug.Conn.chunk(conn, piece) do
        {:ok, conn} -> {:cont, conn}
        # The client has closed the connection.
        {:error, _} -> {:halt, conn}
      end
    end)
  end
end
