#!/usr/bin/env python3
"""Tells which benchmarks became slower: check_regression.py ROUNDS [--summary FILE]

ROUNDS is a folder of folders, one for each round. In each, criterion has left its results of both
versions as `…/base/estimates.json` and `…/head/estimates.json`: the names are those of
`--save-baseline`. Both were measured right after each other, so the ratio within a round is free of
what slows down the machine for longer, and rounds take turns in which version goes first.

The change of a benchmark is estimated from its ratios of all rounds by the Hodges-Lehmann estimator,
with the confidence interval and the p-value of the Wilcoxon signed-rank test, which is exact and
assumes no distribution (Hollander, Wolfe, Chicken: Nonparametric Statistical Methods, chapter 3).
A benchmark is a regression if it is slower by more than 5 % with p < 0.05. One whose ratios vary by
more than 10 % is too noisy to judge: it is listed and left out.

Exit status: 0 without regressions, 1 with some, 2 if results are missing or cannot be read.
"""

import argparse
import json
import math
import pathlib
import statistics
import sys
from dataclasses import dataclass

THRESHOLD = 0.05  # of change, as a part
SIGNIFICANCE = 0.05  # probability of such ratios by chance
NOISE = 0.10  # standard deviation of the ratios, as a part
FEWEST_ROUNDS = 6  # with fewer, no ratios are significant: 2 / 2**5 > 0.05


class InvalidResults(Exception):
    """Results are missing, or are not criterion's."""


@dataclass(frozen=True)
class Change:
    """How the time of a benchmark changed: 0.1 is 10 % slower."""

    name: str
    estimate: float
    low: float
    high: float
    p: float
    noise: float

    @property
    def verdict(self):
        if self.noise > NOISE:
            return "noisy"
        if self.p >= SIGNIFICANCE or abs(self.estimate) <= THRESHOLD:
            return "unchanged"
        return "regression" if self.estimate > 0 else "improvement"


def median_time(path):
    """Returns the median of the time of one iteration, in nanoseconds."""
    try:
        time = json.loads(path.read_text())["median"]["point_estimate"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidResults(f"{path}: {error!r}") from error
    if not isinstance(time, (int, float)) or not 0 < time < math.inf:
        raise InvalidResults(f"{path}: {time!r} is not a time")
    return time


def read_times(round_folder, version):
    """Returns the median time of each benchmark, by its name."""
    paths = sorted(round_folder.glob(f"**/{version}/estimates.json"))
    return {str(path.parent.parent.relative_to(round_folder)): median_time(path) for path in paths}


def read_rounds(folder):
    """Returns the times of base and of head for each round."""
    folders = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    rounds = [(read_times(path, "base"), read_times(path, "head")) for path in folders]
    if len(rounds) < FEWEST_ROUNDS:
        raise InvalidResults(f"{folder}: {len(rounds)} rounds, and {FEWEST_ROUNDS} are the fewest")
    for side, version in enumerate(("base", "head")):
        names = {frozenset(times[side]) for times in rounds}
        if len(names) != 1 or names == {frozenset()}:
            raise InvalidResults(f"{folder}: not every round has the same benchmarks of {version}")
    return rounds


def rank_sums(count):
    """Returns how many of the 2**count signings of the ranks 1 to count have each sum of positive ranks."""
    ways = [1]
    for rank in range(1, count + 1):
        ways = [
            (ways[total] if total < len(ways) else 0) + (ways[total - rank] if total >= rank else 0)
            for total in range(len(ways) + rank)
        ]
    return ways


def signed_rank(values):
    """Returns estimate, confidence interval and p of a centre of `values` that is not 0."""
    means = sorted((a + b) / 2 for place, a in enumerate(values) for b in values[place:])
    ways, all_ways = rank_sums(len(values)), 2 ** len(values)
    # The statistic is the number of positive means; means of 0 speak for no change.
    positive, negative = (sum(sign * mean > 0 for mean in means) for sign in (1, -1))
    least = min(len(means) - positive, len(means) - negative)
    p = min(1.0, 2 * sum(ways[: least + 1]) / all_ways)
    outside = 0
    while 2 * sum(ways[: outside + 1]) / all_ways < SIGNIFICANCE:
        outside += 1
    return statistics.median(means), means[outside - 1], means[-outside], p


def compare(rounds):
    """Returns the changes of benchmarks of both versions, the missing and the new ones."""
    base_names, head_names = set(rounds[0][0]), set(rounds[0][1])
    changes = []
    for name in sorted(base_names & head_names):
        logarithms = [math.log(head[name] / base[name]) for base, head in rounds]
        *interval, p = signed_rank(logarithms)
        changes.append(
            Change(name, *(math.expm1(bound) for bound in interval), p, statistics.stdev(logarithms))
        )
    return changes, sorted(base_names - head_names), sorted(head_names - base_names)


def report(changes, missing, new, rounds):
    """Returns the result in Markdown."""
    counts = {
        verdict: [change for change in changes if change.verdict == verdict]
        for verdict in ("regression", "improvement", "noisy", "unchanged")
    }
    lines = [
        f"### Benchmarks: {len(counts['regression'])} regressions, "
        f"{len(counts['improvement'])} improvements, {len(counts['unchanged'])} unchanged, "
        f"{len(counts['noisy'])} too noisy",
        "",
        f"Change of time in {rounds} interleaved rounds; more than {THRESHOLD:.0%} with "
        f"p < {SIGNIFICANCE} counts, unless the ratios vary by more than {NOISE:.0%}.",
    ]
    for verdict in ("regression", "improvement", "noisy"):
        if counts[verdict]:
            lines += ["", f"| {verdict} | change | 95 % interval | p | noise |", "|---|--:|--:|--:|--:|"]
            lines += [
                f"| {change.name} | {change.estimate:+.1%} | {change.low:+.1%} to {change.high:+.1%} "
                f"| {change.p:.4f} | {change.noise:.1%} |"
                for change in sorted(counts[verdict], key=lambda change: -change.estimate)
            ]
    for title, names in (("Missing", missing), ("New", new)):
        if names:
            lines += ["", f"{title}: {', '.join(names)}"]
    return "\n".join(lines) + "\n"


def main(arguments):
    parser = argparse.ArgumentParser(description="Tells which benchmarks became slower.")
    parser.add_argument("rounds", type=pathlib.Path)
    parser.add_argument("--summary", type=pathlib.Path, help="a file to add the report to")
    options = parser.parse_args(arguments)
    try:
        rounds = read_rounds(options.rounds)
        changes, missing, new = compare(rounds)
    except InvalidResults as error:
        print(f"check_regression: {error}", file=sys.stderr)
        return 2
    text = report(changes, missing, new, len(rounds))
    print(text, end="")
    if options.summary:
        with options.summary.open("a") as summary:
            summary.write(text)
    return int(any(change.verdict == "regression" for change in changes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
