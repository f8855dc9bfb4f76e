defmodule Chunker.Upload.Request do
  @moduledoc """
  A request with a well-formed head, and what it asks for.

    * `:operation` - one of `t:operation/0`
    * `:writes` - whether it changes the store
    * `:root` - the file that it concerns, or `nil`
    * `:body_length` - the length of its body in bytes; less may be stored
    * `:method`, `:target`, `:headers` - its head, as sent
    * `:context` - a value from the shell; `Chunker.Upload.Plug` puts the `Plug.Conn` here
  """

  @enforce_keys [:exchange, :operation, :writes, :root, :body_length, :method, :target, :headers]
  @derive {Inspect, except: [:exchange, :headers]}
  defstruct @enforce_keys ++ [:context]

  @type operation ::
          :describe
          | :ask_missing
          | :write_pack
          | :read_chunks
          | :read_chunk
          | :commit
          | :read_manifest
          | :read_file
          | :delete
          | :list
          | :usage

  @type t :: %__MODULE__{
          exchange: reference,
          operation: operation,
          writes: boolean,
          root: Chunker.Store.root() | nil,
          body_length: non_neg_integer,
          method: String.t(),
          target: String.t(),
          headers: [{String.t(), String.t()}],
          context: term
        }

  @doc """
  Returns the first value of a header, whatever the case of its name, or `nil`.
  """
  @spec header(t, String.t()) :: String.t() | nil
  def header(%__MODULE__{headers: headers}, name) do
    name = String.downcase(name, :ascii)
    Enum.find_value(headers, fn {other, value} -> if String.downcase(other, :ascii) == name, do: value end)
  end
end
