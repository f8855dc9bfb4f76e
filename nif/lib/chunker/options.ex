defmodule Chunker.Options do
  @moduledoc false
  # Keyword options as the arguments of native functions; `nil` stands for the core's default.

  @typedoc "A profile as the native library decodes it: a name, an id, its fields, or `nil` for the default."
  @type profile :: atom | String.t() | {term, term, term, term, term, term}

  @fields [:min_size, :avg_size, :max_size, :level, :seed, :hash]

  @spec profile(keyword) :: profile
  def profile([]), do: nil
  def profile(profile: profile), do: given(profile)
  def profile(fields), do: fields(fields)

  defp given(profile) when is_atom(profile) or is_binary(profile), do: profile
  defp given(fields) when is_list(fields), do: fields(fields)
  defp given(%{} = fields), do: fields |> Map.to_list() |> fields()
  defp given(other), do: raise(ArgumentError, "profile: #{inspect(other)} is not a name, an id or fields")

  defp fields(fields), do: fields(fields, nil, nil, nil, nil, nil, nil)

  defp fields([], min, avg, max, level, seed, hash), do: {min, avg, max, level, seed, hash}

  defp fields([{:min_size, min} | rest], _, avg, max, level, seed, hash),
    do: fields(rest, min, avg, max, level, seed, hash)

  defp fields([{:avg_size, avg} | rest], min, _, max, level, seed, hash),
    do: fields(rest, min, avg, max, level, seed, hash)

  defp fields([{:max_size, max} | rest], min, avg, _, level, seed, hash),
    do: fields(rest, min, avg, max, level, seed, hash)

  defp fields([{:level, level} | rest], min, avg, max, _, seed, hash),
    do: fields(rest, min, avg, max, level, seed, hash)

  defp fields([{:seed, seed} | rest], min, avg, max, level, _, hash),
    do: fields(rest, min, avg, max, level, seed, hash)

  defp fields([{:hash, hash} | rest], min, avg, max, level, seed, _),
    do: fields(rest, min, avg, max, level, seed, hash)

  defp fields([{:profile, _} | _], _, _, _, _, _, _),
    do: raise(ArgumentError, "give either profile: or its fields #{inspect(@fields)}, not both")

  defp fields([other | _], _, _, _, _, _, _), do: unknown(other, [:profile | @fields])

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
    raise ArgumentError, "unknown option #{inspect(option)} (expected #{inspect(known)})"
  end
end
