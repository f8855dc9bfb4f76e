defmodule Chunker.Upload.Engine do
  @moduledoc """
  The protocol without sockets, step by step, for shells that cannot use `Chunker.Upload.answer/5`.

      begin ─▶ request ─▶ start(store) ─▶ push, push, … ─▶ finish ─▶ answer
        │         └─▶ refuse                 └─▶ answer
        └─▶ answer

      case Engine.begin(engine, %{method: method, target: target, headers: headers}) do
        {:answer, answer} ->
          answer

        {:request, request} ->
          # Here a shell authorizes the request and chooses the store.
          case Engine.start(request, store) do
            {:answer, answer} -> answer
            :enough -> Engine.finish(request)
            :more -> # push pieces of the body while that returns :more, then finish
          end
      end

  You can stop after any step: `close/1`, or the end of the process that began the request, leaves nothing
  behind. A write whose body has arrived completely may still happen, but never in part. The engine measures
  no time. A shell should limit how long its *peer* makes no progress: while the shell waits for a piece of a
  body, or for the peer to take a piece of an answer, but not while it waits for the engine.
  """

  alias Chunker.{Error, Native, Store, Work}
  alias Chunker.Upload.{Answer, Request}

  @opaque t :: reference

  @typedoc "The target as sent, not decoded; header names in any case, and repeated headers repeated."
  @type head :: %{
          :method => String.t(),
          :target => String.t(),
          :headers => [{String.t(), String.t()}],
          optional(term) => term
        }

  @typedoc """
  Why a request is refused: a name, or a status of 400 to 599, a code in lowercase with underscores, a message
  for people, and optionally headers. `:unauthorized` asks for a `Bearer` token, `{:unauthorized, challenge}`
  for the credentials that the value of `WWW-Authenticate` names.
  """
  @type refusal ::
          :unauthorized
          | {:unauthorized, challenge :: String.t()}
          | :forbidden
          | :read_only
          | :insufficient_storage
          | :misdirected_request
          | :request_timeout
          | :server_busy
          | {status :: 400..599, code :: String.t(), message :: String.t()}
          | {status :: 400..599, code :: String.t(), message :: String.t(),
             headers :: [{String.t(), String.t()}]}

  @typedoc "See `new/1`."
  @type option ::
          {:memory, pos_integer}
          | {:line, non_neg_integer}
          | {:origins, :own | :any | [String.t()]}
          | {:credentials, boolean}
          | {:prefix, String.t()}
          | {:pack_bytes, pos_integer}
          | {:pack_length, pos_integer}
          | {:pack_chunks, pos_integer}
          | {:missing_digests, pos_integer}
          | {:read_digests, pos_integer}
          | {:chunk_bytes, pos_integer}
          | {:manifest_bytes, pos_integer}

  @typedoc "The next step: push a piece of the body, call `finish/1`, or send the answer."
  @type next :: :more | :enough | {:answer, Answer.t()}

  @options [
    :memory,
    :line,
    :origins,
    :credentials,
    :prefix,
    :pack_bytes,
    :pack_length,
    :pack_chunks,
    :missing_digests,
    :read_digests,
    :chunk_bytes,
    :manifest_bytes
  ]

  @doc false
  @spec options() :: [atom]
  def options, do: @options

  @doc """
  Returns an engine. All its requests share one budget of memory.

  ## Options

    * `:memory` - memory for all requests together, in bytes, by default 256 MiB
    * `:line` - largest number of requests that wait for memory, by default 256; further ones are answered 503
    * `:origins` - whose pages may send requests: only those of the server's own origin (`:own`, the default),
      also those of these origins, such as `["https://example.org"]`, without a slash at the end, or those of any
      origin (`:any`)
    * `:credentials` - whether pages of the listed origins may send cookies, by default false
    * `:prefix` - the start of all paths, such as `"/store"`, by default empty
    * `:pack_bytes`, `:pack_length`, `:pack_chunks`, `:missing_digests`, `:read_digests`, `:chunk_bytes`,
      `:manifest_bytes` - the limits that clients learn, see `docs/protocol.md`
  """
  @spec new([option]) :: Store.result(t)
  def new(options \\ []) do
    _ = Keyword.validate!(options, @options)
    options |> Native.engine_new() |> Work.result()
  end

  @doc """
  Returns the number of bytes of the budget that requests have taken, and the number of requests that wait.
  """
  @spec load(t) :: %{memory: non_neg_integer, waiting: non_neg_integer}
  def load(engine) do
    {memory, waiting} = Native.engine_load(engine)
    %{memory: memory, waiting: waiting}
  end

  @doc """
  Begins an exchange with the head of its request. Returns the answer if the head alone decides it, or the
  request.
  """
  @spec begin(t, head) :: {:answer, Answer.t()} | {:request, Request.t()}
  def begin(engine, head) do
    case Native.exchange_begin(engine, parts(head)) do
      {:answer, answer} ->
        {:answer, answer(answer, nil)}

      {:request, exchange, {operation, writes, root, body_length}} ->
        {:request,
         %Request{
           exchange: exchange,
           operation: operation,
           writes: writes,
           root: root,
           body_length: body_length,
           method: head.method,
           target: head.target,
           headers: head.headers
         }}
    end
  end

  defp parts(head), do: {head.method, head.target, head.headers}

  @doc """
  Refuses a request that was not started.
  """
  @spec refuse(Request.t(), refusal) :: Answer.t()
  def refuse(%Request{exchange: exchange}, refusal) do
    {refusal, headers} = split(refusal)
    exchange |> Native.exchange_refuse(refusal) |> Work.result() |> Error.unwrap!() |> refused(headers)
  end

  @doc """
  Returns the answer that refuses a request whatever it asks for, such as one with another server's name in
  `Host`.
  """
  @spec refuse(t, head, refusal) :: Answer.t()
  def refuse(engine, head, refusal) do
    {refusal, headers} = split(refusal)
    engine |> Native.engine_refuse(parts(head), refusal) |> refused(headers)
  end

  defp split(:unauthorized), do: {{:unauthorized, "Bearer"}, []}
  defp split({status, code, message, headers}), do: {{status, code, message}, headers}
  defp split(refusal), do: {refusal, []}

  defp refused(answer, headers) do
    answer = answer(answer, nil)
    %{answer | headers: answer.headers ++ headers}
  end

  @doc """
  Starts work on a request with a store; waits in line for memory. Read the body only once this returns.
  """
  @spec start(Request.t(), Store.t()) :: next
  def start(%Request{exchange: exchange}, store),
    do: step(exchange, &Native.exchange_start(exchange, store, &1))

  @doc """
  Takes the next piece of the body, of any size; waits while the engine is busy.

  An answer refuses the body: you need not read the rest of it.
  """
  @spec push(Request.t(), binary) :: next
  def push(%Request{exchange: exchange}, piece),
    do: step(exchange, &Native.exchange_push(exchange, piece, &1))

  @doc """
  Returns the answer, once you have pushed the whole body.
  """
  @spec finish(Request.t()) :: Answer.t()
  def finish(%Request{exchange: exchange}) do
    {:answer, answer} = step(exchange, &Native.exchange_finish(exchange, &1))
    answer
  end

  @doc """
  Ends an exchange, at any moment.
  """
  @spec close(Request.t()) :: :ok
  def close(%Request{exchange: exchange}), do: Native.exchange_close(exchange)

  defp step(exchange, start) do
    case start |> Work.step() |> Error.unwrap!() do
      {:answer, answer} -> {:answer, answer(answer, exchange)}
      next -> next
    end
  end

  defp answer({status, headers, body, code, committed, cause}, exchange) do
    %Answer{
      status: status,
      headers: headers,
      body: body(body, exchange),
      code: code,
      committed: committed(committed),
      cause: cause
    }
  end

  defp body(:stream, exchange),
    do: Work.stream(fn -> exchange end, &Native.exchange_next/2, &Native.exchange_close/1)

  defp body(bytes, _), do: bytes

  defp committed(nil), do: nil
  defp committed({root, length, new}), do: %{root: root, length: length, new: new}
end
