"""Checks vectors.json with a second implementation, as plain as can be.

It shares nothing with the library: the gear table is computed, the digests are hashlib's, and every
byte is looked at on its own. BLAKE3 is not in Python's library; b3sum made those digests.
"""

import hashlib
import json
import math
import pathlib

BITS = 2**64 - 1
ALPHABET = b"etaoin shrdlu,cmfwyp.vbgkqjxz\nETAOIN SHRDLU-CMFWYP!VBGKQJXZ0123\t"
GEAR = [int.from_bytes(hashlib.md5(bytes([byte]) * 64).digest()[:8], "big") for byte in range(256)]
# destor (5 to 17), restic-FastCDC (18 to 25)
MASKS = dict(enumerate([
    0x0000000001804110, 0x0000000001803110, 0x0000000018035100, 0x0000001800035300,
    0x0000019000353000, 0x0000590003530000, 0x0000D90003530000, 0x0000D90103530000,
    0x0000D90303530000, 0x0000D90313530000, 0x0000D90F03530000, 0x0000D90303537000,
    0x0000D90703537000, 0x0000D90707537000, 0x0000D91707537000, 0x0000D91747537000,
    0x0000D91767537000, 0x0000D93767537000, 0x0000D93777537000, 0x0000D93777577000,
    0x0000DB3777577000,
], start=5))


def first_chunk(data, start, sizes, level, table):
    """Returns where the chunk ends that begins at `start`."""
    min_size, avg_size, max_size = sizes
    bits = round(math.log2(avg_size))
    strict, loose = MASKS[bits + level], MASKS.get(bits - level, 0)
    left = min(len(data) - start, max_size)
    tested = left - left % 2  # bytes are tested in pairs
    value = 0
    for position in range(min_size, tested):
        value = (2 * value + table[data[start + position]]) & BITS
        if value & (strict if position < avg_size else loose) == 0:
            return start + position
    return start + left


def random_bytes(seed, length):
    out, state = bytearray(), seed
    while len(out) < length:
        state = (state + 0x9E3779B97F4A7C15) & BITS
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & BITS
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & BITS
        out += (z ^ (z >> 31)).to_bytes(8, "little")
    return bytes(out[:length])


def generate(spec):
    kind, length = spec["kind"], spec.get("length")
    if kind == "hex":
        return bytes.fromhex(spec["hex"])
    if kind == "constant":
        return bytes([spec["byte"]]) * length
    if kind == "periodic":
        pattern = bytes.fromhex(spec["hex"])
        return (pattern * (length // len(pattern) + 1))[:length]
    if kind == "concat":
        return b"".join(map(generate, spec["parts"]))
    data = random_bytes(spec["seed"], length)
    if kind == "random":
        return data
    if kind == "text":
        return bytes(ALPHABET[byte % 64] for byte in data)
    if kind == "sparse":
        return bytes(byte if i % spec["every"] == 0 else 0 for i, byte in enumerate(data))
    raise ValueError(f"unknown kind of input: {kind}")


def check(case):
    data = generate(case["input"])
    assert hashlib.sha256(data).hexdigest() == case["input_sha256"], "input"
    sizes = case["min_size"], case["avg_size"], case["max_size"]
    level, seed = case.get("level", 1), int(case.get("seed", "0"))
    table = [entry ^ seed for entry in GEAR]
    chunks, start = [], 0
    while start < len(data):
        end = first_chunk(data, start, sizes, level, table)
        chunks.append([start, end - start])
        start = end
    assert chunks == case["chunks"], "cut points"
    digests = [hashlib.sha256(data[offset:offset + length]).digest() for offset, length in chunks]
    assert [digest.hex() for digest in digests] == case["sha256"], "digests"
    segment = f"seed{seed}/" if seed else ""
    profile = f"fastcdc-v2020/nc{level}/{segment}{'-'.join(map(str, sizes))}"
    assert profile == case["profile"], "profile id"
    profile = f"{profile}/sha256".encode()
    manifest = b"CDCMNFT\x01" + bytes([len(profile)]) + profile
    manifest += len(data).to_bytes(8, "little") + len(chunks).to_bytes(8, "little")
    for (_, length), digest in zip(chunks, digests):
        manifest += length.to_bytes(4, "little") + digest
    assert hashlib.sha256(manifest).hexdigest() == case["manifest_root"]["sha256"], "manifest"


def main():
    vectors = json.loads(pathlib.Path(__file__).with_name("vectors.json").read_text())
    differences = 0
    for case in vectors["cases"]:
        try:
            check(case)
        except AssertionError as difference:
            differences += 1
            print(f"{case['name']}: {difference} differ")
    assert vectors["count"] == len(vectors["cases"])
    print(f"conformance: python reference: {vectors['count']} cases, {differences} differences")
    raise SystemExit(differences > 0)


main()
