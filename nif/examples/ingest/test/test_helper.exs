# A busy machine must not fail a test.
ExUnit.start(capture_log: true, timeout: 600_000, assert_receive_timeout: 5_000)
