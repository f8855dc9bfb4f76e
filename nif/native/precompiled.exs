defmodule Chunker.Precompiled do
  @moduledoc """
  Native libraries that were built for a release, and are downloaded while the package is compiled.

  `libraries.exs` beside this file says where they are, and has the SHA-256 of each: no other bytes are
  ever installed. Only the package on Hex has that file.
  """

  @doc """
  Returns the path of the library for `target`, a triple of Rust; downloads it unless `cache` has it.

  `:none` where the list has no such library, or where there is no list.
  """
  @spec library(Path.t(), String.t() | nil, Path.t()) :: {:ok, Path.t()} | :none | {:error, String.t()}
  def library(list, target, cache \\ :filename.basedir(:user_cache, "chunker")) do
    with true <- File.regular?(list),
         {%{url: url, libraries: libraries}, _} = Code.eval_file(list),
         %{^target => {name, sha256}} <- libraries do
      fetch("#{url}/#{name}", Path.join(cache, "#{sha256}-#{name}"), sha256)
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

  defp triple(cpu, system) when cpu in ["x86_64", "amd64"], do: "x86_64-" <> system
  defp triple(cpu, system) when cpu in ["aarch64", "arm64"], do: "aarch64-" <> system
  defp triple(_, _), do: nil

  defp libc(rest), do: if("musl" in rest, do: "musl", else: "gnu")

  defp fetch(url, path, sha256) do
    if File.regular?(path) and sha256(File.read!(path)) == sha256 do
      {:ok, path}
    else
      with {:ok, library} <- download(url) do
        if sha256(library) == sha256,
          do: store(library, path),
          else: {:error, "#{url} has not the SHA-256 #{sha256}"}
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

  defp download(url) do
    {:ok, _} = Application.ensure_all_started(:inets)
    {:ok, _} = Application.ensure_all_started(:ssl)
    options = [timeout: @download_ms, ssl: ssl()]

    case :httpc.request(:get, {String.to_charlist(url), []}, options, body_format: :binary) do
      {:ok, {{_, 200, _}, _, body}} -> {:ok, body}
      {:ok, {{_, status, _}, _, _}} -> {:error, "#{url} answers with status #{status}"}
      {:error, reason} -> {:error, "#{url}: #{inspect(reason)}"}
    end
  end

  # The digest decides what is installed; before OTP 25 there are no certificates to check the server by.
  defp ssl do
    if Code.ensure_loaded?(:public_key) and function_exported?(:public_key, :cacerts_get, 0) do
      match = :public_key.pkix_verify_hostname_match_fun(:https)
      [verify: :verify_peer, cacerts: :public_key.cacerts_get(), customize_hostname_check: [match_fun: match]]
    else
      [verify: :verify_none]
    end
  end

  defp sha256(data), do: :crypto.hash(:sha256, data) |> Base.encode16(case: :lower)
end
