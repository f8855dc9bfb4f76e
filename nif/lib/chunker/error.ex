defmodule Chunker.Error do
  @moduledoc """
  What the functions with a `!` raise, and what those of `Chunker.Store` return: an error's `code`, one of
  `t:Chunker.error/0`.

  An error of a store has a `message` that says what failed, and `:missing_chunks` the digests of the `chunks`
  that are missing.
  """

  defexception [:code, :message, chunks: []]

  @type t :: %__MODULE__{code: Chunker.error(), message: String.t() | nil, chunks: [Chunker.digest()]}

  @impl true
  def message(%{code: code, message: nil}), do: "chunker: #{code}"
  def message(%{message: message}), do: message

  @doc false
  @spec unwrap!({:ok, value} | {:error, Chunker.error() | t}) :: value when value: term
  def unwrap!({:ok, value}), do: value
  def unwrap!({:error, %__MODULE__{} = error}), do: raise(error)
  def unwrap!({:error, code}), do: raise(__MODULE__, code: code)
end
