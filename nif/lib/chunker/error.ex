defmodule Chunker.Error do
  @moduledoc """
  The error that functions with a `!` raise and that functions of `Chunker.Store` return. Its `code` is one of
  `t:Chunker.error/0`.

  An error from a store has a `message` that says what failed. With the code `:chunks_missing`, `chunks` lists
  the digests of the missing chunks.
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
