defmodule Ingest.Limits do
  @moduledoc """
  What one request may cost; the defaults are those of `docs/upload-protocol.md`.
  """

  @typedoc "Sizes in bytes, times in milliseconds."
  @type t :: %__MODULE__{
          max_chunk_bytes: pos_integer,
          max_manifest_bytes: pos_integer,
          max_query_bytes: pos_integer,
          max_head_bytes: pos_integer,
          max_buffered_bytes: pos_integer,
          max_served_bytes: pos_integer,
          max_decoders: pos_integer,
          max_connections: pos_integer,
          head_timeout: pos_integer,
          keep_alive_timeout: pos_integer,
          idle_timeout: pos_integer,
          body_timeout: pos_integer,
          shutdown_timeout: pos_integer
        }

  defstruct max_chunk_bytes: 16 * 1024 * 1024,
            max_manifest_bytes: 16 * 1024 * 1024,
            # 10,000 digests of 64 digits, quotes and a comma, and as much again for spaces.
            max_query_bytes: 10_000 * 67 * 2,
            max_head_bytes: 16 * 1024,
            # Manifests, questions and encoded chunks in memory at once; more are answered 503.
            max_buffered_bytes: 64 * 1024 * 1024,
            # Manifests of the files that are being read; each takes about five times that in memory.
            max_served_bytes: 64 * 1024 * 1024,
            # Encoded chunks decompressed at once; others wait.
            max_decoders: 4,
            max_connections: 1024,
            head_timeout: 20_000,
            keep_alive_timeout: 10_000,
            # A pause in a body, or of the reader of an answer.
            idle_timeout: 30_000,
            body_timeout: 300_000,
            # What requests in progress have when the server stops.
            shutdown_timeout: 10_000
end
