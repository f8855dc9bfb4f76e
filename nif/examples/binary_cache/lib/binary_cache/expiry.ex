defmodule BinaryCache.Expiry do
  @moduledoc """
  Removes NARs and listings whose narinfo never came.

  An error of the disk is logged, and the next round tries again.
  """

  use GenServer
  require Logger
  alias BinaryCache.{Cache, Documents, Incoming}

  @spec start_link(Cache.t()) :: GenServer.on_start()
  def start_link(cache), do: GenServer.start_link(__MODULE__, cache)

  @impl true
  def init(cache), do: {:ok, cache, {:continue, :expire}}

  @impl true
  def handle_continue(:expire, cache), do: expire(cache)

  @impl true
  def handle_info(:expire, cache), do: expire(cache)

  defp expire(cache) do
    for expire <- [&Incoming.expire/1, &Documents.expire/1], do: attempt(expire, cache)
    _ = Process.send_after(self(), :expire, max(div(cache.limits.expiry, 10), 1_000))
    {:noreply, cache}
  end

  defp attempt(expire, cache) do
    expire.(cache)
  rescue
    error in File.Error -> Logger.error("old files could not be removed: #{Exception.message(error)}")
  end
end
