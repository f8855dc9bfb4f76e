defmodule Chunker.Scheduling do
  @moduledoc false
  # Chooses the scheduler of a call by size (`Chunker.Config`). Small calls run on the caller's scheduler,
  # larger ones on a dirty scheduler, and the largest in slices, so that other calls get a turn in between,
  # and the work stops if its caller is killed.

  alias Chunker.{Config, Native}

  @type profile :: Chunker.Options.profile()
  @type size :: non_neg_integer | nil
  @type hash :: Chunker.hash_algorithm() | nil
  @type result(value) :: {:ok, value} | {:error, Chunker.error()}
  @type chunks :: [Chunker.chunk()] | [Chunker.payload_chunk()]
  @type chunker :: reference

  @spec chunk_data(binary, profile, boolean) :: result(chunks)
  def chunk_data(data, profile, payloads \\ false) do
    config = Config.get()

    cond do
      byte_size(data) <= config.normal_bytes -> Native.chunk_data_normal(data, profile, payloads)
      byte_size(data) < config.sliced_bytes -> Native.chunk_data_dirty(data, profile, payloads)
      true -> chunk_slices(data, profile, payloads, config.slice_bytes)
    end
  end

  defp chunk_slices(data, profile, payloads, slice_bytes) do
    with {:ok, chunker} <- Native.chunker_open_with(profile, false, nil),
         {:ok, chunks} <- feed_slices(chunker, data, slice_bytes, []),
         {:ok, last} <- Native.chunker_finish_dirty(chunker) do
      chunks = chunks ++ last
      {:ok, if(payloads, do: Enum.map(chunks, &with_payload(&1, data)), else: chunks)}
    end
  end

  defp with_payload({hash, offset, length}, data),
    do: {hash, offset, length, binary_part(data, offset, length)}

  # The fixed cost of an item in a batch, in bytes that would take as long.
  @item_bytes 256

  @spec chunk_data_batch([binary], profile) :: result([result(chunks)])
  def chunk_data_batch(binaries, profile) do
    config = Config.get()

    if total(binaries) + @item_bytes * length(binaries) <= config.normal_bytes do
      Native.chunk_data_batch_normal(binaries, profile, 1)
    else
      binaries
      |> batches(@item_bytes, config)
      |> collect([], fn
        {:together, batch} ->
          Native.chunk_data_batch_dirty(batch, profile, config.threads)

        {:each, large} ->
          results = each(large, config, &chunk_data(&1, profile))
          # Only the options can be invalid, and they are the same for all.
          Enum.find(results, {:ok, results}, &match?({:error, _}, &1))
      end)
    end
  end

  @doc false
  # Raises unless the list is a proper one.
  @spec total([term]) :: non_neg_integer
  def total(binaries) do
    _ = length(binaries)
    Enum.reduce(binaries, 0, &(size(&1) + &2))
  end

  defp size(data) when is_binary(data), do: byte_size(data)
  defp size(_), do: 0

  # Returns batches that keep all threads busy for as long as a slice takes, and runs of inputs that need
  # slices of their own. The fixed cost of an input is `item_bytes`.
  defp batches(binaries, item_bytes, config), do: batches(binaries, [], 0, item_bytes, config)

  defp batches([], [], _, _, _), do: []
  defp batches([], batch, _, _, _), do: [{:together, Enum.reverse(batch)}]

  defp batches([data | rest] = binaries, batch, bytes, item_bytes, config) do
    bytes = bytes + size(data) + item_bytes

    cond do
      size(data) >= config.sliced_bytes ->
        {large, rest} = Enum.split_while(binaries, &(size(&1) >= config.sliced_bytes))
        batches([], batch, 0, item_bytes, config) ++ [{:each, large} | batches(rest, item_bytes, config)]

      bytes >= config.slice_bytes * config.threads ->
        [{:together, Enum.reverse([data | batch])} | batches(rest, item_bytes, config)]

      true ->
        batches(rest, [data | batch], bytes, item_bytes, config)
    end
  end

  defp collect([], done, _), do: {:ok, done |> Enum.reverse() |> Enum.concat()}

  defp collect([batch | rest], done, call) do
    with {:ok, results} <- call.(batch), do: collect(rest, [results | done], call)
  end

  # Runs as many in parallel as the configuration has threads. All stop if the caller is killed.
  defp each(large, config, call) do
    options = [max_concurrency: config.threads, timeout: :infinity]
    for {:ok, result} <- Task.async_stream(large, call, options), do: result
  end

  @spec chunker_feed(chunker, binary) :: result(chunks)
  def chunker_feed(chunker, piece) do
    config = Config.get()

    cond do
      byte_size(piece) <= config.normal_bytes -> Native.chunker_feed_normal(chunker, piece, false)
      byte_size(piece) <= config.slice_bytes -> Native.chunker_feed_dirty(chunker, piece, false)
      true -> feed_slices(chunker, piece, config.slice_bytes, [])
    end
  end

  defp feed_slices(chunker, piece, slice_bytes, fed) do
    case piece do
      <<slice::binary-size(slice_bytes), rest::binary>> when rest != "" ->
        with {:ok, chunks} <- Native.chunker_feed_dirty(chunker, slice, true),
             do: feed_slices(chunker, rest, slice_bytes, [chunks | fed])

      last ->
        with {:ok, chunks} <- Native.chunker_feed_dirty(chunker, last, false),
             do: {:ok, [chunks | fed] |> Enum.reverse() |> Enum.concat()}
    end
  end

  @spec chunker_finish(chunker) :: result(chunks)
  def chunker_finish(chunker), do: Native.chunker_finish_dirty(chunker)

  @spec hash(binary, hash) :: result(Chunker.digest())
  def hash(data, hash) do
    config = Config.get()

    cond do
      byte_size(data) <= config.normal_bytes ->
        Native.hash_normal(data, hash)

      byte_size(data) < config.sliced_bytes ->
        Native.hash_dirty(data, hash)

      true ->
        with {:ok, hasher} <- Native.hasher_open(hash),
             do: hash_slices(hasher, data, config.slice_bytes)
    end
  end

  defp hash_slices(hasher, data, slice_bytes) do
    case data do
      <<slice::binary-size(slice_bytes), rest::binary>> ->
        Native.hasher_update_dirty(hasher, slice)
        hash_slices(hasher, rest, slice_bytes)

      last ->
        Native.hasher_update_dirty(hasher, last)
        {:ok, Native.hasher_finalize(hasher)}
    end
  end

  @type dictionary :: binary | nil

  @spec compress(Chunker.codec(), binary, integer | nil, dictionary) :: result(binary)
  def compress(codec, data, level, dictionary) do
    config = Config.get()
    pace = pace(codec, level)
    {one_call_bytes, slice_bytes} = dirty_bytes(pace, config)

    cond do
      # Every call prepares the dictionary, which takes longer than compressing a little data.
      dictionary == nil and pace == :fast and byte_size(data) <= div(config.normal_bytes, 4) ->
        Native.compress_normal(codec, data, level, nil)

      byte_size(data) < one_call_bytes ->
        Native.compress_dirty(codec, data, level, dictionary)

      true ->
        with {:ok, compressor} <- Native.compressor_open_dirty(codec, level, dictionary),
             do: compress_slices(compressor, data, slice_bytes)
    end
  end

  # Bytes that compression handles in a microsecond: hundreds, tens, or a few.
  defp pace(:lz4, _), do: :fast
  defp pace(:zstd, level) when level == nil or level <= 3, do: :fast
  defp pace(:zstd, level) when level <= 9, do: :medium
  defp pace(_, _), do: :slow

  # Bytes that one call, or one slice, may handle on a dirty scheduler.
  defp dirty_bytes(:slow, config), do: {div(config.slice_bytes, 4), div(config.slice_bytes, 16)}
  defp dirty_bytes(_, config), do: {config.sliced_bytes, config.slice_bytes}

  defp compress_slices(compressor, data, slice_bytes) do
    with {:ok, parts} <- compressor_feed_slices(compressor, data, slice_bytes, []),
         {:ok, rest} <- Native.compressor_finish_dirty(compressor),
         do: {:ok, [rest | parts] |> Enum.reverse() |> IO.iodata_to_binary()}
  end

  # Returns the parts of the output, the last one first.
  defp compressor_feed_slices(compressor, piece, slice_bytes, parts) do
    case piece do
      <<slice::binary-size(slice_bytes), rest::binary>> when rest != "" ->
        with {:ok, part} <- Native.compressor_feed_dirty(compressor, slice, true),
             do: compressor_feed_slices(compressor, rest, slice_bytes, [part | parts])

      last ->
        with {:ok, part} <- Native.compressor_feed_dirty(compressor, last, false),
             do: {:ok, [part | parts]}
    end
  end

  @spec compressor_feed(reference, binary, Chunker.codec(), integer | nil) :: result(binary)
  def compressor_feed(compressor, piece, codec, level) do
    {_, slice_bytes} = codec |> pace(level) |> dirty_bytes(Config.get())

    with {:ok, parts} <- compressor_feed_slices(compressor, piece, slice_bytes, []),
         do: {:ok, parts |> Enum.reverse() |> IO.iodata_to_binary()}
  end

  @spec compress_adaptive(Chunker.codec(), binary, integer | nil) :: result(binary | nil)
  def compress_adaptive(codec, data, level) do
    config = Config.get()
    pace = pace(codec, level)
    {one_call_bytes, slice_bytes} = dirty_bytes(pace, config)

    cond do
      pace == :fast and byte_size(data) <= div(config.normal_bytes, 4) ->
        Native.compress_adaptive_normal(codec, data, level)

      byte_size(data) < one_call_bytes ->
        Native.compress_adaptive_dirty(codec, data, level)

      true ->
        with {:ok, compressor} <- Native.compressor_open_dirty(codec, level, nil),
             {:ok, true} <- Native.is_worth_compressing_dirty(codec, data),
             {:ok, compressed} <- compress_slices(compressor, data, slice_bytes) do
          {:ok, if(byte_size(compressed) < byte_size(data), do: compressed)}
        else
          {:ok, false} -> {:ok, nil}
          error -> error
        end
    end
  end

  @spec compress_batch([binary], Chunker.codec(), integer | nil, dictionary) :: result([result(binary)])
  def compress_batch([], codec, level, dictionary),
    do: Native.compress_batch_dirty([], codec, level, dictionary, 1)

  def compress_batch(binaries, codec, level, dictionary) do
    config = Config.get()
    {one_call_bytes, slice_bytes} = codec |> pace(level) |> dirty_bytes(config)
    # Every input prepares the dictionary, at a quarter of the speed of compression or more.
    item_bytes = @item_bytes + 4 * size(dictionary)

    binaries
    |> batches(item_bytes, %{config | sliced_bytes: one_call_bytes, slice_bytes: slice_bytes})
    |> collect([], fn
      {:together, batch} ->
        Native.compress_batch_dirty(batch, codec, level, dictionary, config.threads)

      {:each, large} ->
        results = each(large, config, &compress(codec, &1, level, dictionary))
        # Only the codec can be an invalid argument, not the data.
        Enum.find(results, {:ok, results}, &(&1 == {:error, :invalid_argument}))
    end)
  end

  @type limits :: {size, size, size}

  @spec decompress(Chunker.codec(), binary, limits, dictionary) :: result(binary)
  def decompress(codec, data, limits, dictionary) do
    {one_call_bytes, slice_bytes} = codec |> decompression_pace() |> dirty_bytes(Config.get())

    # Empty frames take time too, but have no output that would end the call.
    if byte_size(data) > one_call_bytes do
      with {:ok, decompressor} <- Native.decompressor_open_dirty(codec, limits, dictionary),
           do: decompress_slices(decompressor, data, slice_bytes, [])
    else
      case Native.decompress_dirty(codec, data, limits, dictionary, one_call_bytes) do
        {:ok, {content, nil}} -> {:ok, content}
        {:ok, {part, decompressor}} -> read_rest(decompressor, slice_bytes, [part])
        error -> error
      end
    end
  end

  defp decompression_pace(codec) when codec in [:zstd, :lz4], do: :fast
  defp decompression_pace(_), do: :slow

  # Feeds one slice after another, and reads the output of each.
  defp decompress_slices(decompressor, data, slice_bytes, parts) do
    case data do
      <<slice::binary-size(slice_bytes), rest::binary>> when rest != "" ->
        with {:ok, _} <- Native.decompressor_feed_dirty(decompressor, slice, false),
             {:ok, parts} <- read_all(decompressor, slice_bytes, parts),
             do: decompress_slices(decompressor, rest, slice_bytes, parts)

      last ->
        with {:ok, _} <- Native.decompressor_feed_dirty(decompressor, last, false),
             {:ok, _} <- Native.decompressor_end(decompressor),
             do: read_rest(decompressor, slice_bytes, parts)
    end
  end

  # Closes the decompressor, so that its work is counted right away.
  defp read_rest(decompressor, slice_bytes, parts) do
    with {:ok, parts} <- read_all(decompressor, slice_bytes, parts) do
      _ = Native.decompressor_close(decompressor)
      {:ok, parts |> Enum.reverse() |> IO.iodata_to_binary()}
    end
  end

  defp read_all(decompressor, slice_bytes, parts) do
    case Native.decompressor_read_dirty(decompressor, slice_bytes) do
      {:ok, {part, true}} -> read_all(decompressor, slice_bytes, [part | parts])
      {:ok, {part, false}} -> {:ok, [part | parts]}
      error -> error
    end
  end

  @spec decompressor_feed(reference, binary) :: result(binary) | {:more, binary}
  def decompressor_feed(decompressor, piece) do
    config = Config.get()

    with {:ok, codec} <- decompressor_feed_slices(decompressor, piece, nil, config),
         do: decompressor_read(decompressor, codec, config)
  end

  defp decompressor_feed_slices(decompressor, piece, codec, config) do
    slice_bytes = decompressor_slice_bytes(codec, config)

    case piece do
      <<slice::binary-size(slice_bytes), rest::binary>> when rest != "" ->
        with {:ok, codec} <- Native.decompressor_feed_dirty(decompressor, slice, true),
             do: decompressor_feed_slices(decompressor, rest, codec, config)

      last ->
        Native.decompressor_feed_dirty(decompressor, last, false)
    end
  end

  @spec decompressor_finish(reference) :: result(binary) | {:more, binary}
  def decompressor_finish(decompressor) do
    with {:ok, codec} <- Native.decompressor_end(decompressor),
         {:ok, rest} <- decompressor_read(decompressor, codec, Config.get()) do
      _ = Native.decompressor_close(decompressor)
      {:ok, rest}
    end
  end

  # Skips slices without output.
  defp decompressor_read(decompressor, codec, config) do
    case Native.decompressor_read_dirty(decompressor, decompressor_slice_bytes(codec, config)) do
      {:ok, {"", true}} -> decompressor_read(decompressor, codec, config)
      {:ok, {block, true}} -> {:more, block}
      {:ok, {block, false}} -> {:ok, block}
      error -> error
    end
  end

  defp decompressor_slice_bytes(codec, config) do
    {_, slice_bytes} = codec |> decompression_pace() |> dirty_bytes(config)
    slice_bytes
  end

  @spec train_dictionary([binary], pos_integer) :: result(binary)
  def train_dictionary(samples, max_size) do
    reference = make_ref()

    with {:ok, _} <- Native.train_dictionary_start_dirty(samples, max_size, reference) do
      receive do
        {^reference, result} -> result
      end
    end
  end

  # RFC 8032 hashes the signed data twice, with SHA-512.
  @signed_bytes 4096

  @spec sign(binary, binary) :: result(binary)
  def sign(data, secret_key) when byte_size(data) <= @signed_bytes,
    do: Native.sign_normal(data, secret_key)

  def sign(data, secret_key), do: Native.sign_dirty(data, secret_key)

  @spec verify(binary, binary, binary) :: result(true)
  def verify(data, signature, public_key) when byte_size(data) <= @signed_bytes,
    do: Native.verify_normal(data, signature, public_key)

  def verify(data, signature, public_key), do: Native.verify_dirty(data, signature, public_key)

  @base32_bytes 4096

  @spec nix_base32_encode(binary) :: String.t()
  def nix_base32_encode(data) when byte_size(data) <= @base32_bytes,
    do: Native.nix_base32_encode_normal(data)

  def nix_base32_encode(data), do: Native.nix_base32_encode_dirty(data)

  @spec nix_base32_decode(String.t()) :: result(binary)
  def nix_base32_decode(text) when byte_size(text) <= @base32_bytes,
    do: Native.nix_base32_decode_normal(text)

  def nix_base32_decode(text), do: Native.nix_base32_decode_dirty(text)

  @spec normalizer_feed(reference, binary) :: result(binary)
  def normalizer_feed(normalizer, piece) do
    config = Config.get()

    if byte_size(piece) <= config.normal_bytes do
      Native.normalizer_feed_normal(normalizer, piece, false)
    else
      with {:ok, parts} <- normalizer_feed_slices(normalizer, piece, config.slice_bytes, []),
           do: {:ok, parts |> Enum.reverse() |> IO.iodata_to_binary()}
    end
  end

  defp normalizer_feed_slices(normalizer, piece, slice_bytes, parts) do
    case piece do
      <<slice::binary-size(slice_bytes), rest::binary>> when rest != "" ->
        with {:ok, part} <- Native.normalizer_feed_dirty(normalizer, slice, true),
             do: normalizer_feed_slices(normalizer, rest, slice_bytes, [part | parts])

      last ->
        with {:ok, part} <- Native.normalizer_feed_dirty(normalizer, last, false), do: {:ok, [part | parts]}
    end
  end

  @spec patches_restore(reference, non_neg_integer, binary) :: result(binary)
  def patches_restore(patches, offset, data) do
    if byte_size(data) <= Config.get().normal_bytes,
      do: Native.patches_restore_normal(patches, offset, data),
      else: Native.patches_restore_dirty(patches, offset, data)
  end
end
