# The test vectors of the Remote Execution API need a file that is not in the repository.
exclude = if System.get_env("REMOTE_EXECUTION_INPUT"), do: [], else: [:remote_execution]
ExUnit.start(exclude: exclude)
