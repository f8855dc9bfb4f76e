defmodule Chunker.Upload.Answer do
  @moduledoc """
  The answer that a shell sends to the client.

    * `:status`, `:headers` - the headers include `Content-Length` if there is a body
    * `:body` - a binary, or a stream of binaries that are produced as they are sent. The stream raises
      `Chunker.Error` where the store turns out to be damaged: the shell must then cut the connection, so that
      nobody takes the body for complete. An unused stream is dropped with the process that asked for the
      answer
    * `:code` - the code of a refusal, else `nil`
    * `:committed` - the committed file, or `nil`
    * `:cause` - what went wrong in the store, only for the server's log
  """

  @enforce_keys [:status, :headers, :body, :code, :committed, :cause]
  defstruct @enforce_keys

  @typedoc "A committed file, and whether it is new."
  @type committed :: %{root: Chunker.Store.root(), length: non_neg_integer, new: boolean}

  @type t :: %__MODULE__{
          status: 200..599,
          headers: [{String.t(), String.t()}],
          body: binary | Enumerable.t(),
          code: String.t() | nil,
          committed: committed | nil,
          cause: String.t() | nil
        }
end
