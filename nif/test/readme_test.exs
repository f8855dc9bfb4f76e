defmodule Chunker.ReadmeTest do
  use ExUnit.Case, async: true

  import ExUnit.CaptureIO
  alias Chunker.{Upload, Uploads}

  defmodule Store do
    def start_link(_), do: Agent.start_link(fn -> %{} end, name: __MODULE__)
    def child_spec(argument), do: %{id: __MODULE__, start: {__MODULE__, :start_link, [argument]}}
    def member?(key), do: Agent.get(__MODULE__, &is_map_key(&1, key))
    def put(key, value), do: Agent.update(__MODULE__, &Map.put(&1, key, value))
    def get(key), do: Agent.get(__MODULE__, &Map.fetch!(&1, key))
  end

  setup do
    directory = Path.join(System.tmp_dir!(), "chunker-readme-#{System.pid()}")
    File.mkdir_p!(directory)
    on_exit(fn -> File.rm_rf!(directory) end)
    %{directory: directory, image: Path.join(directory, "image.iso")}
  end

  # The blocks of Elixir, in order.
  defp examples do
    readme = File.read!(Path.expand("../README.md", __DIR__))
    for [_, code] <- Regex.scan(~r/```elixir\n(.*?)```/s, readme), do: code
  end

  test "the first example stores the chunks of a file", %{directory: directory, image: file} do
    data = :crypto.strong_rand_bytes(3_000_000)
    File.write!(file, data)
    File.mkdir!(Path.join(directory, "store"))
    [code | _] = examples()

    code
    |> String.replace("image.iso", file)
    |> String.replace("store/", directory <> "/store/")
    |> Code.eval_string()

    for {hash, _, _, payload} <- Chunker.chunk!(data, profile: :medium, payloads: true) do
      assert File.read!(Path.join([directory, "store", Base.encode16(hash, case: :lower)])) == payload
    end
  end

  test "the second example stores a file and gives it back", %{directory: directory, image: file} do
    File.write!(file, :crypto.strong_rand_bytes(3_000_000))
    [_, code | _] = examples()

    in_directory = fn code ->
      Enum.reduce(["/var/lib/backups", "image.iso", "copy.iso"], code, fn path, code ->
        String.replace(code, ~s("#{path}"), inspect(Path.join(directory, Path.basename(path))))
      end)
    end

    output = capture_io(fn -> code |> in_directory.() |> Code.eval_string() end)
    assert output =~ ~r/\Asha256-[0-9a-f]{64} 3000000 20/
    assert File.read!(Path.join(directory, "copy.iso")) == File.read!(file)
  end

  test "the third example receives files from whom it knows", %{directory: directory} do
    [_, _, code | _] = examples()
    code |> String.replace("/var/lib/uploads", Path.join(directory, "uploads")) |> Code.eval_string()
    upload = :persistent_term.get(MyApp.Upload)
    {requests, root} = Uploads.requests("a file")

    answer = fn {method, target, body}, assigns ->
      head = Uploads.head(method, "/store" <> target, body)
      {answer, _} = Upload.answer(upload, head, body, &{:ok, &1, ""}, %{assigns: assigns})
      answer.status
    end

    output =
      capture_io(fn -> for request <- requests, do: assert(answer.(request, %{user: 1}) in [200, 201]) end)

    assert output == "#{root} is here, 6 bytes\n"
    assert answer.(hd(requests), %{}) == 401
  end

  defmodule Routing do
    defmacro forward(path, to: plug, init_opts: options) do
      quote do
        @forward {unquote(path), unquote(plug).init(unquote(options))}
        def forward, do: @forward
      end
    end

    defmacro plug(name), do: quote(do: def(endpoint(conn), do: unquote(name)(conn, [])))
  end

  test "the example of a plug answers requests below its path alone", %{directory: directory} do
    [_, _, _, code | _] = examples()

    {{:module, app, _, _}, _} =
      Code.eval_string("defmodule MyApp do\nimport #{inspect(Routing)}\n#{code}\nend")

    store = Chunker.Store.open!(Path.join(directory, "plug"), cache: :none)
    :persistent_term.put(MyApp.Upload, Upload.new!(store: store, prefix: "/store"))
    request = %Plug.Conn{method: "GET", request_path: "/store/v1"}

    assert app.endpoint(Map.put(request, :path_info, ["store", "v1"])).status == 200
    assert app.endpoint(Map.put(request, :path_info, ["other"])).status == nil
    {"/store", options} = app.forward()
    assert Upload.Plug.call(request, options).status == 200
  end

  test "the example with a store of one's own gives back the file that it ingested", %{image: file} do
    start_supervised!(Store)
    File.write!(file, :crypto.strong_rand_bytes(3_000_000))
    [_, _, _, _, code | _] = examples()
    {{:module, module, _, _}, _} = Code.eval_string("defmodule Chunker.ReadmeTest.Example do\n#{code}\nend")
    root = module.ingest(file, Store)
    module.restore(root, Store, file <> ".restored")
    assert File.read!(file <> ".restored") == File.read!(file)
  end

  test "the example of codecs compresses a file and gives it back", %{directory: directory} do
    file = Path.join(directory, "dump.sql")
    File.write!(file, :binary.copy("INSERT INTO chunks VALUES (1, 2, 3);\n", 100_000))
    [_, _, _, _, _, code | _] = examples()
    code |> String.replace("\"dump", "\"#{directory}/dump") |> Code.eval_string()
    assert File.stat!(file <> ".zst").size < 100_000
    assert File.read!(Path.join(directory, "dump.copy.sql")) == File.read!(file)
  end
end
