defmodule Chunker.Log do
  @moduledoc false
  # Passes the log lines of the native library to Logger, which the threads of a library cannot call.

  use GenServer
  require Logger

  alias Chunker.Native

  # Interval in milliseconds at which to look for lines, while logging is on.
  @interval 50

  @type level :: :none | :error | :warning | :info | :debug | :all
  @levels [:none, :error, :warning, :info, :debug, :all]

  @spec start_link(term) :: GenServer.on_start()
  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  # Returns once Logger has all lines up to now.
  @spec set_level(level) :: :ok
  def set_level(level) do
    unless level in @levels,
      do: raise(ArgumentError, "unknown log level #{inspect(level)} (expected one of #{inspect(@levels)})")

    :ok = Native.set_log_level(level)
    {:ok, _} = Application.ensure_all_started(:chunker)
    GenServer.call(__MODULE__, :level_changed, :infinity)
  end

  @impl true
  def init(nil), do: {:ok, nil, {:continue, :look}}

  # Lines logged before a crash may still be queued, unless the native library is missing.
  @impl true
  def handle_continue(:look, nil) do
    {:noreply, if(Chunker.available?(), do: look(nil))}
  end

  @impl true
  def handle_call(:level_changed, _from, timer), do: {:reply, :ok, look(timer)}

  @impl true
  def handle_info(:look, timer), do: {:noreply, look(timer)}

  # Logs the waiting lines. Returns the timer of the next look, if there will be one.
  defp look(timer) do
    _ = if timer, do: Process.cancel_timer(timer)
    {lines, lost} = Native.log_lines()

    for {level, micros, text} <- lines,
        do: Logger.log(level, text, time: micros, domain: [:chunker])

    if lost > 0,
      do: Logger.warning("#{lost} log lines were lost because they came too fast", domain: [:chunker])

    if Native.log_level() != :none, do: Process.send_after(self(), :look, @interval)
  end
end
