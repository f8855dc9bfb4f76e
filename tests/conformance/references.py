"""Streams with hashes of Nix store paths, normalized by a search of every offset.

Written from docs/nix-references.md; shares no code with the library.
"""

import hashlib

DIGITS = "0123456789abcdfghijklmnpqrsvwxyz"
PLACEHOLDER = bytes(32)


def bits_of(text):
    """Returns the 20 bytes of a hash: its digits are those of a little-endian number, the highest first."""
    number = 0
    for digit in text:
        number = number * 32 + DIGITS.index(digit)
    return number.to_bytes(20, "little")


def hash_of(name):
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:20], "little")
    return "".join(DIGITS[number >> (5 * place) & 31] for place in reversed(range(32)))


def noise(name, length):
    blocks = (hashlib.sha256(f"{name} {i}".encode()).digest() for i in range(length // 32 + 1))
    return b"".join(blocks)[:length]


def number(value):
    data = bytearray()
    while value >= 128:
        data.append(value % 128 + 128)
        value //= 128
    data.append(value)
    return bytes(data)


def normalize(stream, hashes):
    output, found, offset = bytearray(), [], 0
    while offset < len(stream):
        window = stream[offset : offset + 32].decode("latin-1")
        if window in hashes:
            found.append((offset, window))
            output += PLACEHOLDER
            offset += 32
        else:
            output.append(stream[offset])
            offset += 1
    used = sorted({hash for _, hash in found})
    patches = b"CNR1" + number(len(stream)) + number(len(used)) + b"".join(map(bits_of, used)) + number(len(found))
    end = 0
    for offset, hash in found:
        patches += number(offset - end) + number(used.index(hash))
        end = offset + 32
    return bytes(output), patches


A, B, C = hash_of("a"), hash_of("b"), hash_of("c")
OVERLAPPED = A[16:] + B[:16]  # lies over the end of A and the start of B


def text(*parts):
    return "".join(parts).encode()


CASES = {
    "empty": (b"", [A]),
    "no hashes to look for": (text("/nix/store/", A, "-hello"), []),
    "none in it": (text("/nix/store/", A, "-hello"), [B, C]),
    "a path": (text("/nix/store/", A, "-hello/bin/hello"), [A]),
    "the whole stream": (text(A), [A]),
    "at both ends": (text(A, "-x-", B), [A, B]),
    "side by side": (text(A, A, B, A), [B, A]),
    "one named twice, one not used": (text("..", B, "..", B), [C, B, B, A]),
    "first and last character missing": (text(A[1:], " ", A[:-1]), [A]),
    "within a run of digits": (text("0" * 40, A, "0" * 40), [A]),
    "overlapping, the first wins": (text(A, B), [A, B, OVERLAPPED]),
    "overlapping, the middle one": (text(A[:16], OVERLAPPED, B[16:]), [OVERLAPPED]),
    "overlapping itself": (text("0" * 71), ["0" * 32]),
    "placeholders": (PLACEHOLDER + text(A) + PLACEHOLDER * 2 + b"\0", [A]),
    "other letters": (text(A.upper(), "e" * 32, "o" * 32, "t" * 32, "u" * 32), [A]),
    "a half, then the whole": (text(A[:31], A, A[:5]), [A]),
    "between noise": (
        b"".join(noise(f"piece {i}", 37 * i % 101) + text((A, B, C)[i % 3]) for i in range(40)) + noise("end", 300),
        [A, B, C],
    ),
    "far from each other": (noise("head", 20_000) + text(C) + noise("tail", 20_000) + text(A), [A, C]),
    "many hashes": (
        b"".join(text(hash_of(f"many {i * i % 97}"), "-") for i in range(300)),
        [hash_of(f"many {i}") for i in range(200)],
    ),
    "digits of all kinds": (text(DIGITS * 3), [DIGITS, DIGITS[7:] + DIGITS[:7]]),
}


def reference_cases():
    for name, (stream, hashes) in CASES.items():
        output, patches = normalize(stream, set(hashes))
        digest = hashlib.sha256(output).hexdigest()
        case = {"kind": "references", "name": name, "hashes": hashes, "stream": stream.hex()}
        yield {**case, "sha256": digest, "patches": patches.hex()}
