defmodule Chunker.Native do
  @moduledoc false
  # The functions of the native library; `native/chunker_nif/src` documents each.
  #
  # One whose name ends in `_normal` runs on the scheduler of its caller, one that ends in `_dirty` on
  # a dirty CPU scheduler, and one with neither is short whatever its arguments are. Those of stores and
  # exchanges start work whose result is a message, see `Chunker.Work`.

  @on_load :load

  @functions [
    metrics: 0,
    set_log_level: 1,
    log_level: 0,
    log_lines: 0,
    profile_id: 1,
    remote_execution_profile: 1,
    chunk_data_normal: 3,
    chunk_data_dirty: 3,
    chunk_data_batch_normal: 3,
    chunk_data_batch_dirty: 3,
    chunker_open_with: 3,
    chunker_feed_normal: 3,
    chunker_feed_dirty: 3,
    chunker_finish_dirty: 1,
    chunker_close: 1,
    hash_normal: 2,
    hash_dirty: 2,
    hasher_open: 1,
    hasher_update_dirty: 2,
    hasher_finalize: 1,
    detect: 1,
    compress_normal: 4,
    compress_dirty: 4,
    compress_batch_dirty: 5,
    compress_adaptive_normal: 3,
    compress_adaptive_dirty: 3,
    is_worth_compressing_dirty: 2,
    train_dictionary_start_dirty: 3,
    compressor_open_dirty: 3,
    compressor_feed_dirty: 3,
    compressor_finish_dirty: 1,
    compressor_close: 1,
    decompress_dirty: 5,
    decompressor_open_dirty: 3,
    decompressor_feed_dirty: 3,
    decompressor_end: 1,
    decompressor_read_dirty: 2,
    decompressor_close: 1,
    manifest_new_dirty: 2,
    manifest_parse_dirty: 2,
    generate_key: 0,
    public_key: 1,
    sign_normal: 2,
    sign_dirty: 2,
    verify_normal: 3,
    verify_dirty: 3,
    sign_manifest_dirty: 2,
    verify_manifest_dirty: 3,
    nix_base32_encode_normal: 1,
    nix_base32_encode_dirty: 1,
    nix_base32_decode_normal: 1,
    nix_base32_decode_dirty: 1,
    nix_fingerprint_dirty: 1,
    nix_sign_dirty: 2,
    nix_verify_dirty: 3,
    nix_parse_narinfo_dirty: 1,
    nix_format_narinfo_dirty: 2,
    nix_hash_encode: 2,
    nix_hash_decode: 1,
    nix_secret_key_dirty: 2,
    nix_public_key_dirty: 1,
    nix_key_name_dirty: 1,
    normalizer_open_dirty: 1,
    normalizer_feed_normal: 3,
    normalizer_feed_dirty: 3,
    normalizer_finish_dirty: 1,
    patches_parse_dirty: 1,
    patches_bytes_dirty: 1,
    patches_fields_dirty: 1,
    patches_restore_normal: 3,
    patches_restore_dirty: 3,
    call_stop: 1,
    store_open: 3,
    store_url: 1,
    store_missing: 4,
    store_get: 4,
    store_commit: 3,
    store_delete: 3,
    store_manifest: 3,
    store_usage: 2,
    store_collect: 3,
    store_check: 4,
    store_read: 3,
    store_read_zstd: 3,
    store_files: 1,
    writer_open: 2,
    writer_add: 3,
    writer_seal: 2,
    writer_close: 1,
    reader_next: 2,
    reader_close: 1,
    engine_new: 1,
    engine_load: 1,
    engine_refuse: 3,
    exchange_begin: 2,
    exchange_refuse: 2,
    exchange_start: 3,
    exchange_push: 3,
    exchange_finish: 2,
    exchange_next: 2,
    exchange_close: 1
  ]

  for {name, arity} <- @functions do
    arguments = Macro.generate_unique_arguments(arity, __MODULE__)

    def unquote(name)(unquote_splicing(arguments)) do
      _ = [unquote_splicing(arguments)]
      :erlang.nif_error(:chunker_nif_not_loaded)
    end
  end

  def load do
    path = :filename.join(:code.priv_dir(:chunker), ~c"native/chunker_nif")

    with {:error, {reason, text}} <- :erlang.load_nif(path, 0) do
      # This module stays, so that `Chunker.available?/0` can answer.
      :logger.error(~c"chunker's native library is not loaded, so every call fails: ~s, ~ts", [reason, text])
      :ok
    end
  end
end
