defmodule Ingest do
  @moduledoc """
  A server for the upload protocol of `docs/upload-protocol.md`: it receives files by their chunks,
  stores each chunk once, and gives files back.

      children = [{Ingest, root: "/var/lib/uploads", port: 4000}]
      Supervisor.start_link(children, strategy: :one_for_one)

  The store on disk is that of `chunker-cdc/dedup/server` for Node.js: either server can be started on
  a directory that the other has written, one at a time.

  ## How it works

      Ingest (supervisor)
      ├── Ingest.Budget       bytes of bodies in memory
      ├── Ingest.Budget       decoders
      ├── Task.Supervisor     one Ingest.Connection for each connection
      └── Ingest.Listener     the socket, and eight processes that accept

  A connection reads a request (`Ingest.Request`), finds its endpoint (`Ingest.Router`), which checks
  what arrives and keeps it (`Ingest.Endpoints`, `Ingest.Store`), and sends the answer
  (`Ingest.Response`). Chunks are digested and written while they arrive, in pieces of at most 64 KiB.

  When the supervisor stops, nobody is accepted any more, idle connections are closed, and requests in
  progress are finished within `:shutdown_timeout`.

  It has no notion of users: whoever can reach it can use the whole store. It listens on the loopback
  address unless it is told otherwise; TLS and authorization belong in front of it.

  ## Options

    * `:root` - the directory of the store, required; created if needed
    * `:port` - by default 4000; 0 for any that is free, see `port/1`
    * `:ip` - the address to listen on, by default `{127, 0, 0, 1}`
    * `:limits` - fields of `Ingest.Limits`, as a keyword list
    * `:cors` - which pages of other origins may use it: `[origins: :all | [origin], headers: [name]]`
    * `:page` - the directories of a page to serve besides, see `Ingest.Page`; by default none
    * `:name` - the name of the supervisor, by default `Ingest`; two servers need two names
  """

  use Supervisor
  alias Ingest.{Budget, Limits, Listener, Page, Router, Store}

  @type option ::
          {:root, Path.t()}
          | {:port, :inet.port_number()}
          | {:ip, :inet.ip_address()}
          | {:limits, keyword}
          | {:cors, [origins: :all | [String.t()], headers: [String.t()]]}
          | {:page, Page.directories()}
          | {:name, atom}

  @spec start_link([option]) :: Supervisor.on_start()
  def start_link(options) do
    options =
      Keyword.validate!(options, [
        :root,
        :cors,
        page: [],
        port: 4000,
        ip: {127, 0, 0, 1},
        limits: [],
        name: __MODULE__
      ])

    Supervisor.start_link(__MODULE__, options, name: options[:name])
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
    [buffered, served, decoders, connections] =
      for part <- [Buffered, Served, Decoders, Connections], do: Module.concat(options[:name], part)

    limits = struct!(Limits, options[:limits])

    router = %Router{
      # The supervisor owns the table of the store, which so lives as long as all that use it.
      store: options |> Keyword.fetch!(:root) |> Store.open!(),
      limits: limits,
      buffered: buffered,
      served: served,
      decoders: decoders,
      cors: options[:cors] && Map.merge(%{headers: []}, Map.new(options[:cors])),
      page: if(options[:page] != [], do: Page.load!(options[:page]))
    }

    children = [
      Supervisor.child_spec({Budget, name: buffered, capacity: limits.max_buffered_bytes}, id: :buffered),
      Supervisor.child_spec({Budget, name: served, capacity: limits.max_served_bytes}, id: :served),
      Supervisor.child_spec({Budget, name: decoders, capacity: limits.max_decoders}, id: :decoders),
      {Task.Supervisor, name: connections, max_children: limits.max_connections},
      {Listener, ip: options[:ip], port: options[:port], router: router, connections: connections}
    ]

    Supervisor.init(children, strategy: :rest_for_one)
  end
end
