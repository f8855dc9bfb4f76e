# A server in a VM of its own, for tests: prints its address once it listens, and is killed.
#
#   server [--port PORT] [--patience MS] [--memory BYTES] [--pack-bytes BYTES] STORE

{options, [store], []} =
  OptionParser.parse(System.argv(),
    strict: [port: :integer, patience: :integer, memory: :integer, pack_bytes: :integer]
  )

Logger.configure_backend(:console, device: :standard_error)
{http, upload} = Keyword.split(options, [:port, :patience])
{:ok, _} = Application.ensure_all_started(:chunker)

{:ok, _} =
  [port: 0]
  |> Keyword.merge(http)
  |> Keyword.merge(store: Chunker.Store.open!(store, cache: :none), upload: upload)
  |> Ingest.start_link()

IO.puts("http://127.0.0.1:#{Ingest.port()}")
Process.sleep(:infinity)
