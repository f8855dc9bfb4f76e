#!/usr/bin/env python3
"""Runs the benchmarks of two versions in turn: compare-benches.py BASE HEAD ROUNDS-FOLDER

BASE and HEAD are binaries of `benches/comprehensive.rs`. Every benchmark runs in both, one right after
the other, and that in every round; the version that goes first alternates. Criterion's results of
round N are in ROUNDS-FOLDER/N, for `.github/scripts/check_regression.py`.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys


def names(binary, pattern):
    """Returns the names of the benchmarks that match `pattern`."""
    listed = subprocess.run([binary, "--bench", "--list"], check=True, capture_output=True, text=True)
    lines = (line.removesuffix(": benchmark") for line in listed.stdout.splitlines())
    return [line for line in lines if line and re.search(pattern, line)]


def run(binary, version, folder, benchmark, seconds):
    """Runs one benchmark, and has its results saved under the name of the version."""
    command = [binary, "--bench", "--exact", benchmark, "--save-baseline", version, "--noplot", "--quiet"]
    command += ["--sample-size=20", "--nresamples=1000"]
    command += [f"--warm-up-time={seconds / 4}", f"--measurement-time={seconds}"]
    environment = os.environ | {"CRITERION_HOME": str(folder.resolve())}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        sys.exit(f"{benchmark} of {version} failed:\n{done.stderr}")


def main():
    parser = argparse.ArgumentParser(description="Runs the benchmarks of two versions in turn.")
    parser.add_argument("base", type=pathlib.Path)
    parser.add_argument("head", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--benchmarks", default="", help="a pattern that their names match")
    parser.add_argument("--seconds", type=float, default=0.2, help="of one measurement")
    options = parser.parse_args()
    versions = [("base", options.base.resolve()), ("head", options.head.resolve())]
    known = {version: names(binary, options.benchmarks) for version, binary in versions}
    shutil.rmtree(options.folder, ignore_errors=True)
    for number in range(options.rounds):
        folder = options.folder / str(number)
        for benchmark in dict.fromkeys(known["base"] + known["head"]):
            for version, binary in versions if number % 2 == 0 else reversed(versions):
                if benchmark in known[version]:
                    run(binary, version, folder, benchmark, options.seconds)


main()
