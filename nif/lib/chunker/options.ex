defmodule Chunker.Options do
  @moduledoc false
  # Keyword options as the arguments of native functions; `nil` stands for the core's default.

  @typedoc "A profile as the native library decodes it: an id, its fields, or `nil` for the default."
  @type profile :: String.t() | {term, term, term, term} | nil

  @spec profile(keyword) :: profile
  def profile([]), do: nil
  def profile(profile: profile), do: given(profile)
  def profile(fields), do: fields(fields, nil, nil, nil, nil)

  defp given(id) when is_binary(id) or id == nil, do: id
  defp given(fields) when is_list(fields), do: fields(fields, nil, nil, nil, nil)
  defp given(%{} = fields), do: fields |> Map.to_list() |> fields(nil, nil, nil, nil)
  defp given(other), do: raise(ArgumentError, "profile: #{inspect(other)} is not an id or options")

  defp fields([], nil, nil, nil, nil), do: nil
  defp fields([], min, avg, max, hash), do: {min, avg, max, hash}
  defp fields([{:min_size, min} | rest], _, avg, max, hash), do: fields(rest, min, avg, max, hash)
  defp fields([{:avg_size, avg} | rest], min, _, max, hash), do: fields(rest, min, avg, max, hash)
  defp fields([{:max_size, max} | rest], min, avg, _, hash), do: fields(rest, min, avg, max, hash)
  defp fields([{:hash, hash} | rest], min, avg, max, _), do: fields(rest, min, avg, max, hash)

  defp fields([{:profile, _} | _], _, _, _, _),
    do: raise(ArgumentError, "profile: is all that decides the chunks, and takes no other option beside it")

  defp fields([other | _], _, _, _, _), do: unknown(other, [:profile, :min_size, :avg_size, :max_size, :hash])

  @spec payloads(keyword) :: {boolean, keyword}
  def payloads([]), do: {false, []}

  def payloads(options) do
    case Keyword.pop(options, :payloads, false) do
      {payloads, rest} when is_boolean(payloads) -> {payloads, rest}
      {other, _} -> raise ArgumentError, "payloads: #{inspect(other)} is not a boolean"
    end
  end

  @spec opening(keyword) :: {payloads :: boolean, offset :: term, keyword}
  def opening(options) do
    {payloads, options} = payloads(options)
    {offset, options} = Keyword.pop(options, :offset)
    {payloads, offset, options}
  end

  @spec compression(keyword) :: {codec :: term, level :: term, dictionary :: term}
  def compression(options) do
    options = Keyword.validate!(options, codec: :zstd, level: nil, dictionary: nil)
    {options[:codec], options[:level], options[:dictionary]}
  end

  @spec decompression(keyword) :: {codec :: term, {term, term, term}, dictionary :: term}
  def decompression(options) do
    known = [codec: nil, max_output: nil, max_window_log: nil, max_memory: nil, dictionary: nil]
    options = Keyword.validate!(options, known)
    limits = {options[:max_output], options[:max_window_log], options[:max_memory]}
    {options[:codec], limits, options[:dictionary]}
  end

  @spec unknown(term, [atom]) :: no_return
  defp unknown(option, known) do
    raise ArgumentError, "unknown option #{inspect(option)}, the known ones are #{inspect(known)}"
  end
end
