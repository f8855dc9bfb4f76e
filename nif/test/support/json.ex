defmodule Chunker.JSON do
  @moduledoc """
  A reader of JSON for test vectors: OTP has none before release 27, and Hex is not needed for tests.
  """

  @doc """
  Returns the value of a JSON text; objects are maps with binary keys. Raises on anything else.
  """
  def decode!(text) do
    {value, rest} = value(space(text))
    "" = space(rest)
    value
  end

  defp value("null" <> rest), do: {nil, rest}
  defp value("true" <> rest), do: {true, rest}
  defp value("false" <> rest), do: {false, rest}
  defp value("\"" <> rest), do: string(rest, rest, 0, [])
  defp value("[" <> rest), do: list(space(rest), [])
  defp value("{" <> rest), do: object(space(rest), %{})

  defp value(text) do
    {integer, rest} = Integer.parse(text)
    {integer, rest}
  end

  defp list("]" <> rest, []), do: {[], rest}

  defp list(text, items) do
    {item, rest} = value(text)

    case space(rest) do
      "," <> rest -> list(space(rest), [item | items])
      "]" <> rest -> {Enum.reverse([item | items]), rest}
    end
  end

  defp object("}" <> rest, members) when members == %{}, do: {members, rest}

  defp object("\"" <> rest, members) do
    {key, rest} = string(rest, rest, 0, [])
    ":" <> rest = space(rest)
    {value, rest} = value(space(rest))
    members = Map.put(members, key, value)

    case space(rest) do
      "," <> rest -> object(space(rest), members)
      "}" <> rest -> {members, rest}
    end
  end

  # `start` is where the part of the string without escapes began, `length` bytes ago.
  defp string("\"" <> rest, start, length, parts) do
    {IO.iodata_to_binary(Enum.reverse([binary_part(start, 0, length) | parts])), rest}
  end

  defp string("\\u" <> <<hex::binary-size(4), rest::binary>>, start, length, parts) do
    character = <<String.to_integer(hex, 16)::utf8>>
    string(rest, rest, 0, [character, binary_part(start, 0, length) | parts])
  end

  defp string("\\" <> <<escaped, rest::binary>>, start, length, parts) do
    character = Map.fetch!(%{?" => "\"", ?\\ => "\\", ?/ => "/", ?n => "\n", ?t => "\t", ?r => "\r"}, escaped)
    string(rest, rest, 0, [character, binary_part(start, 0, length) | parts])
  end

  defp string(<<_, rest::binary>>, start, length, parts), do: string(rest, start, length + 1, parts)

  defp space(<<space, rest::binary>>) when space in ' \n\r\t', do: space(rest)
  defp space(text), do: text
end
