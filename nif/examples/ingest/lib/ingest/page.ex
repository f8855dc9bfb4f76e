defmodule Ingest.Page do
  @moduledoc """
  A page and the files that it imports, read once: nothing else of the disk can be asked for.

  A server with a page is for `localhost` only, as is fit for a demo.
  """

  import Ingest.Refusal, only: [refuse: 3, refuse: 4]
  alias Ingest.{Refusal, Request, Response}

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
  Refuses what is not asked of `localhost`: a page of another site whose name is pointed at this machine
  has that name in `Host`.
  """
  @spec check_host(t | nil, Request.t()) :: :ok | {:error, Refusal.t()}
  def check_host(nil, _), do: :ok

  def check_host(_, request) do
    if (Request.header(request, "host") || "") =~ ~r/\A(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?\z/,
      do: :ok,
      else: refuse(421, "misdirected_request", "this server is for localhost only")
  end

  @spec answer(t, Request.t()) :: {:ok, Response.t()} | {:error, Refusal.t()}
  def answer(page, request) do
    with :ok <- check_method(request) do
      case Map.fetch(page.files, request.path) do
        {:ok, {type, bytes}} -> {:ok, response(type, bytes, page.policy)}
        :error -> refuse(404, "not_found", "there is nothing at this address")
      end
    end
  end

  defp check_method(%{method: method}) when method in ["GET", "HEAD"], do: :ok

  defp check_method(_),
    do: refuse(405, "method_not_allowed", "only GET is possible here", headers: [{"Allow", "GET, HEAD"}])

  defp response(type, bytes, policy) do
    %Response{
      status: 200,
      length: byte_size(bytes),
      body: bytes,
      headers: [
        {"Content-Type", type},
        {"Content-Security-Policy", policy},
        {"Cross-Origin-Opener-Policy", "same-origin"},
        {"Cross-Origin-Embedder-Policy", "require-corp"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Referrer-Policy", "no-referrer"},
        {"Cache-Control", "no-cache"}
      ]
    }
  end
end
