defmodule Ingest.Http.Listener do
  @moduledoc false
  # Owns the listening socket and the processes that accept connections from it.

  use GenServer
  alias Ingest.Http.Connection

  @acceptors 8
  @look 1_000
  # Where the VM or the machine has no file descriptors left.
  @pause 100

  @spec start_link(map) :: GenServer.on_start()
  def start_link(options), do: GenServer.start_link(__MODULE__, options)

  @spec port(GenServer.server()) :: :inet.port_number()
  def port(listener), do: GenServer.call(listener, :port)

  @impl true
  def init(%{ip: ip, port: port} = options) do
    case :gen_tcp.listen(port, socket_options(ip, options)) do
      {:ok, socket} ->
        for _ <- 1..@acceptors, do: spawn_link(fn -> accept(socket, options) end)
        {:ok, socket}

      {:error, reason} ->
        {:stop, {:listen, reason}}
    end
  end

  @impl true
  def handle_call(:port, _, socket) do
    {:ok, port} = :inet.port(socket)
    {:reply, port, socket}
  end

  defp socket_options(ip, options) do
    family = if tuple_size(ip) == 8, do: [:inet6], else: []

    family ++
      [
        :binary,
        ip: ip,
        packet: :raw,
        active: false,
        reuseaddr: true,
        nodelay: true,
        # Who has said all can still be answered.
        exit_on_close: false,
        backlog: 1024,
        buffer: 256 * 1024,
        # After this, the connection checks whether the reader makes progress.
        send_timeout: min(options.patience, @look)
      ]
  end

  defp accept(listening, options) do
    case :gen_tcp.accept(listening) do
      {:ok, socket} -> start(socket, options)
      {:error, :closed} -> exit(:shutdown)
      {:error, _} -> Process.sleep(@pause)
    end

    accept(listening, options)
  end

  defp start(socket, options) do
    arguments = [socket, options]

    case Task.Supervisor.start_child(options.supervisor, Connection, :serve, arguments,
           shutdown: options.shutdown
         ) do
      {:ok, connection} -> hand_over(socket, connection)
      {:error, :max_children} -> hand_over(socket, spawn(Connection, :turn_away, [socket]))
    end
  end

  defp hand_over(socket, connection) do
    # It fails if the client has gone already.
    _ = :gen_tcp.controlling_process(socket, connection)
    send(connection, :ready)
  end
end
