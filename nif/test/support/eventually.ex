defmodule Chunker.Eventually do
  @moduledoc """
  Waits for work of other threads.
  """

  @doc """
  Returns whether a condition becomes true within about five seconds.
  """
  def eventually(condition, attempts \\ 500) do
    condition.() or (attempts > 0 and Process.sleep(10) == :ok and eventually(condition, attempts - 1))
  end
end
