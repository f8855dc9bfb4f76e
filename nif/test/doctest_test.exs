defmodule Chunker.DoctestTest do
  use ExUnit.Case, async: true

  doctest Chunker
  doctest Chunker.Compressor
  doctest Chunker.Decompressor
  doctest Chunker.Hasher
  doctest Chunker.Manifest
  doctest Chunker.Nix
  doctest Chunker.Nix.NarInfoFile
  doctest Chunker.Nix.ReferenceNormalizer
  doctest Chunker.Nix.ReferencePatches
  doctest Chunker.Signing
  doctest Chunker.Store
end
