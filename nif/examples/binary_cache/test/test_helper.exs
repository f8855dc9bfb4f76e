# A full disk is a small tmpfs, which only root can mount: this user, or `sudo` where it needs no password.
as_root =
  cond do
    :os.type() != {:unix, :linux} -> nil
    match?({"0\n", 0}, System.cmd("id", ["-u"])) -> []
    System.find_executable("sudo") == nil -> nil
    match?({_, 0}, System.cmd("sudo", ["-n", "true"], stderr_to_stdout: true)) -> ["sudo", "-n"]
    true -> nil
  end

Application.put_env(:binary_cache, :as_root, as_root)

# A busy machine must not fail a test.
ExUnit.start(
  capture_log: true,
  exclude: if(as_root, do: [], else: [:tmpfs]),
  timeout: 600_000,
  assert_receive_timeout: 5_000
)
