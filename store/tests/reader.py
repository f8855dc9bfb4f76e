#!/usr/bin/env python3
"""Restores a file from a store, checking every digest: `reader.py STORE ROOT [OUTPUT]`.

Written from docs/store-format.md alone, with the standard library and the commands `zstd` and, for stores
that use BLAKE3, `b3sum`. Without `b3sum` the digests of footers and BLAKE3 chunks are not checked, and it
says so. `reader.py STORE` restores every file and prints its root and length.
"""

import hashlib
import pathlib
import shutil
import struct
import subprocess
import sys

B3SUM = shutil.which("b3sum")
ALGORITHMS = {1: "sha256", 2: "blake3"}


def fail(message):
    sys.exit(f"reader.py: {message}")


def digest(algorithm, data):
    """Returns the digest of data, or None if this machine cannot compute it."""
    if algorithm == "sha256":
        return hashlib.sha256(data).digest()
    if B3SUM is None:
        return None
    return bytes.fromhex(subprocess.run([B3SUM, "--no-names"], input=data, capture_output=True, check=True).stdout.decode().strip())


def verify(algorithm, data, expected, what):
    found = digest(algorithm, data)
    if found is not None and found != expected:
        fail(f"{what} does not have its digest")


def read_footer(path):
    """Yields (algorithm, digest, encoding, length, offset, stored) of every chunk in a pack."""
    pack = path.read_bytes()
    if pack[:8] != b"CDCPACK\x01" or pack[-8:] != b"CDCFOOT\x01":
        fail(f"{path} is not a pack of version 1")
    (count,) = struct.unpack("<I", pack[-44:-40])
    start = len(pack) - 44 - 42 * count
    if not 1 <= count <= 1 << 20 or start < 8:
        fail(f"{path} has a wrong number of chunks")
    verify("blake3", pack[start:-40], pack[-40:-8], f"the footer of {path}")
    offset = 8
    for entry in range(start, len(pack) - 44, 42):
        algorithm, encoding, length, stored = struct.unpack("<BBII", pack[entry : entry + 10])
        yield ALGORITHMS[algorithm], pack[entry + 10 : entry + 42], encoding, length, offset, stored
        offset += stored + 8  # the checksum, which a digest makes superfluous
    if offset != start:
        fail(f"the chunks of {path} do not add up")


def read_index(store):
    index = {}
    for path in sorted((store / "packs").glob("*")):
        for algorithm, name, encoding, length, offset, stored in read_footer(path):
            index[algorithm, name] = (path, encoding, length, offset, stored)
    return index


def read_chunk(index, algorithm, name, length):
    path, encoding, full, offset, stored = index.get((algorithm, name)) or fail(f"chunk {name.hex()} is missing")
    with path.open("rb") as pack:
        pack.seek(offset)
        data = pack.read(stored)
    if encoding == 1:
        data = subprocess.run(["zstd", "-dcq", "--memory=1024MB"], input=data, capture_output=True, check=True).stdout
    if len(data) != full or full != length:
        fail(f"chunk {name.hex()} has {len(data)} bytes")
    verify(algorithm, data, name, f"chunk {name.hex()}")
    return data


def restore(store, index, root, output):
    """Writes the file and returns its length."""
    manifest = (store / "manifests" / root).read_bytes()
    algorithm, name = root.split("-")
    verify(algorithm, manifest, bytes.fromhex(name), f"manifest {root}")
    if manifest[:8] != b"CDCMNFT\x01":
        fail(f"{root} is not a manifest of version 1")
    start = 9 + manifest[8]
    profile = manifest[9:start].decode("ascii")
    length, count = struct.unpack("<QQ", manifest[start : start + 16])
    if profile.rsplit("/", 1)[1] != algorithm or len(manifest) != start + 16 + 36 * count:
        fail(f"manifest {root} is malformed")
    written = 0
    for entry in range(start + 16, len(manifest), 36):
        (size,) = struct.unpack("<I", manifest[entry : entry + 4])
        written += output.write(read_chunk(index, algorithm, manifest[entry + 4 : entry + 36], size))
    if written != length:
        fail(f"{root} has {written} bytes instead of {length}")
    return written


class Nowhere:
    def write(self, data):
        return len(data)


def main():
    store = pathlib.Path(sys.argv[1])
    if (store / "format").read_text().splitlines()[0] != "chunker-store 1":
        fail(f"{store} is not a store of version 1")
    if B3SUM is None:
        print("reader.py: no b3sum here: BLAKE3 digests are not checked", file=sys.stderr)
    index = read_index(store)
    if len(sys.argv) == 2:
        for path in sorted((store / "manifests").glob("*")):
            print(path.name, restore(store, index, path.name, Nowhere()))
        return
    output = open(sys.argv[3], "wb") if len(sys.argv) > 3 else sys.stdout.buffer
    with output:
        restore(store, index, sys.argv[2], output)


if __name__ == "__main__":
    main()
