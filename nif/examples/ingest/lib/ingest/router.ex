defmodule Ingest.Router do
  @moduledoc """
  Finds what a request asks for: the routes of the protocol, the rules for pages of other origins, and
  the server's own page.
  """

  require Logger
  import Ingest.Refusal, only: [refuse: 3, refuse: 4]
  alias Ingest.{Cors, Endpoints, Limits, Page, Refusal, Request, Response, Store}

  @enforce_keys [:store, :limits, :buffered, :served, :decoders]
  defstruct @enforce_keys ++ [cors: nil, page: nil]

  @typedoc """
  What a server answers with, and the names of its budgets.
  """
  @type t :: %__MODULE__{
          store: Store.t(),
          limits: Limits.t(),
          buffered: GenServer.name(),
          served: GenServer.name(),
          decoders: GenServer.name(),
          cors: nil | Cors.t(),
          page: nil | Page.t()
        }

  @doc """
  Returns the answer, and the request with what of its body has not been read.
  """
  @spec answer(Request.t(), t) :: {Response.t(), Request.t()}
  def answer(request, router) do
    {response, request} =
      case with(:ok <- Page.check_host(router.page, request), do: route(request, router)) do
        {:ok, response} -> {response, request}
        {:ok, response, request} -> {response, request}
        {:error, refusal} -> {refused(refusal), request}
        {:error, refusal, request} -> {refused(refusal), request}
      end

    {response |> with_policy() |> Cors.allow(request, router.cors), request}
  end

  @doc """
  Adds the headers that every answer of the protocol has.
  """
  @spec with_policy(Response.t()) :: Response.t()
  def with_policy(response) do
    defaults = [{"X-Content-Type-Options", "nosniff"}, {"Cache-Control", "no-store"}]
    names = Enum.map(response.headers, &elem(&1, 0))
    %{response | headers: response.headers ++ Enum.reject(defaults, fn {name, _} -> name in names end)}
  end

  @doc """
  Logs what is not the sender's fault.
  """
  @spec log(Refusal.t()) :: :ok
  def log(%Refusal{status: status} = refusal) when status >= 500 and status != 503,
    do: Logger.error("#{refusal.code}: #{refusal.message}")

  def log(_), do: :ok

  defp refused(refusal) do
    log(refusal)
    Response.refusal(refusal)
  end

  defp route(%{path: path} = request, router) do
    # As it came, undecoded and with its dots: a path with escapes is no route.
    case String.split(path, "/") do
      ["", "v1", "chunks", "missing"] ->
        dispatch(request, %{"POST" => &Endpoints.query_missing(&1, router)})

      ["", "v1", "chunks", algorithm, digest] when algorithm != "" and digest != "" ->
        dispatch(request, %{
          "GET" => &Endpoints.get_chunk(&1, algorithm, digest, router),
          "PUT" => &Endpoints.put_chunk(&1, algorithm, digest, router)
        })

      ["", "v1", "manifests", root] when root != "" ->
        dispatch(request, %{
          "GET" => &Endpoints.get_manifest(&1, root, router),
          "PUT" => &Endpoints.put_manifest(&1, root, router)
        })

      ["", "v1", "files", root] when root != "" ->
        dispatch(request, %{"GET" => &Endpoints.get_file(&1, root, router)})

      _ when router.page != nil ->
        Page.answer(router.page, request)

      _ ->
        refuse(404, "not_found", "there is nothing at this address")
    end
  end

  defp dispatch(%{method: method} = request, endpoints) do
    names = Map.keys(endpoints)
    head = if "GET" in names, do: ["HEAD"], else: []
    allow = Enum.join(names ++ head ++ ["OPTIONS"], ", ")
    endpoint = endpoints[if(method == "HEAD", do: "GET", else: method)]

    cond do
      method == "OPTIONS" -> {:ok, %Response{status: 204, headers: [{"Allow", allow}]}}
      endpoint -> endpoint.(request)
      true -> refuse(405, "method_not_allowed", "#{method} is not possible here", headers: [{"Allow", allow}])
    end
  end
end
