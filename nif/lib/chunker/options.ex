defmodule Chunker.Options do
  @moduledoc false
  # Keyword options as the arguments of native functions; `nil` stands for the core's default.

  @type sizes_and_hash :: {term, term, term, term}

  @spec chunking(keyword) :: sizes_and_hash
  def chunking(options), do: chunking(options, nil, nil, nil, nil)

  defp chunking([], min, avg, max, hash), do: {min, avg, max, hash}

  defp chunking([{:min_size, min} | rest], _, avg, max, hash),
    do: chunking(rest, min, avg, max, hash)

  defp chunking([{:avg_size, avg} | rest], min, _, max, hash),
    do: chunking(rest, min, avg, max, hash)

  defp chunking([{:max_size, max} | rest], min, avg, _, hash),
    do: chunking(rest, min, avg, max, hash)

  defp chunking([{:hash, hash} | rest], min, avg, max, _), do: chunking(rest, min, avg, max, hash)

  defp chunking([other | _], _, _, _, _),
    do: unknown(other, [:min_size, :avg_size, :max_size, :hash])

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
