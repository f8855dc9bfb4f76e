defmodule Chunker.NixTest do
  use ExUnit.Case, async: true

  alias Chunker.{Nix, Signing}

  test "a key of Nix has the public key and the name that Nix gives it" do
    directory = Path.join(System.tmp_dir!(), "chunker-nix-#{System.pid()}")
    File.mkdir_p!(directory)
    on_exit(fn -> File.rm_rf!(directory) end)
    [secret, public] = for name <- ["secret", "public"], do: Path.join(directory, name)
    arguments = ["--generate-binary-cache-key", "cache.example.org-1", secret, public]
    variables = for name <- ~w(STORE STATE LOG CONF), do: {"NIX_#{name}_DIR", directory}
    environment = [{"HOME", directory} | variables]
    assert {_, 0} = System.cmd("nix-store", arguments, env: environment, stderr_to_stdout: true)

    public = File.read!(public)
    assert Nix.public_key(File.read!(secret)) == {:ok, public}
    assert Nix.key_name(public) == {:ok, "cache.example.org-1"}
  end

  test "a key file is a name and a secret key" do
    {:ok, secret} = Signing.generate_key()
    {:ok, public} = Signing.public_key(secret)
    assert Nix.secret_key("a-1", secret) == {:ok, "a-1:" <> Base.encode64(secret)}
    assert Nix.public_key("a-1:" <> Base.encode64(secret)) == {:ok, "a-1:" <> Base.encode64(public)}
    assert Nix.secret_key("a b", secret) == {:error, :invalid_secret_key}
    assert Nix.key_name("a b:" <> Base.encode64(public)) == {:error, :invalid_public_key}
  end
end
