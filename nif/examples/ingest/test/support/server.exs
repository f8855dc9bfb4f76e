# A server in a VM of its own, for tests: prints its address once it listens, and is killed.
#
#   server [--patience MS] [--memory BYTES] [--pack-bytes BYTES] STORE

{options, [store], []} =
  OptionParser.parse(System.argv(), strict: [patience: :integer, memory: :integer, pack_bytes: :integer])

Logger.configure_backend(:console, device: :standard_error)
{http, upload} = Keyword.split(options, [:patience])
{:ok, _} = Application.ensure_all_started(:chunker)

{:ok, _} =
  Ingest.start_link([store: Chunker.Store.open!(store, cache: :none), port: 0, upload: upload] ++ http)

IO.puts("http://127.0.0.1:#{Ingest.port()}")
Process.sleep(:infinity)
