defmodule Ingest.Announcement do
  @moduledoc """
  What the head of a request says about its body, checked before the body is asked for.
  """

  import Ingest.Refusal, only: [refuse: 3]
  alias Ingest.{Refusal, Request}

  @enforce_keys [:body_length, :length, :encoding]
  defstruct @enforce_keys

  @typedoc "Bytes of the body, bytes of the chunk, and how that is encoded; `nil`: the body is the chunk."
  @type t :: %__MODULE__{body_length: pos_integer, length: pos_integer, encoding: :zstd | nil}

  @doc """
  Returns the announced length of a body, of at most `limit` bytes.
  """
  @spec length(Request.t(), pos_integer, String.t()) :: {:ok, non_neg_integer} | {:error, Refusal.t()}
  def length(request, limit, too_large) do
    cond do
      request.length in [:unknown, nil] ->
        refuse(411, "length_required", "the body needs a Content-Length")

      Map.has_key?(request.headers, "content-encoding") ->
        refuse(415, "unsupported_media_type", "the body must not have a Content-Encoding")

      request.length > limit ->
        refuse(413, too_large, "the body has #{request.length} bytes, the limit is #{limit}")

      true ->
        {:ok, request.length}
    end
  end

  @doc """
  Returns what is announced of a chunk of at most `limit` bytes.
  """
  @spec chunk(Request.t(), pos_integer) :: {:ok, t} | {:error, Refusal.t()}
  def chunk(request, limit) do
    with {:ok, body_length} <- length(request, limit, "chunk_too_large") do
      case Request.fields(request, "encoding") do
        [] when body_length == 0 -> empty_chunk()
        [] -> {:ok, %__MODULE__{body_length: body_length, length: body_length, encoding: nil}}
        ["zstd"] -> encoded(body_length, Request.fields(request, "length"), limit)
        _ -> refuse(415, "unsupported_encoding", "the only encoding of a chunk is zstd")
      end
    end
  end

  defp encoded(body_length, lengths, limit) do
    with {:ok, length} <- own_length(lengths) do
      cond do
        length == 0 or body_length == 0 ->
          empty_chunk()

        length > limit ->
          refuse(413, "chunk_too_large", "the chunk has #{length} bytes, the limit is #{limit}")

        body_length >= length ->
          refuse(
            400,
            "invalid_length",
            "the body has #{body_length} bytes, no fewer than the #{length} it encodes"
          )

        true ->
          {:ok, %__MODULE__{body_length: body_length, length: length, encoding: :zstd}}
      end
    end
  end

  defp own_length(lengths) do
    with [digits] <- lengths, true <- digits =~ ~r/\A(0|[1-9][0-9]{0,15})\z/ do
      {:ok, String.to_integer(digits)}
    else
      _ ->
        refuse(400, "invalid_length", "the length of an encoded chunk must be given once, in decimal digits")
    end
  end

  defp empty_chunk, do: refuse(400, "empty_chunk", "a chunk has at least one byte")
end
