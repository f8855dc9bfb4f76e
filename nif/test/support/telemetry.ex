defmodule :telemetry do
  @moduledoc """
  What `Chunker.Telemetry` needs of the library of this name: events are messages to the caller.
  """

  def execute(event, measurements, metadata) do
    if Process.get(__MODULE__, false), do: send(self(), {event, measurements, metadata})
    :ok
  end
end
