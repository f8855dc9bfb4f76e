defmodule Ingest.JsonTest do
  use ExUnit.Case, async: true

  alias Ingest.Json

  test "texts have their values" do
    for {text, value} <- [
          {"null", nil},
          {" [ true , false ] ", [true, false]},
          {"[]", []},
          {~s({"a": {}, "b": [1, "x"], "a": -0.5e+10}),
           %{"a" => {:number, "-0.5e+10"}, "b" => [{:number, "1"}, "x"]}},
          {~S("\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"), "\"\\/\b\f\n\r\té😀"},
          {~s("é😀"), "é😀"},
          {"0", {:number, "0"}}
        ] do
      assert {text, Json.decode(text)} == {text, {:ok, value}}
    end
  end

  test "all else is refused" do
    for text <- [
          "",
          " ",
          "nul",
          "nulll",
          "[1,]",
          "[1 2]",
          "[",
          "{",
          "{}}",
          ~s({"a"}),
          ~s({"a":}),
          ~s({"a":1,}),
          ~s({a:1}),
          ~s({1:1}),
          "'a'",
          ~s("a),
          ~S("\x"),
          ~S("\u12"),
          ~S("\u123g"),
          ~S("\ud800"),
          ~S("\ud800\u0041"),
          ~S("\udc00"),
          "\"a\nb\"",
          "01",
          "-",
          "1.",
          ".5",
          "1e",
          "+1",
          "NaN",
          "\uFEFF1",
          <<?", 0xFF, ?">>,
          "[1] x"
        ] do
      assert {text, Json.decode(text)} == {text, :error}
    end
  end

  test "nesting ends at 64, and a megabyte of brackets takes no stack" do
    nested = fn depth -> String.duplicate("[", depth) <> String.duplicate("]", depth) end
    assert {:ok, [_]} = Json.decode(nested.(64))
    assert Json.decode(nested.(65)) == :error
    assert Json.decode(String.duplicate("[", 1_000_000)) == :error
    assert Json.decode(String.duplicate(~s({"a":), 1_000_000)) == :error
  end

  test "a number of a million digits costs nothing" do
    digits = String.duplicate("9", 1_000_000)
    assert Json.decode(digits) == {:ok, {:number, digits}}
  end

  test "what is encoded is decoded to the same" do
    value = %{"a" => ["\"\\\n\0é", "b"], "c" => %{}}
    assert value |> Json.encode() |> IO.iodata_to_binary() |> Json.decode() == {:ok, value}
    assert IO.iodata_to_binary(Json.encode([1, -2])) == "[1,-2]"
  end
end
