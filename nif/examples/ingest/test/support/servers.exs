# Servers that the tests of npm/test/dedup start and stop: each line of the input is a JSON object with
# the options of one to start, `{"root": …, "port": …, "limits": {…}, "cors": {…}, "page": [[…, …]]}`, or
# `{"stop": port}`; each is answered by a line with the port. Ends with its input.

defmodule Servers do
  alias Ingest.{Json, Limits}

  def loop(servers) do
    case IO.read(:stdio, :line) do
      :eof -> :ok
      line -> line |> String.trim() |> Json.decode() |> handle(servers) |> loop()
    end
  end

  defp handle({:ok, %{"stop" => {:number, port}}}, servers) do
    {server, servers} = Map.pop!(servers, port)
    :ok = Supervisor.stop(server)
    IO.puts(port)
    servers
  end

  defp handle({:ok, options}, servers) do
    {:ok, server} = Ingest.start_link(options(options))
    port = Ingest.port(server)
    IO.puts(port)
    Map.put(servers, Integer.to_string(port), server)
  end

  defp options(options) do
    [
      name: :"servers_#{System.unique_integer([:positive])}",
      root: options["root"],
      port: integer(options["port"]),
      limits: Enum.map(options["limits"] || %{}, &limit/1),
      cors: cors(options["cors"]),
      page: Enum.map(options["page"] || [], &List.to_tuple/1)
    ]
  end

  defp limit({name, value}) do
    name = name |> Macro.underscore() |> String.replace_suffix("_ms", "") |> String.to_existing_atom()
    true = Map.has_key?(%Limits{}, name)
    {name, integer(value)}
  end

  defp cors(nil), do: nil
  defp cors(%{"origins" => "*"} = cors), do: [origins: :all, headers: cors["headers"] || []]
  defp cors(cors), do: [origins: cors["origins"], headers: cors["headers"] || []]

  defp integer(nil), do: 0
  defp integer({:number, text}), do: String.to_integer(text)
end

Logger.configure_backend(:console, device: :standard_error)
Servers.loop(%{})
