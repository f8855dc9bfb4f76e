defmodule Ingest.Json do
  @moduledoc """
  JSON (RFC 8259) from strangers: OTP has none before release 27.

  Values may be nested 64 deep. Objects are maps with binary keys; of members with the same name the
  last counts. A number stays text, `{:number, text}`: no stranger makes the server compute with it.
  """

  @max_depth 64

  @type value ::
          nil
          | boolean
          | {:number, String.t()}
          | String.t()
          | [value]
          | %{optional(String.t()) => value}

  @doc """
  Returns the value of a text in UTF-8.
  """
  @spec decode(binary) :: {:ok, value} | :error
  def decode(text) do
    if String.valid?(text) do
      {value, rest} = text |> space() |> value(0)
      if space(rest) == "", do: {:ok, value}, else: :error
    else
      :error
    end
  catch
    :not_json -> :error
  end

  defp value("null" <> rest, _), do: {nil, rest}
  defp value("true" <> rest, _), do: {true, rest}
  defp value("false" <> rest, _), do: {false, rest}
  defp value("\"" <> rest, _), do: string(rest, rest, 0, [])
  defp value("[" <> rest, depth) when depth < @max_depth, do: rest |> space() |> list(depth + 1)
  defp value("{" <> rest, depth) when depth < @max_depth, do: rest |> space() |> object(depth + 1)
  defp value(text, _), do: number(text)

  defp list("]" <> rest, _), do: {[], rest}
  defp list(text, depth), do: items(text, depth, [])

  defp items(text, depth, items) do
    {item, rest} = value(text, depth)

    case space(rest) do
      "," <> rest -> rest |> space() |> items(depth, [item | items])
      "]" <> rest -> {Enum.reverse(items, [item]), rest}
      _ -> throw(:not_json)
    end
  end

  defp object("}" <> rest, _), do: {%{}, rest}
  defp object(text, depth), do: members(text, depth, %{})

  defp members(text, depth, members) do
    {key, rest} = key(text)
    {value, rest} = rest |> space() |> value(depth)
    members = Map.put(members, key, value)

    case space(rest) do
      "," <> rest -> rest |> space() |> members(depth, members)
      "}" <> rest -> {members, rest}
      _ -> throw(:not_json)
    end
  end

  defp key(text) do
    with "\"" <> rest <- text, {key, rest} = string(rest, rest, 0, []), ":" <> rest <- space(rest) do
      {key, rest}
    else
      _ -> throw(:not_json)
    end
  end

  # `start` is where the part without escapes began, `length` bytes ago.
  defp string("\"" <> rest, start, length, parts) do
    {IO.iodata_to_binary(Enum.reverse(parts, [binary_part(start, 0, length)])), rest}
  end

  defp string("\\" <> rest, start, length, parts) do
    {character, rest} = escape(rest)
    string(rest, rest, 0, [character, binary_part(start, 0, length) | parts])
  end

  defp string(<<byte, rest::binary>>, start, length, parts) when byte >= 0x20,
    do: string(rest, start, length + 1, parts)

  defp string(_, _, _, _), do: throw(:not_json)

  for {letter, character} <- Enum.zip('"\\/bfnrt', '"\\/\b\f\n\r\t') do
    defp escape(<<unquote(letter), rest::binary>>), do: {<<unquote(character)>>, rest}
  end

  defp escape("u" <> rest) do
    case unit(rest) do
      {unit, rest} when unit not in 0xD800..0xDFFF -> {<<unit::utf8>>, rest}
      {high, "\\u" <> rest} when high < 0xDC00 -> pair(high, unit(rest))
      _ -> throw(:not_json)
    end
  end

  defp escape(_), do: throw(:not_json)

  defp pair(high, {low, rest}) when low in 0xDC00..0xDFFF,
    do: {<<0x10000 + (high - 0xD800) * 0x400 + (low - 0xDC00)::utf8>>, rest}

  defp pair(_, _), do: throw(:not_json)

  defp unit(<<digits::binary-size(4), rest::binary>>) do
    case Base.decode16(digits, case: :mixed) do
      {:ok, <<unit::16>>} -> {unit, rest}
      :error -> throw(:not_json)
    end
  end

  defp unit(_), do: throw(:not_json)

  defp number(text) do
    case Regex.run(~r/\A-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?/, text) do
      [number] ->
        {{:number, number}, binary_part(text, byte_size(number), byte_size(text) - byte_size(number))}

      nil ->
        throw(:not_json)
    end
  end

  defp space(<<space, rest::binary>>) when space in ' \n\r\t', do: space(rest)
  defp space(text), do: text

  @doc """
  Returns the text of a value of maps, lists, binaries in UTF-8 and integers.
  """
  @spec encode(map | list | String.t() | integer) :: iodata
  def encode(map) when is_map(map) do
    members = Enum.map(map, fn {key, value} -> [quoted(to_string(key)), ?:, encode(value)] end)
    [?{, Enum.intersperse(members, ?,), ?}]
  end

  def encode(list) when is_list(list), do: [?[, list |> Enum.map(&encode/1) |> Enum.intersperse(?,), ?]]
  def encode(text) when is_binary(text), do: quoted(text)
  def encode(integer) when is_integer(integer), do: Integer.to_string(integer)

  defp quoted(text), do: [?", String.replace(text, ~r/["\\\x00-\x1f]/, &escaped/1), ?"]

  defp escaped("\""), do: "\\\""
  defp escaped("\\"), do: "\\\\"
  defp escaped(<<control>>), do: "\\u" <> Base.encode16(<<control::16>>)
end
