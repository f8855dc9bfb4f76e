defmodule Chunker do
  @moduledoc """
  Content-defined chunking that cuts the same bytes at the same places in Elixir, Rust and JavaScript.

      iex> {:ok, chunks} = Chunker.chunk("bytes in memory")
      iex> for {hash, offset, length} <- chunks, do: {Base.encode16(hash, case: :lower), offset, length}
      [{"690b44674cc60ab4c1ef67b7ed52085a741b8395197d39a362fe2236931ca962", 0, 15}]

  A chunk is `{hash, offset, length}`, or `{hash, offset, length, payload}` if you ask for payloads. Every
  byte of the input is in exactly one chunk, in order.

  | you have | use |
  |---|---|
  | a binary | `chunk/2` |
  | an enumerable of pieces: a file, a request body | `stream/2` |
  | pieces, one at a time | `open/1`, `feed/2`, `finish/1` |
  | many binaries | `chunk_batch/2` |
  | many files, many nodes | `Chunker.Cluster` |
  | files to store, each chunk once | `Chunker.Store` |
  | clients that send files | `Chunker.Upload` |

  ## Profiles

  A profile is everything that determines the chunks of an input and their digests. Functions take it as
  `:profile`, in one of three forms:

    * a name: `:large`, the default, is for files of many megabytes; `:medium` and `:small` find more
      duplicates, at the cost of more chunks

      | | smallest | average | largest chunk |
      |---|---|---|---|
      | `:large` | 256 KiB | 1 MiB | 4 MiB |
      | `:medium` | 16 KiB | 64 KiB | 256 KiB |
      | `:small` | 4 KiB | 16 KiB | 64 KiB |

    * an id, such as that of a manifest: `"fastcdc-v2020/nc1/16384-65536-262144/sha256"`; two sides with
      equal ids find equal chunks
    * fields, in a keyword list or a map; those left out are those of `:large`
        * `:min_size` - size of the smallest chunk in bytes; only the last chunk of an input may be smaller
        * `:avg_size` - average size in bytes
        * `:max_size` - size of the largest chunk in bytes
        * `:level` - normalization level, `0..3`, by default 1; the higher it is, the closer chunks are to the
          average size
        * `:seed` - a number that the entries of the gear table are XORed with, `0..2**64-1`, by default 0; it
          does **not** protect against fingerprinting
        * `:hash` - algorithm of the digests, `:sha256` (default) or `:blake3`

  Sizes are even, and `64 ≤ min ≤ avg ≤ max`, `avg ≤ 16 MiB`, `max ≤ 1 GiB`. Nothing is rounded or
  clamped. Instead of `:profile`, you can pass its fields as options: `Chunker.chunk(data, hash: :blake3)`.

  ## Errors

  Functions return `{:error, code}` with a code of `t:error/0`, the same in every language; those with a `!`
  raise `Chunker.Error`. An argument of the wrong type raises `ArgumentError`, as does an unknown option.
  Functions of `Chunker.Store` return `{:error, %Chunker.Error{}}`, which also says what failed.

  ## Schedulers

  Small calls run on the caller's scheduler, larger ones on a dirty CPU scheduler. Above 4 MiB, they run in
  slices of 1 MiB, so that others get a turn in between, and the work stops if its caller is killed. The
  README says how to configure this.
  """

  alias Chunker.{Compressor, Decompressor, Error, Native, Options, Scheduling, Telemetry}

  @typedoc "The 32 bytes of a digest."
  @type digest :: <<_::256>>

  @typedoc "Digest, offset in the input, and length in bytes."
  @type chunk :: {digest, offset :: non_neg_integer, length :: pos_integer}

  @typedoc "A chunk with its bytes."
  @type payload_chunk ::
          {digest, offset :: non_neg_integer, length :: pos_integer, payload :: binary}

  @type hash_algorithm :: :sha256 | :blake3
  @type codec :: :zstd | :lz4 | :xz | :bzip2

  @typedoc "See [profiles](#module-profiles)."
  @type profile ::
          :large | :medium | :small | String.t() | [profile_field] | %{optional(atom) => term}

  @typedoc "See [profiles](#module-profiles)."
  @type profile_field ::
          {:min_size, pos_integer}
          | {:avg_size, pos_integer}
          | {:max_size, pos_integer}
          | {:level, 0..3}
          | {:seed, non_neg_integer}
          | {:hash, hash_algorithm}

  @typedoc "A profile, or its fields."
  @type option :: {:profile, profile} | profile_field

  @typedoc "See `stream/2`."
  @type stream_option :: {:payloads, boolean} | {:offset, non_neg_integer}

  @typedoc "A chunker from `open/1`; it is closed when the process that opened it ends."
  @opaque t :: reference

  @typedoc "Error codes: those of every language, and four that only bindings have."
  @type error ::
          :bzip2_compression_failed
          | :bzip2_decompression_failed
          | :chunk_bounds_invalid
          | :chunk_digest_mismatch
          | :chunk_index_out_of_range
          | :chunk_length_mismatch
          | :chunk_not_found
          | :chunk_sequence_invalid
          | :chunk_unavailable
          | :chunks_missing
          | :commit_contended
          | :decode_error
          | :decompression_ended
          | :invalid_base32
          | :invalid_chunking_options
          | :invalid_compression_level
          | :invalid_doom
          | :invalid_environment
          | :invalid_manifest
          | :invalid_nar_size
          | :invalid_narinfo
          | :invalid_nix_hash
          | :invalid_object_name
          | :invalid_pack
          | :invalid_patches
          | :invalid_public_key
          | :invalid_root
          | :invalid_secret_key
          | :invalid_signature
          | :invalid_signature_length
          | :invalid_store_address
          | :invalid_store_hash
          | :invalid_store_option
          | :invalid_store_path
          | :invalid_window_log
          | :io_error
          | :lz4_compression_failed
          | :lz4_decompression_failed
          | :manifest_algorithm_mismatch
          | :manifest_digest_mismatch
          | :manifest_too_large
          | :memory_limit_exceeded
          | :no_runtime
          | :not_a_store
          | :object_not_found
          | :pack_writer_failed
          | :permission_denied
          | :placeholder_missing
          | :randomness_unavailable
          | :range_not_satisfiable
          | :read_only
          | :root_not_found
          | :size_exceeded
          | :storage_failed
          | :storage_full
          | :store_not_found
          | :stream_length_mismatch
          | :task_lost
          | :too_many_patches
          | :too_many_references
          | :truncated_data
          | :unknown_compression_format
          | :unknown_hash_algorithm
          | :unknown_profile
          | :unreadable_pack
          | :unsupported_manifest_version
          | :unsupported_pack_version
          | :unsupported_patches_version
          | :unsupported_store_version
          | :verification_failed
          | :window_exceeded
          | :xz_compression_failed
          | :xz_decompression_failed
          | :zero_length_chunk
          | :zstd_compression_failed
          | :zstd_decompression_failed
          | :chunker_busy
          | :chunker_closed
          | :invalid_argument
          | :timeout

  @doc """
  Returns whether the native library is loaded. If not, all other functions fail, and the log says why.
  """
  @spec available?() :: boolean
  def available? do
    match?({:ok, _}, Native.profile_id(nil))
  rescue
    ErlangError -> false
  end

  @typedoc "Totals of all processes since the native library was loaded."
  @type metrics :: %{
          chunks: %{hash_algorithm => %{count: non_neg_integer, bytes: non_neg_integer}},
          digests: %{hash_algorithm => %{count: non_neg_integer, bytes: non_neg_integer}},
          compression: %{codec => %{bytes_in: non_neg_integer, bytes_out: non_neg_integer}},
          decompression: %{codec => %{bytes_in: non_neg_integer, bytes_out: non_neg_integer}},
          errors: %{error => pos_integer}
        }

  @doc """
  Returns the totals of all processes since the native library was loaded.

  `:chunks` counts chunks by the algorithm of their digests, `:digests` the digests of other data. A codec
  that was never used has no entry in `:compression` and `:decompression`; a stream adds to its entry every
  MiB, and once more when it ends. `:errors` counts the errors of codecs by their code; errors that arise before a
  codec runs, such as those of profiles, arguments and unknown formats, are only returned. A chunker that is not
  finished holds back up to 15 chunks; they are counted once it is finished, closed or garbage-collected.

      iex> before = Chunker.metrics()
      iex> {:ok, [_]} = Chunker.chunk("abc")
      iex> Chunker.metrics().chunks.sha256.bytes - before.chunks.sha256.bytes >= 3
      true
  """
  @spec metrics() :: metrics
  def metrics, do: Native.metrics()

  @typedoc "Which of the library's log lines to write."
  @type log_level :: Chunker.Log.level()

  @doc """
  Sends the library's own log lines up to `level` to `Logger`. The default is `:none`.

  `:debug` logs the errors that `metrics/0` counts; `:all` also logs the first chunk of every thread, and then
  one in 1024:

      12:00:00.000 [debug] error_returned code=truncated_data
      12:00:00.000 [debug] chunk_emitted offset=0 length=1048576 hash=sha256

  `Logger`'s own level applies as well. Lines carry the time of their event, but arrive up to 50 ms later, or
  at once when you call this function. Their `domain` is `[:elixir, :chunker]`. If more than 1024 lines come
  up within those 50 ms, the rest is lost, and a warning says how many. An unknown level raises
  `ArgumentError`.

      iex> Chunker.set_log_level(:debug)
      :ok
      iex> Chunker.set_log_level(:none)
      :ok
  """
  @spec set_log_level(log_level) :: :ok
  def set_log_level(level), do: Chunker.Log.set_level(level)

  @doc """
  Returns the chunks of a binary.

  ## Options

  The [profile](#module-profiles), and

    * `:payloads` - whether chunks include their bytes, by default `false`

  A payload is a part of `data` and keeps all of `data` in memory: call `:binary.copy/1` on payloads that you
  keep for long.

      iex> Chunker.chunk("", hash: :blake3)
      {:ok, []}
      iex> {:ok, [{_hash, 0, 3, "abc"}]} = Chunker.chunk("abc", payloads: true)
      iex> Chunker.chunk("abc", min_size: 63)
      {:error, :invalid_chunking_options}
  """
  @spec chunk(binary, [option | {:payloads, boolean}]) ::
          {:ok, [chunk] | [payload_chunk]} | {:error, error}
  def chunk(data, options \\ []) do
    {payloads, options} = Options.payloads(options)
    profile = Options.profile(options)

    Telemetry.measure(:chunk, byte_size(data), fn ->
      Scheduling.chunk_data(data, profile, payloads)
    end)
  end

  @doc """
  Like `chunk/2`, but returns the chunks alone, or raises `Chunker.Error`.
  """
  @spec chunk!(binary, [option | {:payloads, boolean}]) :: [chunk] | [payload_chunk]
  def chunk!(data, options \\ []), do: data |> chunk(options) |> Error.unwrap!()

  @doc """
  Returns a stream of the chunks of an enumerable of pieces, each an `t:iodata/0`.

  The chunks do not depend on how the input is split into pieces. Raises `Chunker.Error` if the options are
  invalid. The stream holds one piece in memory and, with payloads, one chunk of at most `:max_size`; without
  payloads, 64 KiB.

  ## Options

  Those of `chunk/2`, and

    * `:offset` - the offset in bytes of a cut point at which `pieces` starts, by default 0, the start of the
      input; the chunks after a cut point are the same as in the whole input

      iex> pieces = ["a piece, ", ["and ", ?a], "nother"]
      iex> [{_hash, 0, 20, payload}] = pieces |> Chunker.stream(payloads: true) |> Enum.to_list()
      iex> payload
      "a piece, and another"

  To resume, you only need to know where the last stored chunk ended:

      iex> data = :binary.copy("some text, ", 1000)
      iex> sizes = [min_size: 64, avg_size: 256, max_size: 1024]
      iex> [{_, _, _}, {_, offset, _} | _] = chunks = Chunker.chunk!(data, sizes)
      iex> rest = binary_part(data, offset, byte_size(data) - offset)
      iex> [rest] |> Chunker.stream([offset: offset] ++ sizes) |> Enum.to_list() == tl(chunks)
      true
  """
  @spec stream(Enumerable.t(), [option | stream_option]) :: Enumerable.t()
  def stream(pieces, options \\ []) do
    # Reports invalid options here, and not when the stream is read.
    _ = options |> open() |> Error.unwrap!() |> Native.chunker_close()

    Stream.transform(
      pieces,
      fn -> options |> open() |> Error.unwrap!() end,
      fn piece, chunker -> {chunker |> feed(piece) |> Error.unwrap!(), chunker} end,
      fn chunker -> {chunker |> finish() |> Error.unwrap!(), chunker} end,
      &Native.chunker_close/1
    )
  end

  @doc """
  Returns a chunker that you feed piece by piece. Takes the options of `stream/2`.

  It belongs to the calling process: when that process ends, the chunker is closed and its memory freed.

      iex> {:ok, chunker} = Chunker.open(min_size: 64, avg_size: 256, max_size: 1024)
      iex> {:ok, [{_, 0, 1024}]} = Chunker.feed(chunker, :binary.copy("\0", 1500))
      iex> {:ok, [{_, 1024, 476}]} = Chunker.finish(chunker)
      iex> Chunker.feed(chunker, "more")
      {:error, :chunker_closed}
  """
  @spec open([option | stream_option]) :: {:ok, t} | {:error, error}
  def open(options \\ []) do
    {payloads, offset, options} = Options.opening(options)
    profile = Options.profile(options)
    Native.chunker_open_with(profile, payloads, offset)
  end

  @doc """
  Reads all of `piece` and returns the chunks that end in it, often none.

  Returns `{:error, :chunker_busy}` if another process is feeding the chunker.
  """
  @spec feed(t, iodata) :: {:ok, [chunk] | [payload_chunk]} | {:error, error}
  def feed(chunker, piece) do
    piece = IO.iodata_to_binary(piece)
    Telemetry.measure(:feed, byte_size(piece), fn -> Scheduling.chunker_feed(chunker, piece) end)
  end

  @doc """
  Ends the input and returns a list with its last chunk; the list is empty if the input is empty or just cut.
  """
  @spec finish(t) :: {:ok, [chunk] | [payload_chunk]} | {:error, error}
  def finish(chunker), do: Telemetry.measure(:finish, 0, fn -> Scheduling.chunker_finish(chunker) end)

  @doc """
  Chunks many binaries on several threads, and returns the chunks or the error of each, in order.

  A failure does not stop the others. Takes a [profile](#module-profiles); if the profile is invalid, the
  function returns that error alone.

      iex> {:ok, [{:ok, [{_, 0, 1}]}, {:error, :invalid_argument}]} = Chunker.chunk_batch(["a", :b])
  """
  @spec chunk_batch([binary], [option]) ::
          {:ok, [{:ok, [chunk]} | {:error, error}]} | {:error, error}
  def chunk_batch(binaries, options \\ []) do
    profile = Options.profile(options)

    Telemetry.measure(:chunk_batch, Scheduling.total(binaries), fn ->
      Scheduling.chunk_data_batch(binaries, profile)
    end)
  end

  @doc """
  Returns the id of a [profile](#module-profiles): two sides with equal ids find equal chunks.

      iex> Chunker.profile(profile: :medium)
      {:ok, "fastcdc-v2020/nc1/16384-65536-262144/sha256"}
      iex> Chunker.profile(min_size: 64, avg_size: 256, max_size: 1024, level: 2, seed: 666, hash: :blake3)
      {:ok, "fastcdc-v2020/nc2/seed666/64-256-1024/blake3"}
      iex> Chunker.profile(profile: "fastcdc-v2020/nc1/64-256/sha256")
      {:error, :unknown_profile}
  """
  @spec profile([option]) :: {:ok, String.t()} | {:error, error}
  def profile(options \\ []), do: options |> Options.profile() |> Native.profile_id()

  @doc """
  Like `profile/1`, but returns the id alone, or raises `Chunker.Error`.
  """
  @spec profile!([option]) :: String.t()
  def profile!(options \\ []), do: options |> profile() |> Error.unwrap!()

  @doc """
  Returns the id of the profile that the Remote Execution API calls `FAST_CDC_2020`, for an average size in
  bytes.

  This is the profile of build caches: normalization level 2, SHA-256, a minimum size of a quarter of the
  average, and a maximum of four times the average. The average must be in `1024..1_048_576`, and a quarter of
  it even; the API recommends 524,288.

      iex> Chunker.remote_execution_profile(524_288)
      {:ok, "fastcdc-v2020/nc2/131072-524288-2097152/sha256"}
  """
  @spec remote_execution_profile(pos_integer) :: {:ok, String.t()} | {:error, error}
  def remote_execution_profile(avg_size), do: Native.remote_execution_profile(avg_size)

  @doc """
  Like `remote_execution_profile/1`, but returns the id alone, or raises `Chunker.Error`.

      iex> {:ok, _} = Chunker.chunk("an input", profile: Chunker.remote_execution_profile!(524_288))
  """
  @spec remote_execution_profile!(pos_integer) :: String.t()
  def remote_execution_profile!(avg_size), do: avg_size |> remote_execution_profile() |> Error.unwrap!()

  @doc """
  Returns the digest of a binary. Raises `Chunker.Error` if there is no such algorithm.

      iex> Base.encode16(Chunker.digest("abc", :blake3), case: :lower)
      "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"
  """
  @spec digest(binary, hash_algorithm) :: digest
  def digest(data, algorithm \\ :sha256), do: data |> Scheduling.hash(algorithm) |> Error.unwrap!()

  @typedoc "See `compress/2`."
  @type compress_option :: {:codec, codec} | {:level, integer} | {:dictionary, binary}

  @typedoc "See `decompress/2`."
  @type decompress_option ::
          {:codec, codec}
          | {:max_output, non_neg_integer}
          | {:max_window_log, 10..30}
          | {:max_memory, non_neg_integer}
          | {:dictionary, binary}

  @doc """
  Compresses a binary into the standard format of the codec.

  ## Options

    * `:codec` - `:zstd` (default), `:lz4`, `:xz` or `:bzip2`
    * `:level` - from fastest to smallest, by default that of the codec's own tool: `1..22` (3) or negative
      for zstd, `0..9` (6) for xz, `1..9` (9) for bzip2; LZ4 has no levels
    * `:dictionary` - a dictionary from `train_dictionary/2`, with what small, similar inputs have in common;
      only for zstd

  A zstd frame states the length of its content if that is below 4 MiB.

      iex> {:ok, compressed} = Chunker.compress(:binary.copy("a", 1000), codec: :xz, level: 9)
      iex> Chunker.decompress(compressed)
      {:ok, :binary.copy("a", 1000)}
  """
  @spec compress(binary, [compress_option]) :: {:ok, binary} | {:error, error}
  def compress(data, options \\ []) do
    {codec, level, dictionary} = Options.compression(options)

    Telemetry.measure(:compress, byte_size(data), fn ->
      Scheduling.compress(codec, data, level, dictionary)
    end)
  end

  @doc """
  Like `compress/2`, but returns the compressed binary alone, or raises `Chunker.Error`.
  """
  @spec compress!(binary, [compress_option]) :: binary
  def compress!(data, options \\ []), do: data |> compress(options) |> Error.unwrap!()

  @doc """
  Compresses many binaries on several threads, and returns the result or the error of each, in order.

  A failure does not stop the others. Takes the options of `compress/2`.
  """
  @spec compress_batch([binary], [compress_option]) ::
          {:ok, [{:ok, binary} | {:error, error}]} | {:error, error}
  def compress_batch(binaries, options \\ []) do
    {codec, level, dictionary} = Options.compression(options)

    Telemetry.measure(:compress_batch, Scheduling.total(binaries), fn ->
      Scheduling.compress_batch(binaries, codec, level, dictionary)
    end)
  end

  @doc """
  Compresses a binary if that pays: returns `{:compressed, binary}`, or `{:stored, data}` with the data
  unchanged.

  Data is stored if it starts like a compressed format, if samples of it do not shrink by at least 5 %, or if
  the compressed data turns out no smaller. Takes the options `:codec` and `:level` of `compress/2`.

      iex> {:ok, {:compressed, _}} = Chunker.compress_adaptive(:binary.copy("a", 1000))
      iex> Chunker.compress_adaptive("short")
      {:ok, {:stored, "short"}}
  """
  @spec compress_adaptive(binary, codec: codec, level: integer) ::
          {:ok, {:compressed | :stored, binary}} | {:error, error}
  def compress_adaptive(data, options \\ []) do
    options = Keyword.validate!(options, codec: :zstd, level: nil)

    Telemetry.measure(:compress, byte_size(data), fn ->
      case Scheduling.compress_adaptive(options[:codec], data, options[:level]) do
        {:ok, nil} -> {:ok, {:stored, data}}
        {:ok, compressed} -> {:ok, {:compressed, compressed}}
        error -> error
      end
    end)
  end

  @doc """
  Like `compress_adaptive/2`, but returns the tuple alone, or raises `Chunker.Error`.
  """
  @spec compress_adaptive!(binary, codec: codec, level: integer) :: {:compressed | :stored, binary}
  def compress_adaptive!(data, options \\ []), do: data |> compress_adaptive(options) |> Error.unwrap!()

  @doc """
  Compresses an enumerable of pieces, each an `t:iodata/0`, and returns one frame as a stream of binaries.

  Takes the options of `compress/2`, and raises `Chunker.Error` if they are invalid. The stream holds the
  codec's window and one piece in memory.

      iex> frame = ["a piece, ", ["and ", ?a], "nother"] |> Chunker.compress_stream(codec: :bzip2) |> Enum.join()
      iex> Chunker.decompress(frame)
      {:ok, "a piece, and another"}
  """
  @spec compress_stream(Enumerable.t(), [compress_option]) :: Enumerable.t()
  def compress_stream(pieces, options \\ []) do
    # Reports invalid options here, and not when the stream is read.
    _ = options |> Compressor.open() |> Error.unwrap!() |> Compressor.close()

    Stream.transform(
      pieces,
      fn -> options |> Compressor.open() |> Error.unwrap!() end,
      fn piece, compressor ->
        {compressor |> Compressor.feed(piece) |> Error.unwrap!() |> part(), compressor}
      end,
      fn compressor -> {compressor |> Compressor.finish() |> Error.unwrap!() |> part(), compressor} end,
      &Compressor.close/1
    )
  end

  defp part(""), do: []
  defp part(bytes), do: [bytes]

  @doc """
  Decompresses a binary, within limits.

  Accepts only whole frames: truncated data and bytes after the last frame are errors.

  ## Options

    * `:codec` - by default detected from the first bytes of the data
    * `:max_output` - largest size of the result in bytes, by default 1 GiB
    * `:max_window_log` - base-2 logarithm of zstd's largest window in bytes, by default 23 (8 MiB)
    * `:max_memory` - largest amount of memory for xz in bytes, by default 66 MiB
    * `:dictionary` - the dictionary that the data was compressed with; only for zstd

      iex> bomb = Chunker.compress!(:binary.copy(<<0>>, 10_000_000))
      iex> Chunker.decompress(bomb, max_output: 1_000_000)
      {:error, :size_exceeded}
      iex> Chunker.decompress("no frame of anything")
      {:error, :unknown_compression_format}
  """
  @spec decompress(binary, [decompress_option]) :: {:ok, binary} | {:error, error}
  def decompress(data, options \\ []) do
    {codec, limits, dictionary} = Options.decompression(options)

    Telemetry.measure(:decompress, byte_size(data), fn ->
      with {:ok, codec} <- codec(codec, data),
           do: Scheduling.decompress(codec, data, limits, dictionary)
    end)
  end

  defp codec(nil, data), do: Native.detect(data)
  defp codec(codec, _), do: {:ok, codec}

  @doc """
  Like `decompress/2`, but returns the decompressed binary alone, or raises `Chunker.Error`.
  """
  @spec decompress!(binary, [decompress_option]) :: binary
  def decompress!(data, options \\ []), do: data |> decompress(options) |> Error.unwrap!()

  @doc """
  Decompresses an enumerable of pieces, each an `t:iodata/0`, and returns a stream of binaries.

  Takes the options of `decompress/2`, and raises `Chunker.Error` if they are invalid, if the data is damaged
  or truncated, or at a limit; the output until then is a correct prefix of the content. The stream holds the
  codec's window, one piece, and 1 MiB of content in memory, however much a piece contains, and decompresses
  only what you ask for.

      iex> frame = Chunker.compress!("a piece, and another")
      iex> for(<<byte <- frame>>, do: <<byte>>) |> Chunker.decompress_stream() |> Enum.join()
      "a piece, and another"
  """
  @spec decompress_stream(Enumerable.t(), [decompress_option]) :: Enumerable.t()
  def decompress_stream(pieces, options \\ []) do
    # As for `compress_stream/2`.
    _ = options |> Decompressor.open() |> Error.unwrap!() |> Decompressor.close()

    Stream.transform(
      pieces,
      fn -> options |> Decompressor.open() |> Error.unwrap!() end,
      fn piece, decompressor ->
        first = fn -> Decompressor.feed(decompressor, piece) end
        {blocks(first, fn -> Decompressor.feed(decompressor, "") end), decompressor}
      end,
      fn decompressor ->
        finish = fn -> Decompressor.finish(decompressor) end
        {blocks(finish, finish), decompressor}
      end,
      &Decompressor.close/1
    )
  end

  # The blocks that `first` and then `next` return, each made when it is asked for.
  defp blocks(first, next) do
    first
    |> Stream.unfold(fn
      nil ->
        nil

      call ->
        case call.() do
          {:more, block} -> {block, next}
          result -> {Error.unwrap!(result), nil}
        end
    end)
    |> Stream.reject(&(&1 == ""))
  end

  @doc """
  Trains a dictionary of at most `max_size` bytes for inputs like `samples`, for use by `compress/2` and
  related functions with zstd.

  About a hundred samples, in all a hundred times as long as `max_size`, make a good dictionary; too few give
  the error `:zstd_compression_failed`. Training takes about 0.1 s per megabyte of samples. It runs on its own
  thread, without blocking a scheduler, and trains one dictionary at a time.

      iex> inputs = for n <- 1..1000, do: ~s({"offset": \#{n * 7919}, "length": \#{rem(n, 64)}, "codec": "zstd"})
      iex> {:ok, dictionary} = Chunker.train_dictionary(inputs, 4096)
      iex> small = Chunker.compress!(hd(inputs), dictionary: dictionary)
      iex> byte_size(small) < byte_size(Chunker.compress!(hd(inputs)))
      true
      iex> Chunker.decompress!(small, dictionary: dictionary) == hd(inputs)
      true
  """
  @spec train_dictionary([binary], pos_integer) :: {:ok, binary} | {:error, error}
  def train_dictionary(samples, max_size), do: Scheduling.train_dictionary(samples, max_size)
end
