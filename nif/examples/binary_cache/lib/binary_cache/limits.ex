defmodule BinaryCache.Limits do
  @moduledoc """
  What a request may cost, and all together.
  """

  @typedoc "Sizes in bytes, times in milliseconds."
  @type t :: %__MODULE__{
          max_nar_bytes: pos_integer,
          max_ratio: pos_integer,
          max_window_log: 10..30,
          max_narinfo_bytes: pos_integer,
          max_document_bytes: pos_integer,
          max_publications: pos_integer,
          expiry: pos_integer
        }

  defstruct max_nar_bytes: 8 * 1024 * 1024 * 1024,
            # How many times larger than what was sent a NAR may be, beyond its first 64 MiB.
            max_ratio: 1000,
            # A decoder's window: 64 MiB, what `xz -9` needs.
            max_window_log: 26,
            max_narinfo_bytes: 1024 * 1024,
            # A listing, a build log or a realisation.
            max_document_bytes: 64 * 1024 * 1024,
            # NARs that are chunked at once; each takes some packs of 16 MiB of memory, others wait.
            max_publications: 4,
            # How long a NAR or a listing waits for its narinfo.
            expiry: 86_400_000
end
