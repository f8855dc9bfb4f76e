# Serves a store until it is interrupted: `mix run serve.exs STORE`.
#
# STORE is a directory or a URL, such as s3://bucket/uploads.
#
#   --port PORT                  by default 4000
#   --page PREFIX=DIRECTORY      serves the files of a directory below PREFIX as well; may be repeated

usage = "usage: mix run serve.exs STORE [--port PORT] [--page PREFIX=DIRECTORY]"

with {options, [store], []} <- OptionParser.parse(System.argv(), strict: [port: :integer, page: :keep]),
     page = for({:page, text} <- options, do: text |> String.split("=", parts: 2) |> List.to_tuple()),
     true <- Enum.all?(page, &(tuple_size(&1) == 2)) do
  children = [{Ingest, store: store, port: options[:port] || 4000, page: page}]
  {:ok, _} = Supervisor.start_link(children, strategy: :one_for_one)
  IO.puts("http://localhost:#{Ingest.port()} serves #{store}")
  Process.sleep(:infinity)
else
  _ ->
    IO.puts(:stderr, usage)
    System.halt(2)
end
