#!/usr/bin/env python3
"""Lets processes of `chunker` write, read, remove and collect in one store at once, kills many of them, and looks
whether anything is lost: `make soak-store`.

`soak-store.py CHUNKER STORE MINUTES [SEED]`. Two writers put and remove files, two collectors run `gc` without a
minimum age, a reader restores files; each command is a process, and about a third are killed (SIGKILL) at a random
moment. A file counts as stored once `put` has printed its root, until `rm` of it is started. At the end every such
file must be there byte for byte, every other file that is listed must be one that was put, `check --read-data` must
find the store sound, and after everything is removed a collected store on a disk must be empty.
"""

import hashlib
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

KIB = 1 << 10
KILLED = 0.35
FILES = 40  # that a writer keeps
DATA = random.Random(0)
# Half of each is random, half compresses.
BLOCKS = [(DATA.randbytes(16 * KIB) + DATA.randbytes(KIB) * 16) * 24 for _ in range(12)]


def content(seed):
    """Returns the bytes of a file: some of the blocks, edited in one place, and an end of its own."""
    choose = random.Random(seed)
    data = bytearray(b"".join(choose.sample(BLOCKS, choose.randint(0, 3))))
    at = choose.randrange(len(data) + 1)
    data[at:at] = choose.randbytes(choose.randint(0, 100))
    return bytes(data) + seed.to_bytes(8) + choose.randbytes(choose.randint(0, 300 * KIB))


