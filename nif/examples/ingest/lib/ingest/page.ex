defmodule Ingest.Page do
  @moduledoc """
  A page and the files that it imports, read once: nothing else of the disk can be asked for.
  """

  alias Ingest.Http
  alias Ingest.Http.Request

  @types %{
    ".css" => "text/css; charset=utf-8",
    ".html" => "text/html; charset=utf-8",
    ".js" => "text/javascript; charset=utf-8",
    ".svg" => "image/svg+xml",
    ".wasm" => "application/wasm"
  }

  @typedoc "Where the files of each directory are below the root; an `index.html` is the root itself."
  @type directories :: [{prefix :: String.t(), Path.t()}]

  @opaque t :: %{policy: String.t(), files: %{String.t() => {type :: String.t(), binary}}}

  @doc """
  Reads the files of all directories whose kind pages use. Raises `File.Error` if one cannot be read.
  """
  @spec load!(directories) :: t
  def load!(directories) do
    files =
      for {prefix, directory} <- directories,
          path <- Path.wildcard(Path.join(directory, "**")),
          type = @types[Path.extname(path)],
          into: %{} do
        name = Path.relative_to(path, directory)
        {if(name == "index.html", do: "/", else: prefix <> name), {type, File.read!(path)}}
      end

    %{files: files, policy: policy(files)}
  end

  # The page's own files and, by its digest, its import map.
  defp policy(files) do
    {_, html} = Map.get(files, "/", {nil, ""})
    [_, map] = Regex.run(~r|<script type="importmap">([^<]*)</script>|, html) || ["", ""]
    digest = map |> Chunker.digest(:sha256) |> Base.encode64()

    Enum.join(
      [
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval' 'sha256-#{digest}'",
        "style-src 'self'",
        "img-src 'self'",
        "media-src 'self'",
        "connect-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'"
      ],
      "; "
    )
  end

  @doc """
  Returns the answer to a request for a file of the page.
  """
  @spec answer(t, Request.t()) :: Http.answer()
  def answer(_, %{method: method}) when method not in ["GET", "HEAD"],
    do: text(405, "only GET is possible here\n", [{"Allow", "GET, HEAD"}])

  def answer(page, request) do
    [path | _] = :binary.split(request.target, "?")

    case Map.fetch(page.files, path) do
      {:ok, {type, bytes}} -> file(type, bytes, page.policy)
      :error -> text(404, "there is nothing at this address\n", [])
    end
  end

  defp file(type, bytes, policy) do
    %{
      status: 200,
      body: bytes,
      headers: [
        {"Content-Length", "#{byte_size(bytes)}"},
        {"Content-Type", type},
        {"Content-Security-Policy", policy},
        {"Cross-Origin-Opener-Policy", "same-origin"},
        {"Cross-Origin-Embedder-Policy", "require-corp"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Referrer-Policy", "no-referrer"},
        {"X-Content-Type-Options", "nosniff"},
        {"Cache-Control", "no-cache"}
      ]
    }
  end

  defp text(status, text, headers) do
    headers = [{"Content-Type", "text/plain"}, {"X-Content-Type-Options", "nosniff"} | headers]
    %{status: status, headers: [{"Content-Length", "#{byte_size(text)}"} | headers], body: text}
  end
end
