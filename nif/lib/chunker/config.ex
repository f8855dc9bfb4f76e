defmodule Chunker.Config do
  @moduledoc false
  # The application environment of `:chunker`, read at the first call: a release loads modules before
  # it knows the environment, so loading is too early.

  @type t :: %{
          normal_bytes: non_neg_integer,
          sliced_bytes: pos_integer,
          slice_bytes: pos_integer,
          threads: pos_integer,
          telemetry: boolean
        }

  @spec get() :: t
  def get do
    case :persistent_term.get(__MODULE__, nil) do
      nil -> reload()
      config -> config
    end
  end

  @doc false
  @spec reload() :: t
  def reload do
    config = %{
      normal_bytes: read(:normal_bytes, 64 * 1024, 0..(1024 * 1024)),
      sliced_bytes: read(:sliced_bytes, 4 * 1024 * 1024, 1024..(1024 * 1024 * 1024)),
      slice_bytes: read(:slice_bytes, 1024 * 1024, 1024..(64 * 1024 * 1024)),
      threads: read(:threads, System.schedulers_online(), 1..1024),
      telemetry: Code.ensure_loaded?(:telemetry)
    }

    :persistent_term.put(__MODULE__, config)
    config
  end

  defp read(key, default, range) do
    value = Application.get_env(:chunker, key, default)

    unless is_integer(value) and value in range do
      raise ArgumentError,
            "config :chunker, #{key}: #{inspect(value)} is not an integer from #{range.first} to #{range.last}"
    end

    value
  end
end
