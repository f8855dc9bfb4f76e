defmodule Ingest.Http do
  @moduledoc """
  HTTP/1.1 over OTP's sockets: one request in, one answer out, both piece by piece.

      {Ingest.Http, name: MyServer, port: 4000, handler: &handle/1}

      def handle(request) do
        {%{status: 200, headers: [{"Content-Length", "2"}], body: "ok"}, request}
      end

  A handler is called in the process of its connection with an `Ingest.Http.Request`, may read the body with
  `Ingest.Http.Request.read/1`, and returns the answer and the request as reading has left it. The body of an answer
  is a binary, or an enumerable of binaries. The handler gives the `Content-Length`; a stream without one is sent in
  chunks. If a stream raises, the connection is cut: a short body never passes for a whole one.

  It measures only how long its peer makes no progress: sends nothing of a body, or takes nothing of an answer. (On
  Linux, bytes count as taken once the peer's machine has acknowledged them.) A process that was suspended looks a
  second time before it gives up.

      Ingest.Http (supervisor)
      ├── Task.Supervisor        one Ingest.Http.Connection for each connection
      └── Ingest.Http.Listener   the socket, and eight processes that accept

  When it stops, nobody is accepted any more, idle connections are closed, and requests in progress are finished
  within `:shutdown`.

  ## Options

    * `:handler` - required
    * `:port` - by default 4000; 0 for any that is free, see `port/1`
    * `:ip` - the address to listen on, by default `{127, 0, 0, 1}`
    * `:connections` - how many there may be, by default 1024; one more is answered 503
    * `:head_bytes` - bytes of the longest head, by default 16 KiB
    * `:head_timeout` - milliseconds that a head may take, and a connection may wait for one, by default 20,000
    * `:patience` - milliseconds that a peer may make no progress, by default 30,000
    * `:shutdown` - milliseconds that requests in progress have when the server stops, by default 10,000
    * `:name` - by default `Ingest.Http`; two servers need two names
  """

  use Supervisor
  alias Ingest.Http.{Listener, Request}

  @type answer :: %{
          :status => 200..599,
          :headers => [{String.t(), String.t()}],
          :body => binary | Enumerable.t(),
          optional(term) => term
        }

  @type handler :: (Request.t() -> {answer, Request.t()})

  @type option ::
          {:handler, handler}
          | {:port, :inet.port_number()}
          | {:ip, :inet.ip_address()}
          | {:connections, pos_integer}
          | {:head_bytes, pos_integer}
          | {:head_timeout, pos_integer}
          | {:patience, pos_integer}
          | {:shutdown, pos_integer}
          | {:name, atom}

  @spec start_link([option]) :: Supervisor.on_start()
  def start_link(options) do
    options =
      Keyword.validate!(options, [
        :handler,
        port: 4000,
        ip: {127, 0, 0, 1},
        connections: 1024,
        head_bytes: 16 * 1024,
        head_timeout: 20_000,
        patience: 30_000,
        shutdown: 10_000,
        name: __MODULE__
      ])

    Supervisor.start_link(__MODULE__, Map.new(options), name: options[:name])
  end

  @doc """
  Returns the port that a server listens on.
  """
  @spec port(Supervisor.supervisor()) :: :inet.port_number()
  def port(server \\ __MODULE__) do
    {_, listener, _, _} = server |> Supervisor.which_children() |> List.keyfind!(Listener, 0)
    Listener.port(listener)
  end

  @impl true
  def init(options) do
    connections = Module.concat(options.name, Connections)

    children = [
      {Task.Supervisor, name: connections, max_children: options.connections},
      {Listener, Map.put(options, :supervisor, connections)}
    ]

    Supervisor.init(children, strategy: :rest_for_one)
  end
end
