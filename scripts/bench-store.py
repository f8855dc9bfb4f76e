#!/usr/bin/env python3
"""Compares `chunker put` and `chunker get` with restic, borg and casync: `make bench-store`.

`bench-store.py CHUNKER FILE [ROUNDS]` stores FILE, then a copy with edits, and restores the copy. All tools take
turns, each round in new repositories and with caches of its own; what they restore is compared with the copy.
Prints medians of seconds by the clock and of CPU time (user and system), and the sizes of the repositories.
"""

import filecmp
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

MIB = 1 << 20
JOBS = ["put new", "put edited", "get"]


def edit(source, target):
    """Writes a copy with an insertion, a replacement or a removal about every 16 MiB, always the same ones."""
    data = bytearray(source.read_bytes())
    choose = random.Random(1)
    for place in sorted(choose.sample(range(len(data)), max(1, len(data) // (16 * MIB))), reverse=True):
        removed, inserted = choose.choice([(0, 100), (4096, 4096), (1000, 0)])
        data[place : place + removed] = choose.randbytes(inserted)
    target.write_bytes(data)


class Peer:
    """A tool: how it makes a repository, stores a file, and restores the edited copy to `restored`."""

    def __init__(self, name, make, put, get):
        self.name, self.make, self.put, self.get = name, make, put, get

    def run(self, folder, new, edited):
        """Returns wall and CPU seconds of each job, and the bytes of the repository."""
        work = pathlib.Path(tempfile.mkdtemp(dir=folder))
        environment = dict(
            os.environ,
            RESTIC_PASSWORD="x",
            RESTIC_CACHE_DIR=str(work / "cache"),
            BORG_BASE_DIR=str(work / "cache"),
            XDG_CACHE_HOME=str(work / "cache"),
            BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK="yes",
        )

        def timed(command):
            command = [part.format(repo=work / "repo", out=work / "restored") for part in command]
            with open(work / "log", "wb") as log:
                start = time.monotonic()
                # In a folder of its own: borg restores into the current one.
                process = subprocess.Popen(command, cwd=work / "restored", env=environment, stdout=log, stderr=log)
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
                elapsed = time.monotonic() - start
            if process.returncode != 0:
                raise SystemExit(f"{' '.join(command)} failed:\n{(work / 'log').read_text()}")
            return elapsed, usage.ru_utime + usage.ru_stime

        (work / "restored").mkdir()
        if self.make:
            timed(self.make)
        times = [timed(self.put(new, 1)), timed(self.put(edited, 2))]
        files = [file for file in (work / "repo").rglob("*") if file.is_file()]
        size = sum(file.stat().st_size for file in files)
        times.append(timed(self.get(edited)))
        restored = [file for file in (work / "restored").rglob("*") if file.is_file()]
        if len(restored) != 1 or not filecmp.cmp(restored[0], edited, shallow=False):
            raise SystemExit(f"{self.name} restored another file")
        shutil.rmtree(work)
        return times, (size, len(files))


def chunker(program, profile, level):
    """Returns the command as a peer; what is restored is the root that was printed last."""

    def put(file, _):
        command = f'"$0" --store "$1" --quiet put --profile {profile} --compress {level} "$2" > ../root'
        return ["sh", "-c", command, program, "{repo}", str(file)]

    def get(_):
        return ["sh", "-c", '"$0" --store "$1" get "$(cat ../root)" --output restored', program, "{repo}"]

    sizes = {"medium": "64K", "large": "1M"}[profile]
    return Peer(f"chunker {sizes}, zstd {level}", None, put, get)


def peers(program):
    """Returns all that is compared."""
    borg = lambda codec: Peer(
        f"borg {codec}",
        ["borg", "init", "--encryption", "none", "{repo}"],
        lambda file, number: ["borg", "create", "--compression", codec, f"{{repo}}::{number}", str(file)],
        lambda file: ["borg", "extract", "{repo}::2"],
    )
    restic = Peer(
        "restic",
        ["restic", "init", "--repo", "{repo}"],
        lambda file, number: ["restic", "backup", "--repo", "{repo}", "--host", "bench", str(file)],
        lambda file: ["restic", "restore", "--repo", "{repo}", "latest", "--path", str(file), "--target", "{out}"],
    )
    casync = Peer(
        "casync",
        None,
        lambda file, number: ["casync", "make", "--store", "{repo}", f"{{out}}/../{number}.caibx", str(file)],
        lambda file: ["casync", "extract", "--store", "{repo}", "{out}/../2.caibx", "{out}/restored"],
    )
    ours = [chunker(program, profile, level) for profile in ("medium", "large") for level in (1, 3)]
    return [*ours, restic, borg("lz4"), borg("zstd,3"), casync]


def main():
    program, new = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    tools = peers(str(program))
    results = {tool.name: [] for tool in tools}
    with tempfile.TemporaryDirectory(dir=new.parent) as folder:
        edited = pathlib.Path(folder) / "edited"
        edit(new, edited)
        for turn in range(rounds):
            for tool in tools:
                times, size = tool.run(folder, new, edited)
                results[tool.name].append((times, size))
                seconds = ", ".join(f"{wall:.2f} s ({cpu:.2f} s CPU)" for wall, cpu in times)
                print(f"bench-store: round {turn + 1}, {tool.name}: {seconds}", file=sys.stderr)
    print(f"{new.stat().st_size / MIB:.0f} MiB and an edited copy; medians of {rounds} rounds, seconds")
    print("| | " + " | ".join(f"{job}, wall | CPU" for job in JOBS) + " | repository, MiB | files |")
    print("|---" * (2 * len(JOBS) + 3) + "|")
    for name, rows in results.items():
        median = lambda job, kind: statistics.median(times[job][kind] for times, _ in rows)
        cells = [f"{median(job, kind):.2f}" for job in range(len(JOBS)) for kind in range(2)]
        size, files = rows[-1][1]
        print(f"| {name} | " + " | ".join(cells) + f" | {size / MIB:.0f} | {files} |")


main()
