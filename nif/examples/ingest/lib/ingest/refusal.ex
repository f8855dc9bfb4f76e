defmodule Ingest.Refusal do
  @moduledoc """
  A request is answered with an error of the protocol.
  """

  @enforce_keys [:status, :code, :message]
  defstruct [:status, :code, :message, missing: nil, headers: []]

  @type t :: %__MODULE__{
          status: 400..599,
          code: String.t(),
          message: String.t(),
          missing: [String.t()] | nil,
          headers: [{String.t(), String.t()}]
        }

  @doc """
  Returns `{:error, refusal}`.
  """
  @spec refuse(400..599, String.t(), String.t(), keyword) :: {:error, t}
  def refuse(status, code, message, details \\ []) do
    {:error, struct!(%__MODULE__{status: status, code: code, message: message}, details)}
  end

  @doc """
  Returns how the server answers after an exception.
  """
  @spec from_exception(Exception.t()) :: t
  def from_exception(%File.Error{reason: reason}) when reason in [:enospc, :edquot] do
    %__MODULE__{status: 507, code: "insufficient_storage", message: "the store is full"}
  end

  def from_exception(_) do
    %__MODULE__{status: 500, code: "internal_error", message: "the server failed"}
  end
end
