#!/usr/bin/env python3
"""Counts the instructions per byte of each scan kernel in a release binary of x86-64.

Fails when a kernel has more than its limit, or when its code is not found: `make instructions`.
The counts are of the code that runs for data without a cut, read from the disassembly: no simulator
knows AVX-512, and counters of the CPU are seldom available on shared machines.
"""

import re
import subprocess
import sys

# Kernel, then its parts: function, bytes of input per pass, and whether a pass is the longest loop of
# the function, all of it, or four times that loop and all else once, which is paid for each batch of 512
# bytes. Last the limits, in instructions per byte, a little above what they were:
# without and with a seed. Most functions are there twice; the longer one has the seed.
KERNELS = [
    ("portable", [("CutFinder::next_cut", 16, "loop")], 6.4, None),
    ("portable", [("Scanner::scan_with", 16, "loop")], None, 6.8),
    ("scalar", [("scalar::steps_until_met", 8, "loop")], 5.4, 7.7),
    ("avx2", [("avx2::read_until_met", 16, "loop")], 3.9, 4.1),
    ("avx512, low limb", [("low_limb::look_up(_seeded)?", 512, "four loops"), ("low_limb::filter", 512, "all")], 1.02, 1.04),
    ("avx512, low limb, text", [("low_limb::look_up_text", 512, "all"), ("low_limb::filter", 512, "all")], 0.87, None),
    ("avx512, two limbs", [("two_limb::look_up(_seeded)?", 512, "four loops"), ("TwoLimb<G>::filter", 512, "all")], 1.46, 1.6),
    ("avx512, two limbs, text", [("two_limb::look_up_text", 512, "all"), ("TwoLimb<G>::filter", 512, "all")], 1.19, None),
]


def functions(binary):
    """Yields the name of each function, and its instructions as pairs of address and text."""
    command = ["objdump", "--disassemble", "--no-show-raw-insn", "--demangle", binary]
    name, instructions = None, []
    for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
        if header := re.fullmatch(r"[0-9a-f]+ <(.+)>:", line):
            if name:
                yield name, instructions
            name, instructions = header[1], []
        elif instruction := re.match(r"\s+([0-9a-f]+):\s+(.+)", line):
            instructions.append((int(instruction[1], 16), instruction[2]))
    yield name, instructions


def longest_innermost_loop(instructions):
    """Returns how many instructions the longest loop has that contains no other."""
    index = {address: place for place, (address, _) in enumerate(instructions)}
    loops = []
    for place, (_, text) in enumerate(instructions):
        jump = re.match(r"j\w+\s+([0-9a-f]+)", text)
        target = index.get(int(jump[1], 16)) if jump else None
        if target is not None and target <= place:
            loops.append((target, place))
    inner = [a for a in loops if not any(b != a and a[0] <= b[0] and b[1] <= a[1] for b in loops)]
    return max((end - start + 1 for start, end in inner), default=0)


def counts(code, function, extent, instances):
    """Returns the least and the most instructions of a pass of the functions with this name."""
    # Rust ends a demangled name with a hash, and older binutils leave it there. They also name the
    # type's parameter, or leave it out.
    pattern = function.replace("<G>", "(<.*>)?") + "(::h[0-9a-f]+)?$"
    found = [body for name, body in code if re.search(pattern, name)]
    if not found:
        sys.exit(f"{function} is not in {sys.argv[1]}")
    if extent != "all" and len(found) != instances:
        sys.exit(f"{function} is there {len(found)} times, not {instances}")
    passes = []
    for body in found:
        loop = longest_innermost_loop(body)
        if extent != "all" and loop == 0:
            sys.exit(f"{function} has no loop")
        passes.append({"loop": loop, "all": len(body), "four loops": len(body) + 3 * loop}[extent])
    return min(passes), max(passes)


def main():
    code = list(functions(sys.argv[1]))
    failed = False
    for kernel, parts, *limits in KERNELS:
        instances = sum(limit is not None for limit in limits)
        passes = [(counts(code, function, extent, instances), size) for function, size, extent in parts]
        for which, (name, limit) in enumerate(zip(("", ", seeded"), limits)):
            if limit is None:
                continue
            per_byte = sum(count[which] / size for count, size in passes)
            verdict = "" if per_byte <= limit else f", more than {limit}"
            failed |= bool(verdict)
            print(f"{kernel + name:>26}: {per_byte:.2f} instructions per byte{verdict}")
    sys.exit(failed)


main()
