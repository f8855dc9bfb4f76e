# A busy machine is no failure.
ExUnit.start(capture_log: true, assert_receive_timeout: 5_000)
