defmodule Ingest do
  @moduledoc """
  A server that receives files as chunks, stores each chunk once, and serves the files.

      children = [{Ingest, store: "/var/lib/uploads", port: 4000}]
      Supervisor.start_link(children, strategy: :one_for_one)

  `Ingest.Http` owns the sockets, `Chunker.Upload` knows the protocol, `Chunker.Store` keeps the files; this module
  connects them.

  It has no users unless `:upload` has a hook for them (`authorize:`): anyone who can reach it can use the whole store.
  It listens on the loopback address by default, and then requires `Host` to be a name of that address, because any
  site can point its own name there. Put TLS in front of it.

  ## Options

    * `:store` - a path or a URL that `Chunker.Store.open/2` takes, or an open store; required
    * `:upload` - options of `Chunker.Upload.new/1`
    * `:page` - the directories of a page to serve as well, see `Ingest.Page`; by default none
    * those of `Ingest.Http`, except the handler
  """

  alias Chunker.{Store, Upload}
  alias Ingest.{Http, Page}

  @type option ::
          {:store, String.t() | Store.t()}
          | {:upload, [Upload.option()]}
          | {:page, Page.directories()}
          | Http.option()

  @spec child_spec([option]) :: Supervisor.child_spec()
  def child_spec(options),
    do: %{id: options[:name] || __MODULE__, start: {__MODULE__, :start_link, [options]}, type: :supervisor}

  @spec start_link([option]) :: Supervisor.on_start()
  def start_link(options) do
    {own, http} = Keyword.split(options, [:store, :upload, :page])
    http = Keyword.merge([name: __MODULE__, ip: {127, 0, 0, 1}], http)
    upload = Keyword.put(own[:upload] || [], :store, own |> Keyword.fetch!(:store) |> open!())

    server = %{
      upload: Upload.new!(upload),
      page: if(own[:page] not in [nil, []], do: Page.load!(own[:page])),
      paths: (upload[:prefix] || "") <> "/v1",
      local: loopback?(http[:ip]) and upload[:authorize] == nil
    }

    Http.start_link([handler: &handle(&1, server)] ++ http)
  end

  @doc """
  Returns the port that the server listens on.
  """
  @spec port(Supervisor.supervisor()) :: :inet.port_number()
  def port(server \\ __MODULE__), do: Http.port(server)

  defp open!(store) when is_binary(store), do: Store.open!(store)
  defp open!(store), do: store

  defp handle(request, server) do
    cond do
      server.local and not local?(request) ->
        {Upload.Engine.refuse(Upload.engine(server.upload), request, :misdirected_request), request}

      server.page != nil and not String.starts_with?(request.target, server.paths) ->
        {Page.answer(server.page, request), request}

      true ->
        Upload.answer(server.upload, request, request, &Http.Request.read/1, request)
    end
  end

  # Whether the host that is asked is a name of this machine, whatever its port.
  defp local?(request) do
    case Http.Request.values(request, "host") do
      [] ->
        true

      [host] ->
        name = host |> String.replace(~r/:[0-9]*\z/, "") |> String.downcase(:ascii)
        name =~ ~r/\A(.*\.)?localhost\.?\z/ or loopback_address?(name)
    end
  end

  defp loopback_address?(name) do
    case name
         |> String.trim_leading("[")
         |> String.trim_trailing("]")
         |> to_charlist()
         |> :inet.parse_strict_address() do
      {:ok, address} -> loopback?(address)
      {:error, _} -> false
    end
  end

  defp loopback?({127, _, _, _}), do: true
  defp loopback?({0, 0, 0, 0, 0, 0, 0, 1}), do: true
  defp loopback?(_), do: false
end
