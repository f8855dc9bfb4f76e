# Serves a binary cache until it is interrupted: `mix run cache.exs DIRECTORY`.
#
#   --port PORT            by default 5000
#   --key FILE             signs what is served (nix-store --generate-binary-cache-key)
#   --store ADDRESS        where the chunks are, by default in the directory
#   --store-dir DIRECTORY  by default /nix/store
#   --priority NUMBER      by default 30

switches = [port: :integer, key: :string, store: :string, store_dir: :string, priority: :integer]

with {options, [root], []} <- OptionParser.parse(System.argv(), strict: switches) do
  options = if options[:key], do: Keyword.update!(options, :key, &File.read!/1), else: options
  {http, options} = Keyword.split(options, [:port])

  {:ok, _} =
    Supervisor.start_link([{BinaryCache, [root: root, http: http] ++ options}], strategy: :one_for_one)

  IO.puts("http://localhost:#{BinaryCache.port()} serves #{Path.expand(root)}")
  Process.sleep(:infinity)
else
  _ ->
    IO.puts(:stderr, "usage: mix run cache.exs DIRECTORY [--port PORT] [--key FILE] [--store ADDRESS]")
    System.halt(2)
end
