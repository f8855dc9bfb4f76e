#!/usr/bin/env python3
"""Counts the instructions that the hooks of observability add to a chunk: `make instructions`.

Fails when builds of the bench `observability` have more than their limit, or when one without the
features has any function of the crate's module `observability`. Valgrind counts, so that neither the
load of the machine nor its clock matters.
"""

import re
import subprocess
import sys

# Build, then the most that it may add to a chunk, in instructions: a little above what it was. The
# build without features is held against the same work by hand, the others against that build. Tracing
# is off, and there is no recorder. A chunk of 16 KiB has 42,000.
BUILDS = [("std", 30), ("tracing", 60), ("metrics", 170)]
CHUNKS_PER_CALL = 16
MODULE = "chunker::observability"


def instructions(binary, task, calls):
    """Returns how many instructions a run of the bench takes."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", binary, task, str(calls)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    return int(re.search(r"Collected : (\d+)", said)[1])


def per_chunk(binary, task="repeat"):
    """Returns the instructions of a chunk: start and end of the program are in both runs."""
    calls = 100
    more = instructions(binary, task, 2 * calls) - instructions(binary, task, calls)
    return more / (calls * CHUNKS_PER_CALL)


def main():
    folder = sys.argv[1]
    failed = False
    base = per_chunk(f"{folder}/std", "repeat-by-hand")
    for build, limit in BUILDS:
        binary = f"{folder}/{build}"
        symbols = subprocess.run(["nm", "--demangle", binary], check=True, capture_output=True, text=True).stdout
        hooks = sum(MODULE in line for line in symbols.splitlines())
        count = per_chunk(binary)
        added = count - base
        verdict = "" if added <= limit else f", more than {limit}"
        # A search that finds nothing in any build would prove nothing.
        if (hooks == 0) != (build == "std"):
            verdict += ", which is wrong"
        failed |= bool(verdict)
        print(f"{build:>18}: {added:+.1f} instructions per chunk, {hooks} symbols of {MODULE}{verdict}")
        if build == "std":
            base = count
    sys.exit(failed)


main()
