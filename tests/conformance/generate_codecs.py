#!/usr/bin/env python3
"""Prints codecs.json: what real tools make and accept, none of it by this library.

Needs nix-hash (Nix), openssl 3, zstd, lz4, xz and bzip2.
"""

import base64
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from references import reference_cases

# RFC 8032, section 7.1: name, seed, message and signature.
RFC_8032 = [
    (
        "TEST 1",
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "TEST 2",
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "TEST 3",
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "TEST SHA(abc)",
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        hashlib.sha512(b"abc").hexdigest(),
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
        "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
]
# The order of the group (RFC 8032, section 5.1).
ORDER = 2**252 + 27742317777372353535851937790883648493
# DER of a PKCS #8 key and of its public key (RFC 8410), up to their 32 bytes.
PRIVATE = bytes.fromhex("302e020100300506032b657004220420")
PUBLIC = bytes.fromhex("302a300506032b6570032100")

CONTENTS = {
    "empty": b"",
    "one byte": b"\x07",
    "text": b" ".join(hashlib.md5(bytes([i % 251])).hexdigest()[: i % 13].encode() for i in range(400)),
    "zeros": bytes(200_000),
    "random": b"".join(hashlib.sha256(bytes([i])).digest() for i in range(40)),
    "program": b"".join(b"\xe8" + (7 * i).to_bytes(4, "little") + b"\x48\x89\xc7" for i in range(300)),
}
LEVELS = {
    "zstd": ["-1", "-3", "-19 --check", "-19 --no-check", "--ultra -22 --zstd=wlog=20", "--fast=5"],
    "lz4": ["-1", "-9", "-B4 -BD", "-B7 -BX", "-B5 --no-frame-crc", "-12 --content-size"],
    "xz": [
        "-0",
        "-6",
        "-9e --check=sha256",
        "--check=none",
        "--check=crc32 --block-size=1000",
        "--x86 --lzma2=preset=6",
        "--delta=dist=4 --lzma2=preset=1,lc=0,pb=0",
    ],
    "bzip2": ["-1", "-9"],
}
SKIPPABLE = b"\x5a\x2a\x4d\x18\x05\x00\x00\x00abcde"


def run(command, stdin=b""):
    return subprocess.run(command, input=stdin, stdout=subprocess.PIPE, check=True).stdout


def tool(codec, options, data):
    quiet = [] if codec == "bzip2" else ["-q"]
    return run([codec, *quiet, *options.split(), "-c"], data)


def base32_cases():
    lengths = {"md5": 16, "sha1": 20, "sha256": 32, "sha512": 64}
    for algorithm, length in lengths.items():
        digests = [hashlib.shake_256(f"{algorithm} {i}".encode()).digest(length) for i in range(6)]
        for digest in [*digests, bytes(length), b"\xff" * length]:
            command = ["nix-hash", "--type", algorithm, "--to-base32", digest.hex()]
            text = run(command).decode().strip()
            back = run(["nix-hash", "--type", algorithm, "--to-base16", text]).decode().strip()
            assert back == digest.hex(), command
            yield {"kind": "base32", "hex": digest.hex(), "text": text}
    good = "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73"
    # A wrong alphabet, capitals, a length that no bytes have, and bits beyond the last byte.
    for text in ["e" + good[1:], "t" + good[1:], good.upper(), good[1:], "z" + good[1:]]:
        refused = subprocess.run(
            ["nix-hash", "--type", "sha256", "--to-base16", text], capture_output=True, check=False
        )
        assert refused.returncode != 0, text
        yield {"kind": "base32", "text": text, "code": "invalid_base32"}


def signature_cases(folder):
    def openssl(*arguments):
        return run(["openssl", *arguments])

    def write(name, data):
        path = folder / name
        path.write_bytes(data)
        return str(path)

    def signed(seed, message):
        key = write("key.der", PRIVATE + seed)
        public = openssl("pkey", "-inform", "DER", "-in", key, "-pubout", "-outform", "DER")
        if not message:
            return public[-32:], None  # the program signs no empty file
        arguments = ["pkeyutl", "-sign", "-rawin", "-keyform", "DER", "-inkey", key]
        return public[-32:], openssl(*arguments, "-in", write("message", message))

    def case(name, seed, public, message, signature, code=None):
        values = {"public_key": public, "message": message, "signature": signature}
        found = {"kind": "signature", "name": name, **{key: value.hex() for key, value in values.items()}}
        found |= {"seed": seed.hex()} if code is None else {"code": code}
        return found

    for name, seed, message, expected in RFC_8032:
        seed, message = bytes.fromhex(seed), bytes.fromhex(message)
        public, signature = signed(seed, message)
        assert signature is None or signature.hex() == expected, name
        signature = bytes.fromhex(expected)
        yield case(f"RFC 8032, {name}", seed, public, message, signature)
    for length in [1, 31, 64, 127, 128, 1023, 3000]:
        seed = hashlib.sha256(f"seed {length}".encode()).digest()
        message = hashlib.shake_256(b"message").digest(length)
        public, signature = signed(seed, message)
        yield case(f"OpenSSL, {length} bytes", seed, public, message, signature)
    seed, message = hashlib.sha256(b"refused").digest(), b"message"
    public, signature = signed(seed, message)
    flipped = bytes([signature[0] ^ 1]) + signature[1:]
    number = int.from_bytes(signature[32:], "little") + ORDER
    malleable = signature[:32] + number.to_bytes(32, "little")
    other = signed(hashlib.sha256(b"other").digest(), message)[0]
    failed = "verification_failed"
    yield case("a flipped bit", seed, public, message, flipped, failed)
    yield case("another message", seed, public, b"massage", signature, failed)
    yield case("another key", seed, other, message, signature, failed)
    yield case("a signature in other than canonical form", seed, public, message, malleable, failed)
    yield case("63 bytes", seed, public, message, signature[:-1], "invalid_signature_length")
    # The neutral element: anybody can sign for it.
    neutral = bytes([1]) + bytes(31)
    yield case("a key of small order", seed, neutral, message, neutral + bytes(32), "invalid_public_key")


def stream_cases():
    def case(name, codec, data, content=None, code=None):
        found = {"kind": "stream", "name": name, "codec": codec, "data": base64.b64encode(data).decode()}
        if code is not None:
            return {**found, "code": code}
        return {**found, "length": len(content), "sha256": hashlib.sha256(content).hexdigest()}

    for codec, levels in LEVELS.items():
        text = CONTENTS["text"]
        for options in levels:
            name = f"{codec} {options}"
            yield case(f"text by {name}", codec, tool(codec, options, text), text)
        for name, content in CONTENTS.items():
            if name != "text":
                yield case(f"{name} by {codec}", codec, tool(codec, "-6", content), content)
        program = CONTENTS["program"]
        frames = [tool(codec, levels[0], text), tool(codec, "", b""), tool(codec, "", program)]
        whole = b"".join(frames)
        yield case(f"{codec}: three streams", codec, whole, text + program)
        if codec in ["zstd", "lz4"]:
            skipped = SKIPPABLE + SKIPPABLE.join(frames) + SKIPPABLE
            yield case(f"{codec}: skippable frames", codec, skipped, text + program)
            yield case(f"{codec}: a truncated skippable frame", codec, skipped[:-1], code="truncated_data")
        if codec == "xz":
            yield case("xz: stream padding", codec, bytes(8).join(frames) + bytes(4), text + program)
        failed = f"{codec}_decompression_failed"
        yield case(f"{codec}: nothing", codec, b"", code="truncated_data")
        yield case(f"{codec}: one byte less", codec, whole[:-1], code="truncated_data")
        yield case(f"{codec}: half", codec, frames[0][: len(frames[0]) // 2], code="truncated_data")
        yield case(f"{codec}: text behind the end", codec, whole + b"text behind the end", code=failed)
        yield case(f"{codec}: another format", codec, b"PK\x03\x04" + bytes(60), code=failed)
    # From a pipe, zstd does not know that the content is smaller than the window.
    wide = tool("zstd", "--long=27", CONTENTS["text"])
    yield case("zstd: a window of 128 MiB", "zstd", wide, code="window_exceeded")
    wide = tool("xz", "--lzma2=preset=1,dict=256MiB", CONTENTS["text"])
    yield case("xz: a dictionary of 256 MiB", "xz", wide, code="window_exceeded")


def main():
    with tempfile.TemporaryDirectory() as folder:
        cases = [*base32_cases(), *signature_cases(Path(folder)), *stream_cases(), *reference_cases()]
    head = json.dumps({"version": 1, "count": len(cases)})[:-1]
    lines = ",\n".join(json.dumps(case) for case in cases)
    sys.stdout.write(f'{head}, "cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
