defmodule Chunker.Upload do
  @moduledoc """
  The server of the upload protocol: it moves files into a store and out of it over HTTP, and transfers only
  the chunks that the receiving side lacks.

  Browsers and programs use it through `chunker-cdc` from npm, or through any client of `docs/protocol.md` in
  the repository. The protocol is implemented in the core, the same in every language; a shell owns the
  sockets:

    * `Chunker.Upload.Plug` for Plug and Phoenix
    * `examples/ingest` in the repository: a server on plain OTP sockets
    * your own: `answer/5`

  Create an upload once, and use it from all processes:

      {:ok, store} = Chunker.Store.open("s3://bucket/uploads")

      {:ok, upload} =
        Chunker.Upload.new(
          store: store,
          prefix: "/store",
          origins: ["https://example.org"],
          authorize: fn request ->
            if MyApp.may?(request.context, request.operation), do: :ok, else: {:refuse, :forbidden}
          end,
          on_commit: fn file, request -> MyApp.uploaded(request.context, file.root, file.length) end
        )

  Bodies are verified as they arrive, on threads outside the schedulers. `:memory` bounds memory; in addition,
  each answer being sent takes twice 1 MiB and a chunk, and a store on a disk keeps up to 32 MiB of read
  buffers. A request whose process ends leaves nothing behind.
  """

  require Logger
  alias Chunker.{Error, Store, Telemetry}
  alias Chunker.Upload.{Answer, Engine, Request}

  @enforce_keys [:engine]
  defstruct [:engine, :store, :authorize, :quota, :on_commit]

  @opaque t :: %__MODULE__{
            engine: Engine.t(),
            store: Store.t() | nil,
            authorize: nil | (Request.t() -> :ok | {:ok, Store.t()} | {:refuse, Engine.refusal()}),
            quota: nil | (Request.t() -> non_neg_integer | :infinity),
            on_commit: nil | (Answer.committed(), Request.t() -> term)
          }

  @typedoc "See `new/1`."
  @type option ::
          Engine.option()
          | {:store, Store.t()}
          | {:authorize, (Request.t() -> :ok | {:ok, Store.t()} | {:refuse, Engine.refusal()})}
          | {:quota, (Request.t() -> non_neg_integer | :infinity)}
          | {:on_commit, (Answer.committed(), Request.t() -> term)}

  @hooks [
    store: "a Chunker.Store",
    authorize: "a function of one argument",
    quota: "a function of one argument",
    on_commit: "a function of two arguments"
  ]

  @doc """
  Returns an upload.

  ## Options

  Those of `Chunker.Upload.Engine.new/1`, and

    * `:store` - the `Chunker.Store` of all requests; not needed if `:authorize` returns one
    * `:authorize` - a function called with each `Chunker.Upload.Request`, except preflights, which carry no
      credentials. It returns `:ok`, `{:ok, store}` to use a tenant's store, or `{:refuse, refusal}`, see
      `t:Chunker.Upload.Engine.refusal/0`. Without it, anybody may do everything
    * `:quota` - a function called with each request that writes a body, before that is read. It returns how many
      more bytes the client may write, or `:infinity`; a longer body is answered 507. Less than the body may be stored
    * `:on_commit` - a function called with the committed file and the request, once the file is durable and
      before the client gets its answer. A repeated upload calls it again, with `new: false`
  """
  @spec new([option]) :: Store.result(t)
  def new(options) do
    names = Keyword.keys(@hooks)
    {hooks, options} = options |> Keyword.validate!(names ++ Engine.options()) |> Keyword.split(names)

    unless hooks[:store] || hooks[:authorize],
      do: raise(ArgumentError, "an upload needs store:, or an authorize: function that returns one")

    with :ok <- check(hooks),
         {:ok, engine} <- Engine.new(options),
         do: {:ok, struct!(__MODULE__, [engine: engine] ++ hooks)}
  end

  defp check(hooks) do
    case Enum.reject(hooks, fn {name, hook} -> hook == nil or hook?(name, hook) end) do
      [] ->
        :ok

      [{name, value} | _] ->
        message = "#{name} is #{inspect(value)} (expected #{@hooks[name]})"
        {:error, %Error{code: :invalid_argument, message: message}}
    end
  end

  defp hook?(:store, store), do: is_reference(store)
  defp hook?(:on_commit, hook), do: is_function(hook, 2)
  defp hook?(_, hook), do: is_function(hook, 1)

  @doc """
  Like `new/1`, but returns the upload alone, or raises `Chunker.Error`.
  """
  @spec new!([option]) :: t
  def new!(options), do: options |> new() |> Error.unwrap!()

  @doc """
  Returns the engine of an upload.
  """
  @spec engine(t) :: Engine.t()
  def engine(%__MODULE__{engine: engine}), do: engine

  @typedoc """
  Returns the next piece of a body, of any size, and the shell's state; `:timeout` if the sender pauses too
  long; `:closed` if no more will come. A shell measures here, and nowhere else, how long it waits for its
  peer.
  """
  @type read(state) ::
          (state -> {:ok, binary, state} | {:error, :timeout | :closed, state})

  @doc """
  Returns the answer to a request, and the shell's state.

  Calls `read` while the engine needs bytes of the body; the rest of a refused body is not read.
  """
  @spec answer(t, Engine.head(), state, read(state), context :: term) :: {Answer.t(), state} when state: term
  def answer(%__MODULE__{} = upload, head, state, read, context \\ nil) do
    start = System.monotonic_time()

    {answer, state, operation, bytes} =
      case Engine.begin(upload.engine, head) do
        {:answer, answer} ->
          {answer, state, nil, 0}

        {:request, request} ->
          {answer, state} = decide(upload, %{request | context: context}, state, read)
          {answer, state, request.operation, request.body_length}
      end

    Telemetry.upload(start, bytes, %{operation: operation, status: answer.status, code: answer.code})
    if answer.cause, do: Logger.error("#{head.method} #{head.target}: #{answer.cause}", domain: [:chunker])
    {answer, state}
  end

  defp decide(upload, request, state, read) do
    with {:ok, store} <- authorize(upload, request),
         :ok <- within_quota(upload, request) do
      {answer, state} = request |> Engine.start(store) |> feed(upload, request, state, read)
      if answer.committed && upload.on_commit, do: upload.on_commit.(answer.committed, request)
      {answer, state}
    else
      {:refuse, refusal} -> {Engine.refuse(request, refusal), state}
    end
  catch
    # A hook or a reader failed.
    kind, reason ->
      Engine.close(request)
      :erlang.raise(kind, reason, __STACKTRACE__)
  end

  defp authorize(%{authorize: nil, store: store}, _), do: {:ok, store}

  defp authorize(%{authorize: authorize, store: store}, request) do
    case authorize.(request) do
      :ok when store != nil -> {:ok, store}
      {:ok, store} -> {:ok, store}
      {:refuse, _} = refuse -> refuse
    end
  end

  # A quota does not apply to a deletion, which writes no bytes.
  defp within_quota(%{quota: quota}, %{writes: true, body_length: length} = request)
       when quota != nil and length > 0 do
    case quota.(request) do
      :infinity ->
        :ok

      left when is_number(left) and length <= left ->
        :ok

      left when is_number(left) ->
        {:refuse, :insufficient_storage}

      other ->
        raise ArgumentError, "quota: returned #{inspect(other)} (expected a number of bytes or :infinity)"
    end
  end

  defp within_quota(_, _), do: :ok

  defp feed({:answer, answer}, _, _, state, _), do: {answer, state}
  defp feed(:enough, _, request, state, _), do: {Engine.finish(request), state}

  defp feed(:more, upload, request, state, read) do
    case read.(state) do
      {:ok, piece, state} ->
        request |> Engine.push(piece) |> feed(upload, request, state, read)

      {:error, :timeout, state} ->
        Engine.close(request)
        {Engine.refuse(upload.engine, request, :request_timeout), state}

      # The engine reports what is wrong.
      {:error, :closed, state} ->
        {Engine.finish(request), state}
    end
  end
end
