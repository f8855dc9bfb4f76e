# Serves a store until it is interrupted: `mix run serve.exs STORE`.
#
# STORE is a directory or a URL, such as s3://bucket/uploads.
#
#   --port PORT                  by default 4000
#   --page PREFIX=DIRECTORY      serves the files of a directory below PREFIX as well; may be repeated

usage = "usage: mix run serve.exs STORE [--port PORT] [--page PREFIX=DIRECTORY]"

fail = fn line, status ->
  IO.puts(:stderr, line)
  System.halt(status)
end

with {options, [store], []} <- OptionParser.parse(System.argv(), strict: [port: :integer, page: :keep]),
     page = for({:page, text} <- options, do: text |> String.split("=", parts: 2) |> List.to_tuple()),
     true <- Enum.all?(page, &(tuple_size(&1) == 2)) do
  port = options[:port] || 4000
  unless port in 0..65_535, do: fail.("--port is #{port} (expected 0 to 65535)", 2)
  # So that this process lives on and can print why it cannot start.
  Process.flag(:trap_exit, true)

  case Ingest.start_link(store: store, port: port, page: page) do
    {:ok, _} ->
      Process.flag(:trap_exit, false)
      IO.puts("http://localhost:#{Ingest.port()} serves #{store}")
      Process.sleep(:infinity)

    {:error, {:shutdown, {:failed_to_start_child, _, {:listen, reason}}}} ->
      fail.("cannot listen on port #{port}: #{:inet.format_error(reason)}", 1)
  end
else
  _ -> fail.(usage, 2)
end
