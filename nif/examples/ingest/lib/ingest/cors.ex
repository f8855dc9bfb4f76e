defmodule Ingest.Cors do
  @moduledoc """
  Which pages of other origins may use the server.
  """

  alias Ingest.{Request, Response}

  @typedoc "Origins such as `https://example.org`, and request headers besides `content-type`."
  @type t :: %{origins: :all | [String.t()], headers: [String.t()]}

  @doc """
  Adds to an answer what the request's origin may do with it. Without rules that is nothing: only pages
  of the server's own origin can use it.
  """
  @spec allow(Response.t(), Request.t(), t | nil) :: Response.t()
  def allow(response, _, nil), do: response

  def allow(response, request, %{origins: :all} = cors), do: permit(response, request, cors, "*")

  def allow(response, request, %{origins: origins} = cors) do
    response = add(response, [{"Vary", "Origin"}])
    origin = Request.header(request, "origin")
    if origin in origins, do: permit(response, request, cors, origin), else: response
  end

  defp permit(response, request, cors, origin) do
    add(response, [
      {"Access-Control-Allow-Origin", origin},
      {"Access-Control-Expose-Headers", "Retry-After"}
      | preflight(response, request, cors)
    ])
  end

  defp preflight(%{status: 204} = response, request, cors) do
    case Request.header(request, "access-control-request-method") do
      nil ->
        []

      _ ->
        [
          {"Access-Control-Allow-Methods",
           for({"Allow", methods} <- response.headers, into: "", do: methods)},
          {"Access-Control-Allow-Headers", Enum.join(["content-type" | cors.headers], ", ")},
          {"Access-Control-Max-Age", "600"}
        ]
    end
  end

  defp preflight(_, _, _), do: []

  defp add(response, headers), do: %{response | headers: response.headers ++ headers}
end
