defmodule Chunker.RecipesTest do
  use ExUnit.Case, async: true

  @recipes Path.expand("../../docs/recipes.md", __DIR__)
  @external_resource @recipes

  test "uploads under a supervisor" do
    [[_, code]] = Regex.scan(~r/^```elixir\n(.*?)^```$/ms, File.read!(@recipes))
    Code.eval_string(code)
    uploads = MyApp.Uploads
    start_supervised!({uploads, "memory://recipes"})
    head = %{method: "GET", target: "/store/v1", headers: [{"host", "example.org"}]}
    closed = fn state -> {:error, :closed, state} end
    assert {%{status: 200}, nil} = Chunker.Upload.answer(uploads.upload(), head, nil, closed)
  end
end
