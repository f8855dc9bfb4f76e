defmodule Chunker.Precompiled do
  @moduledoc """
  Native libraries that were built for a release, and are downloaded while the package is compiled.

  `libraries.exs` beside this file says where they are, and has the SHA-256 of each: no other bytes are
  ever installed. Only the package on Hex has that file.
  """

  @doc """
  Returns the path of the library for `target`, a triple of Rust; downloads it unless `cache` has it.

  `:none` where the list has no such library, or where there is no list. The download goes through the proxy that
  `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` of the environment ask for.
  """
  @spec library(Path.t(), String.t() | nil, Path.t(), %{String.t() => String.t()}) ::
          {:ok, Path.t()} | :none | {:error, String.t()}
  def library(
        list,
        target,
        cache \\ :filename.basedir(:user_cache, "chunker"),
        environment \\ System.get_env()
      ) do
    with true <- File.regular?(list),
         {%{url: url, libraries: libraries}, _} = Code.eval_file(list),
         %{^target => {name, sha256}} <- libraries do
      fetch("#{url}/#{name}", Path.join(cache, "#{sha256}-#{name}"), sha256, environment)
    else
      _ -> :none
    end
  end

  @doc """
  Returns the triple of the system that this VM runs on, or `nil` where Rust's name for it is not known.
  """
  @spec target(charlist, {atom, atom}, 4 | 8) :: String.t() | nil
  def target(
        architecture \\ :erlang.system_info(:system_architecture),
        os \\ :os.type(),
        word_bytes \\ :erlang.system_info(:wordsize)
      ) do
    case {os, architecture |> List.to_string() |> String.split("-")} do
      # The VM of Windows says no more than that.
      {{:win32, _}, _} when word_bytes == 8 -> "x86_64-pc-windows-gnu"
      {{:unix, :darwin}, [cpu | _]} -> triple(cpu, "apple-darwin")
      {{:unix, :linux}, [cpu | rest]} -> triple(cpu, "unknown-linux-" <> libc(rest))
      _ -> nil
    end
  end

  @doc """
  Returns the triple to compile for: what a cross-compiler's environment says, else `host`.

  Nerves sets `TARGET_ARCH`, `TARGET_OS` and `TARGET_ABI`. With a `MIX_TARGET` and without them, or with names
  that no library is built for, the answer is `nil`: the library of the host would not load there.
  """
  @spec target_of(%{String.t() => String.t()}, String.t() | nil) :: String.t() | nil
  def target_of(environment, host) do
    case environment do
      %{"TARGET_ARCH" => cpu, "TARGET_OS" => "linux", "TARGET_ABI" => libc} when libc in ["gnu", "musl"] ->
        triple(cpu, "unknown-linux-" <> libc)

      _ ->
        if cross?(environment), do: nil, else: host
    end
  end

  @doc """
  Says whether the environment is that of a cross-compiler.
  """
  @spec cross?(%{String.t() => String.t()}) :: boolean
  def cross?(environment),
    do: Map.get(environment, "MIX_TARGET", "") not in ["", "host"] or Map.has_key?(environment, "TARGET_ARCH")

  defp triple(cpu, system) when cpu in ["x86_64", "amd64"], do: "x86_64-" <> system
  defp triple(cpu, system) when cpu in ["aarch64", "arm64"], do: "aarch64-" <> system
  defp triple(_, _), do: nil

  defp libc(rest), do: if("musl" in rest, do: "musl", else: "gnu")

  defp fetch(url, path, sha256, environment) do
    if File.regular?(path) and sha256(File.read!(path)) == sha256 do
      {:ok, path}
    else
      with {:ok, library} <- download(url, environment) do
        if sha256(library) == sha256,
          do: store(library, path),
          else: {:error, "#{url} does not have the SHA-256 #{sha256}"}
      end
    end
  end

  # Others may compile at the same time, and find a file whole or not at all. Containers that share a
  # cache may have the same process numbers.
  defp store(library, path) do
    temporary = "#{path}.#{Base.encode16(:crypto.strong_rand_bytes(8))}"

    with :ok <- File.mkdir_p(Path.dirname(path)),
         :ok <- File.write(temporary, library),
         :ok <- File.rename(temporary, path) do
      {:ok, path}
    else
      {:error, reason} ->
        File.rm(temporary)
        {:error, "#{path}: #{:file.format_error(reason)}"}
    end
  end

  @download_ms 300_000

  defp download(url, environment) do
    {:ok, _} = Application.ensure_all_started(:inets)
    {:ok, _} = Application.ensure_all_started(:ssl)

    with {:ok, proxy} <- proxy(URI.parse(url), environment) do
      # Proxies are set for all requests of a profile: this one is ours alone.
      profile = :"chunker_#{System.unique_integer([:positive])}"
      {:ok, client} = :inets.start(:httpc, profile: profile)

      try do
        :ok = :httpc.set_options(proxy_options(proxy), profile)
        options = [timeout: @download_ms, ssl: ssl()] ++ credentials(proxy)

        answer(
          url,
          :httpc.request(:get, {String.to_charlist(url), []}, options, [body_format: :binary], client)
        )
      after
        :inets.stop(:httpc, client)
      end
    end
  end

  defp answer(_, {:ok, {{_, 200, _}, _, body}}), do: {:ok, body}
  defp answer(url, {:ok, {{_, status, _}, _, _}}), do: {:error, "#{url} answers with status #{status}"}
  defp answer(url, {:error, reason}), do: {:error, "#{url}: #{inspect(reason)}"}

  # Returns the proxy's URI, or `nil`.
  defp proxy(%URI{scheme: scheme, host: host}, environment) do
    get = &(environment[String.upcase(&1)] || environment[&1] || "")
    value = get.("#{scheme}_proxy")

    if value == "" or direct?(host, get.("no_proxy")) do
      {:ok, nil}
    else
      case URI.parse(if value =~ "://", do: value, else: "http://" <> value) do
        %URI{scheme: "http", host: proxy} = uri when proxy not in [nil, ""] -> {:ok, uri}
        _ -> {:error, "#{String.upcase(scheme)}_PROXY is not the address of an HTTP proxy"}
      end
    end
  end

  defp direct?(host, no_proxy) do
    no_proxy
    |> String.split([",", " "], trim: true)
    |> Enum.any?(&(&1 == "*" or host == &1 or String.ends_with?(host, "." <> String.trim_leading(&1, "."))))
  end

  defp proxy_options(nil), do: []

  defp proxy_options(%URI{host: host, port: port}) do
    address = {{String.to_charlist(host), port}, []}
    [proxy: address, https_proxy: address]
  end

  defp credentials(%URI{userinfo: info}) when is_binary(info) do
    [user | password] = String.split(info, ":", parts: 2)
    plain = &(&1 |> URI.decode() |> String.to_charlist())
    [proxy_auth: {plain.(user), plain.(Enum.join(password))}]
  end

  defp credentials(_), do: []

  # The digest decides what is installed. Before OTP 25, and in an image without CA certificates, there is
  # nothing to check the server by.
  defp ssl do
    match = :public_key.pkix_verify_hostname_match_fun(:https)
    [verify: :verify_peer, cacerts: :public_key.cacerts_get(), customize_hostname_check: [match_fun: match]]
  rescue
    _ -> [verify: :verify_none]
  end

  defp sha256(data), do: :crypto.hash(:sha256, data) |> Base.encode16(case: :lower)
end
