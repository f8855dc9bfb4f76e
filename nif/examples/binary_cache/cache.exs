# Serves a binary cache until it is interrupted: `mix run cache.exs DIRECTORY`.
#
#   --port PORT            by default 5000
#   --key FILE             signs what is served (nix-store --generate-binary-cache-key)
#   --store ADDRESS        where the chunks are, by default in the directory
#   --store-dir DIRECTORY  by default /nix/store
#   --priority NUMBER      by default 30

switches = [port: :integer, key: :string, store: :string, store_dir: :string, priority: :integer]

fail = fn line, status ->
  IO.puts(:stderr, line)
  System.halt(status)
end

with {options, [root], []} <- OptionParser.parse(System.argv(), strict: switches) do
  options = if options[:key], do: Keyword.update!(options, :key, &File.read!/1), else: options
  {port, options} = Keyword.pop(options, :port, 5000)
  unless port in 0..65_535, do: fail.("--port is #{port} (expected 0 to 65535)", 2)
  # So that this process lives on and can print why it cannot start.
  Process.flag(:trap_exit, true)

  case BinaryCache.start_link([root: root, http: [port: port]] ++ options) do
    {:ok, _} ->
      Process.flag(:trap_exit, false)
      IO.puts("http://localhost:#{BinaryCache.port()} serves #{Path.expand(root)}")
      Process.sleep(:infinity)

    {:error, {_, {_, _, {:shutdown, {:failed_to_start_child, _, {:listen, reason}}}}}} ->
      fail.("cannot listen on port #{port}: #{:inet.format_error(reason)}", 1)
  end
else
  _ -> fail.("usage: mix run cache.exs DIRECTORY [--port PORT] [--key FILE] [--store ADDRESS]", 2)
end
