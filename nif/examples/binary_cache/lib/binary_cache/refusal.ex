defmodule BinaryCache.Refusal do
  @moduledoc """
  A request that is not done, and the line of text that says why.
  """

  @enforce_keys [:status, :message]
  defstruct [:status, :message, headers: []]

  @type t :: %__MODULE__{status: 400..599, message: String.t(), headers: [{String.t(), String.t()}]}

  @doc """
  Returns `{:error, refusal}`.
  """
  @spec refuse(400..599, String.t(), [{String.t(), String.t()}]) :: {:error, t}
  def refuse(status, message, headers \\ []),
    do: {:error, %__MODULE__{status: status, message: message, headers: headers}}
end
