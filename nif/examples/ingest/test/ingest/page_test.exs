defmodule Ingest.PageTest do
  use Ingest.Case, async: true

  alias Ingest.Page

  setup %{root: root} do
    page = Path.join(root, "page")
    File.mkdir_p!(Path.join(page, "deep"))
    File.write!(Path.join(page, "index.html"), ~s(<script type="importmap">{"imports":{}}</script>))
    File.write!(Path.join(page, "deep/module.js"), "export {};")
    File.write!(Path.join(page, "secret.key"), "secret")
    options = [store: Path.join(root, "store"), port: 0, page: [{"/page/", page}], name: :"#{root}"]
    %{port: Ingest.port(start_supervised!({Ingest, options})), page: page}
  end

  defp get(port, path, host \\ "localhost"),
    do: exchange(port, "GET #{path} HTTP/1.1\r\nHost: #{host}\r\nConnection: close\r\n\r\n")

  test "the page's files are given, and nothing else", %{port: port} do
    assert get(port, "/") =~ ~r/^HTTP\/1.1 200 .*\r\nContent-Type: text\/html.*importmap/s

    assert get(port, "/page/deep/module.js?x") =~
             ~r/^HTTP\/1.1 200 .*\r\nContent-Type: text\/javascript.*export/s

    for path <-
          ~w(/page/secret.key /page/index.html /page/../page/secret.key /page/%64eep/module.js /page //) do
      assert {path, outcome(get(port, path))} == {path, 404}
    end

    assert outcome(exchange(port, request("POST", "/"))) == 405
  end

  test "another site's name that points here is refused, for uploads as well", %{port: port} do
    for path <- ["/", "/v1/files/x"], do: assert({421, _} = outcome(get(port, path, "evil.example")))
    assert {400, "invalid_root"} = outcome(get(port, "/v1/files/x", "127.0.0.1:#{port}"))
  end

  test "uploads have their paths beside the page, also below a prefix", %{root: root, page: page} do
    options = [store: Path.join(root, "store"), port: 0, page: [{"/page/", page}], name: :"#{root}-2"]
    options = Keyword.put(options, :upload, prefix: "/store")
    port = Ingest.port(start_supervised!({Ingest, options}, id: :prefixed))
    assert {400, "invalid_root"} = outcome(get(port, "/store/v1/files/x"))
    for path <- ["/v1/files/x", "/store", "/store/"], do: assert(outcome(get(port, path)) == 404)
    assert get(port, "/") =~ ~r/^HTTP\/1.1 200 /
  end

  test "the policy allows the import map by its digest, and no other script in the page", %{port: port} do
    digest = Base.encode64(:crypto.hash(:sha256, ~s({"imports":{}})))
    [_, scripts] = Regex.run(~r/script-src ([^;]*);/, get(port, "/"))
    assert scripts == "'self' 'wasm-unsafe-eval' 'sha256-#{digest}'"
  end

  test "a directory that cannot be read is an error at the start", %{page: page} do
    File.ln_s!("/nonexistent", Path.join(page, "broken.js"))
    assert_raise File.Error, fn -> Page.load!([{"/", page}]) end
  end
end