class Soak:
    def __init__(self, program, store, folder, seed):
        self.program, self.store, self.folder, self.seed = program, store, folder, seed
        self.lock = threading.Lock()
        self.stored = {}  # root: seed; what must be there
        self.perhaps = {}  # root: seed; what may be there: removed by a process that was killed
        self.put = set()  # digests of whatever was handed to `put`
        self.counts = {}
        self.usual = {}  # seconds that a command takes
        self.failures = []
        self.end = 0

    def count(self, what, number=1):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + number

    def fail(self, text):
        with self.lock:
            self.failures.append(text)
            print(f"soak-store: {text}", file=sys.stderr)

    def run(self, choose, machine, *arguments, kill=True, output=None):
        """Runs a command on a machine of two, each with its own cache; returns its status (None when it was
        killed), lines and error."""
        environment = dict(os.environ, XDG_CACHE_HOME=str(self.folder / f"cache{machine}"))
        command = [self.program, "--json", "--store", self.store, *map(str, arguments)]
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(command, stdout=output or out, stderr=errors, env=environment)
            name = arguments[0]
            usual = self.usual.setdefault(name, 0.05)
            killed = False
            start = time.monotonic()
            if kill and choose.random() < KILLED:
                try:
                    process.wait(choose.random() * usual * 1.2)
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    killed = True
            try:
                status = process.wait(600)
            except subprocess.TimeoutExpired:
                process.kill()
                self.fail(f"{name} hangs")
                status = process.wait()
            if not killed:
                self.usual[name] = 0.8 * usual + 0.2 * (time.monotonic() - start)
            killed = status == -signal.SIGKILL
            self.count(f"{name} killed" if killed else name)
            out.seek(0)
            errors.seek(0)
            lines = [json.loads(line) for line in out.read().splitlines() if line] if output is None else []
            return None if killed else status, lines, errors.read().decode().strip()

    def code(self, error):
        try:
            return json.loads(error.splitlines()[-1])["error"]["code"]
        except (IndexError, ValueError, KeyError):
            return error

    def writer(self, number):
        choose = random.Random(self.seed * 10 + number)
        folder = self.folder / f"writer{number}"
        folder.mkdir()
        mine, unique = [], number
        while time.monotonic() < self.end:
            if len(mine) < FILES and (len(mine) < 4 or choose.random() < 0.6):
                files, digests = {}, set()
                for _ in range(choose.choice([1, 1, 2, 5])):
                    unique += 10
                    path = folder / str(unique)
                    data = content(unique)
                    path.write_bytes(data)
                    digests.add(hashlib.sha256(data).digest())
                    files[str(path)] = unique
                with self.lock:
                    self.put |= digests
                status, lines, error = self.run(choose, number % 2, "put", "--profile", "small", *files)
                for line in lines:
                    if "root" in line:
                        with self.lock:
                            self.stored[line["root"]] = files[line["file"]]
                        mine.append(line["root"])
                        self.count("files stored")
                if status not in (0, None):
                    codes = {self.code(text) for text in error.splitlines()}
                    if codes <= {"input_collected", "files_failed"}:
                        self.count("files collected while they were put", len(files))
                    else:
                        self.fail(f"put: {error}")
                for path in files:
                    os.unlink(path)
            else:
                root = mine.pop(choose.randrange(len(mine)))
                with self.lock:
                    self.perhaps[root] = self.stored.pop(root)
                status, _, error = self.run(choose, number % 2, "rm", root)
                if status == 0:
                    with self.lock:
                        del self.perhaps[root]
                    self.count("files removed")
                elif status is not None:
                    self.fail(f"rm: {error}")

    def collector(self, number):
        choose = random.Random(self.seed * 10 + 5 + number)
        while time.monotonic() < self.end:
            waste = choose.choice([5, 20, 60])
            status, lines, error = self.run(choose, number % 2, "gc", "--min-age", "0", "--max-waste", waste)
            if status == 0:
                self.count("packs deleted", lines[0]["deleted_packs"])
                self.count("chunks copied", lines[0]["copied_chunks"])
                if lines[0]["kept_packs"]:
                    self.fail(f"gc keeps {lines[0]['kept_packs']}")
            elif status is not None:
                self.fail(f"gc: {error}")
            time.sleep(choose.random() * 0.2)

    def restore(self, choose, root, seed, machine):
        """Returns what is wrong with a file, or None."""
        target = self.folder / f"restored-{threading.get_ident()}"
        with open(target, "wb") as output:
            status, _, error = self.run(choose, machine, "get", root, kill=False, output=output)
        found = target.read_bytes()
        expected = content(seed)
        if status == 0 and found == expected:
            return None
        if not expected.startswith(found):
            return f"{root} has other bytes than file {seed}"
        return f"{root} cannot be read: {error}"

    def reader(self):
        choose = random.Random(self.seed * 10 + 8)
        while time.monotonic() < self.end:
            with self.lock:
                files = list(self.stored.items())
            if not files:
                time.sleep(0.05)
                continue
            root, seed = choose.choice(files)
            wrong = self.restore(choose, root, seed, choose.randrange(2))
            self.count("files read")
            with self.lock:
                must = root in self.stored
            if wrong and (must or "other bytes" in wrong):
                self.fail(wrong)

    def round(self, seconds):
        """Lets all work for so long, and then looks at the store."""
        self.end = time.monotonic() + seconds
        threads = [threading.Thread(target=self.writer, args=(number,)) for number in (1, 2)]
        threads += [threading.Thread(target=self.collector, args=(number,)) for number in (0, 1)]
        threads += [threading.Thread(target=self.reader)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        choose = random.Random(0)
        status, lines, error = self.run(choose, 0, "check", "--read-data", kill=False)
        if status != 0:
            self.fail(f"check: {lines} {error}")
        _, listed, _ = self.run(choose, 0, "ls", kill=False)
        sizes = {line["root"]: line["size"] for line in listed}
        for root, seed in self.stored.items():
            if root not in sizes:
                self.fail(f"{root}, file {seed}, is not listed")
            wrong = self.restore(choose, root, seed, 1)
            if wrong:
                self.fail(wrong)
        for root in sizes.keys() - self.stored.keys():
            # A process that was killed put it, or did not remove it.
            target = self.folder / "other"
            status, _, error = self.run(choose, 0, "get", root, "--output", target, kill=False)
            data = target.read_bytes() if status == 0 else b""
            if status != 0 or (data and hashlib.sha256(data).digest() not in self.put):
                self.fail(f"{root} is a file that nobody put: {error}")
            self.count("files of killed processes")
        print(f"soak-store: {len(self.stored)} files stored and intact at the end, {len(sizes)} listed")
        for root in sizes:
            self.run(choose, 0, "rm", root, kill=False)
        pending = list(pathlib.Path(self.store).glob("pending/*"))
        for commit in pending:  # those of processes that were killed hold their chunks for a day
            os.utime(commit, (0, 0))
        self.run(choose, 0, "gc", "--min-age", "0", kill=False)
        _, lines, _ = self.run(choose, 1, "stats", kill=False)
        if lines[0]["files"] or (lines[0]["packs"] and "://" not in self.store):
            self.fail(f"not empty in the end: {lines[0]}")
        print(f"soak-store: {lines[0]['packs']} packs left after all files were removed, {len(pending)} commits expired")


def main():
    program, store, minutes = sys.argv[1:4]
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else random.randrange(1 << 32)
    print(f"soak-store: {store}, {minutes} minutes, seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="chunker-soak-") as folder:
        soak = Soak(str(pathlib.Path(program).resolve()), store, pathlib.Path(folder), seed)
        soak.run(random.Random(0), 0, "put", "/dev/null", kill=False)  # which makes the store
        soak.round(float(minutes) * 60)
        for what, number in sorted(soak.counts.items()):
            print(f"soak-store: {number} {what}")
    print(f"soak-store: {len(soak.failures)} failures")
    return 1 if soak.failures else 0


sys.exit(main())
