defmodule Chunker.Vectors do
  @moduledoc """
  The conformance vectors of all languages; `tests/conformance/README.md` describes them.
  """

  import Bitwise

  @directory Path.expand("../../../tests/conformance", __DIR__)
  @alphabet "etaoin shrdlu,cmfwyp.vbgkqjxz\nETAOIN SHRDLU-CMFWYP!VBGKQJXZ0123\t"

  @doc """
  Returns the cases of a file, after checking that they are as many as the file says.
  """
  def cases(file) do
    %{"count" => count, "cases" => cases} =
      @directory |> Path.join(file) |> File.read!() |> Chunker.JSON.decode!()

    ^count = length(cases)
    cases
  end

  @doc """
  Returns the bytes of an input.
  """
  def input(%{"kind" => "hex", "hex" => hex}), do: unhex(hex)
  def input(%{"kind" => "constant", "byte" => byte, "length" => length}), do: :binary.copy(<<byte>>, length)

  def input(%{"kind" => "periodic", "hex" => hex, "length" => length}) do
    period = unhex(hex)
    period |> :binary.copy(div(length, byte_size(period)) + 1) |> binary_part(0, length)
  end

  def input(%{"kind" => "random", "seed" => seed, "length" => length}), do: random(seed, length)

  def input(%{"kind" => "text", "seed" => seed, "length" => length}) do
    for <<byte <- random(seed, length)>>, into: <<>>, do: <<:binary.at(@alphabet, rem(byte, 64))>>
  end

  def input(%{"kind" => "sparse", "seed" => seed, "every" => every, "length" => length}) do
    random = random(seed, length)
    zeros = every - 1

    kept =
      for index <- 0..(length - 1)//every,
          into: <<>>,
          do: <<:binary.at(random, index), 0::size(zeros)-unit(8)>>

    binary_part(kept, 0, length)
  end

  def input(%{"kind" => "concat", "parts" => parts}), do: parts |> Enum.map(&input/1) |> IO.iodata_to_binary()

  @doc """
  Returns the bytes that hexadecimal digits stand for.
  """
  def unhex(digits), do: Base.decode16!(digits, case: :lower)

  defp random(seed, length), do: seed |> splitmix64(div(length + 7, 8), <<>>) |> binary_part(0, length)

  # Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
  defp splitmix64(_, 0, bytes), do: bytes

  defp splitmix64(state, words, bytes) do
    state = state + 0x9E3779B97F4A7C15 &&& 0xFFFFFFFFFFFFFFFF
    z = bxor(state, state >>> 30) * 0xBF58476D1CE4E5B9 &&& 0xFFFFFFFFFFFFFFFF
    z = bxor(z, z >>> 27) * 0x94D049BB133111EB &&& 0xFFFFFFFFFFFFFFFF
    splitmix64(state, words - 1, <<bytes::binary, bxor(z, z >>> 31)::little-64>>)
  end
end
