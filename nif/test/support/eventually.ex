defmodule Chunker.Eventually do
  @moduledoc """
  Waiting for what other threads do in their own time.
  """

  @doc """
  Says whether a condition becomes true within about five seconds.
  """
  def eventually(condition, attempts \\ 500) do
    condition.() or (attempts > 0 and Process.sleep(10) == :ok and eventually(condition, attempts - 1))
  end
end
