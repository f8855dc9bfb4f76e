defmodule BinaryCache.Body do
  @moduledoc """
  Bodies of requests, piece by piece.
  """

  import BinaryCache.Refusal, only: [refuse: 2]
  alias BinaryCache.Refusal
  alias Ingest.Http.Request

  @doc """
  Passes each piece of a body with the accumulator to `fun`, and stops where that refuses it.

  Refuses a body whose sender pauses for too long, or that ends too early.
  """
  @spec reduce(Request.t(), acc, (binary, acc -> {:ok, acc} | {:error, Refusal.t()})) ::
          {:ok, acc, Request.t()} | {:error, Refusal.t(), Request.t()}
        when acc: term
  def reduce(request, acc, fun) do
    case Request.read(request) do
      {:ok, piece, request} ->
        case fun.(piece, acc) do
          {:ok, acc} -> reduce(request, acc, fun)
          {:error, refusal} -> {:error, refusal, request}
        end

      {:error, :closed, %{unread: 0} = request} ->
        {:ok, acc, request}

      {:error, :closed, request} ->
        refused(400, "the body ended #{request.unread} bytes too early", request)

      {:error, :timeout, request} ->
        refused(408, "nothing of the body came for too long", request)
    end
  end

  # What comes after that is not read.
  defp refused(status, message, request) do
    {:error, refusal} = refuse(status, message)
    {:error, refusal, %{request | keep_alive: false}}
  end
end
