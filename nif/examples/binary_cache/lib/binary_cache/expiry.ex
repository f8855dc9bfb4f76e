defmodule BinaryCache.Expiry do
  @moduledoc """
  Removes NARs whose narinfo never came.
  """

  use GenServer
  alias BinaryCache.{Cache, Incoming}

  @spec start_link(Cache.t()) :: GenServer.on_start()
  def start_link(cache), do: GenServer.start_link(__MODULE__, cache)

  @impl true
  def init(cache), do: {:ok, cache, {:continue, :expire}}

  @impl true
  def handle_continue(:expire, cache), do: expire(cache)

  @impl true
  def handle_info(:expire, cache), do: expire(cache)

  defp expire(cache) do
    _ = Incoming.expire(cache)
    _ = Process.send_after(self(), :expire, max(div(cache.limits.expiry, 10), 1_000))
    {:noreply, cache}
  end
end
