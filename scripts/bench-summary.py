#!/usr/bin/env python3
"""Collects what criterion measured: bench-summary.py CRITERION-FOLDER FILE

Writes a list of benchmarks to FILE, in JSON, and prints it as a table: name, median of the time of one
iteration in nanoseconds with its 95 % confidence interval, and bytes per second where there are bytes.
"""

import json
import pathlib
import sys


def read(folder):
    """Returns name, time and throughput of the benchmark whose newest results are in `folder`."""
    median = json.loads((folder / "estimates.json").read_text())["median"]
    benchmark = json.loads((folder / "benchmark.json").read_text())
    interval = median["confidence_interval"]
    size = (benchmark["throughput"] or {}).get("Bytes")
    return {
        "name": benchmark["full_id"],
        "nanoseconds": median["point_estimate"],
        "interval": [interval["lower_bound"], interval["upper_bound"]],
        "bytes_per_second": size and size * 1e9 / median["point_estimate"],
    }


def main(criterion, output):
    benchmarks = [read(path.parent) for path in sorted(pathlib.Path(criterion).glob("**/new/estimates.json"))]
    if not benchmarks:
        sys.exit(f"{criterion}: no results")
    pathlib.Path(output).write_text(json.dumps(benchmarks, indent=1) + "\n")
    print(f"{'benchmark':42} {'microseconds':>14} {'MB/s':>9}")
    for benchmark in benchmarks:
        speed = benchmark["bytes_per_second"]
        speed = f"{speed / 1e6:9.0f}" if speed else ""
        print(f"{benchmark['name']:42} {benchmark['nanoseconds'] / 1e3:14.3f} {speed:>9}")
    print(f"{len(benchmarks)} benchmarks: {output}")


main(*sys.argv[1:])
