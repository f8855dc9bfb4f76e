defmodule Chunker.RemoteExecutionTest do
  use ExUnit.Case, async: true

  # The test vectors of the Remote Execution API (bazelbuild/remote-apis, fastcdc2020_test_vectors.txt) are of
  # a picture that is not ours to publish: the environment variable REMOTE_EXECUTION_INPUT names its file.
  @moduletag :remote_execution

  @input "d9e749d9367fc908876749d6502eb212fee88c9a94892fb07da5ef3ba8bc39ed"

  # Length and digest of every chunk, by seed.
  @vectors %{
    0 => [
      {19_186, "0f9efa589121d5d9e9e2c4ace91337d77cae866537143f6f15a0ffd525a77c2d"},
      {19_279, "c7c86a165573c16448cda35c9169742e85645af42be22889f8b96b8ee0ec7cb0"},
      {17_354, "bc88521e28a8b4479cdea5f75aa721a24f3a0a7d0be903aa6d505c574e51e89d"},
      {16_387, "4b8dac2652e4685c629d2bb1ae9d4448e676b86f2e67ca0b2fff3d9580184b79"},
      {19_940, "c0a7062da6f2386c28e086ee0cedd5732252741269838773cff1ddb05b2df6ed"},
      {17_320, "7fa5b12134dc75cd2ac8dc60d3a8f3c8d22f0ee9d4cf74a4aa937e2a0d2d79a5"}
    ],
    666 => [
      {17_635, "cb3a9d80a3569772d4ed331ca37ab0c862c759897b890fc1aac90a4f2ea3a407"},
      {17_334, "d758c6b7b0b7eef1e996f8ccd17de6c645360b03a26c35541e7581348ac08944"},
      {19_136, "24846aefd89e510594bae3e9d7d5ea5012067601512610fed126a3c57ba993f5"},
      {17_467, "efa785e1fefb49f190e665f72fd246c1442079874508c312196da1fb3040d00b"},
      {23_593, "a2f557bdd8d40d8faada963ad5f91ec54b10ccee7c5ae72754a65137592dc607"},
      {14_301, "e131100b4a7147ccad19dc63c4a2fac1f5d8b644e1373eeb6803825024234efc"}
    ]
  }

  test "the chunks of the API's test vectors are ours, with both seeds" do
    data = "REMOTE_EXECUTION_INPUT" |> System.fetch_env!() |> File.read!()
    assert hex(:crypto.hash(:sha256, data)) == @input, "REMOTE_EXECUTION_INPUT names another file"

    for {seed, vectors} <- @vectors do
      profile = [min_size: 4096, avg_size: 16_384, max_size: 65_536, level: 2, seed: seed]
      chunks = Chunker.chunk!(data, profile: profile)
      assert for({hash, _, length} <- chunks, do: {length, hex(hash)}) == vectors
      assert [data] |> Chunker.stream(profile: profile) |> Enum.to_list() == chunks
    end

    named = Chunker.chunk!(data, profile: Chunker.remote_execution_profile!(16_384))
    assert for({hash, _, length} <- named, do: {length, hex(hash)}) == @vectors[0]
    IO.puts("conformance: elixir remote execution: #{map_size(@vectors)} vectors, 0 differences")
  end

  defp hex(digest), do: Base.encode16(digest, case: :lower)
end
