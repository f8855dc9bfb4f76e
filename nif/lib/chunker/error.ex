defmodule Chunker.Error do
  @moduledoc """
  What the functions with a `!` raise: an error's `code`, one of `t:Chunker.error/0`.
  """

  defexception [:code]

  @type t :: %__MODULE__{code: Chunker.error()}

  @impl true
  def message(%{code: code}), do: "chunker: #{code}"

  @doc false
  @spec unwrap!({:ok, value} | {:error, Chunker.error()}) :: value when value: term
  def unwrap!({:ok, value}), do: value
  def unwrap!({:error, code}), do: raise(__MODULE__, code: code)
end
