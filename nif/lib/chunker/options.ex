defmodule Chunker.Options do
  @moduledoc false
  # Keyword options as the arguments of native functions; `nil` stands for the core's default.

  @typedoc "A profile as the native library decodes it: a name, an id, its fields, or `nil` for the default."
  @type profile :: atom | String.t() | {term, term, term, term, term, term}

  # The fields of a profile, in the order of the native library.
  @fields [:min_size, :avg_size, :max_size, :level, :seed, :hash]
  @defaults {nil, nil, nil, nil, nil, nil}

  @spec profile(keyword) :: profile
  def profile([]), do: nil
  def profile(profile: profile), do: given(profile)
  def profile(fields), do: fields(fields, @defaults)

  defp given(profile) when is_atom(profile) or is_binary(profile), do: profile
  defp given(fields) when is_list(fields), do: fields(fields, @defaults)
  defp given(%{} = fields), do: fields |> Map.to_list() |> fields(@defaults)
  defp given(other), do: raise(ArgumentError, "profile: #{inspect(other)} is not a name, an id or fields")

  defp fields([], given), do: given

  for {name, index} <- Enum.with_index(@fields) do
    defp fields([{unquote(name), value} | rest], given),
      do: fields(rest, put_elem(given, unquote(index), value))
  end

  defp fields([{:profile, _} | _], _),
    do:
      raise(
        ArgumentError,
        "profile: decides everything about the chunks, so none of #{inspect(@fields)} may be given beside it"
      )

  defp fields([other | _], _), do: unknown(other, [:profile | @fields])

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
