defmodule Chunker.Upload.Answer do
  @moduledoc """
  What a shell sends back.

    * `:status`, `:headers` - `Content-Length` is among them where there is a body
    * `:body` - a binary, or a stream of binaries that are made while they are sent. It raises `Chunker.Error` where
      what is stored turns out to be damaged: the shell must cut the connection, so that the body does not pass for
      whole. A stream that is not used is dropped with the process that asked for the answer
    * `:code` - that of a refusal, else `nil`
    * `:committed` - the file that got its name, or `nil`
    * `:cause` - what went wrong in the store, for the server's log alone
  """

  @enforce_keys [:status, :headers, :body, :code, :committed, :cause]
  defstruct @enforce_keys

  @typedoc "A file that was committed, and whether it did not have its name before."
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
