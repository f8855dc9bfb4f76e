"""What the regression gate says of results in the form of criterion's: `make test-regression`."""

import contextlib
import io
import json
import pathlib
import tempfile
import unittest

import check_regression

# How far the ratios of eight rounds are from their centre.
NOISE = [0.012, -0.021, 0.004, 0.017, -0.009, -0.014, 0.022, -0.003]


class Verdicts(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)

    def record(self, benchmark, ratios, versions=("base", "head")):
        for number, ratio in enumerate(ratios):
            for version in versions:
                path = self.folder / str(number) / benchmark / version / "estimates.json"
                path.parent.mkdir(parents=True, exist_ok=True)
                time = 1500.0 * (1 + number / 5) * (ratio if version == "head" else 1)
                path.write_text(json.dumps({"median": {"point_estimate": time}}))
        return path

    def check(self):
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            status = check_regression.main([str(self.folder), "--summary", str(self.folder / "summary.md")])
        return status, output.getvalue()

    def test_a_slowdown_of_a_tenth_is_a_regression_with_name_and_per_cent(self):
        self.record("push/blake3/4KB", [1.1 + noise for noise in NOISE])
        status, output = self.check()
        self.assertEqual(status, 1)
        self.assertRegex(output, r"\| push/blake3/4KB \| \+10\.\d% \| \+\d+\.\d% to \+\d+\.\d% \| 0\.0078 \|")
        self.assertEqual((self.folder / "summary.md").read_text(), output)

    def test_an_improvement_does_not_fail(self):
        self.record("hashing/sha256/1MB", [0.8 + noise for noise in NOISE])
        status, output = self.check()
        self.assertEqual(status, 0)
        self.assertIn("| improvement |", output)

    def test_noise_around_no_change_is_unchanged(self):
        self.record("hashing/sha256/1MB", [1 + noise for noise in NOISE])
        status, output = self.check()
        self.assertEqual(status, 0)
        self.assertIn("1 unchanged", output)

    def test_a_slowdown_below_the_threshold_is_unchanged_though_significant(self):
        self.record("hashing/sha256/1MB", [1.03 + noise / 10 for noise in NOISE])
        status, output = self.check()
        self.assertEqual(status, 0)
        self.assertIn("1 unchanged", output)

    def test_a_noisy_benchmark_is_listed_and_left_out(self):
        self.record("parallel/blake3/1MB", [1.2 + 10 * noise for noise in NOISE])
        status, output = self.check()
        self.assertEqual(status, 0)
        self.assertIn("| noisy |", output)
        self.assertIn("| parallel/blake3/1MB |", output)

    def test_missing_and_new_benchmarks_are_named(self):
        self.record("kept", [1] * 8)
        self.record("gone", [1] * 8, versions=["base"])
        self.record("added", [1] * 8, versions=["head"])
        status, output = self.check()
        self.assertEqual(status, 0)
        self.assertIn("Missing: gone\n", output)
        self.assertIn("New: added\n", output)

    def test_a_benchmark_of_only_some_rounds_is_an_error(self):
        self.record("kept", [1] * 8)
        self.record("aborted", [1] * 7)
        self.assertEqual(self.check()[0], 2)

    def test_malformed_results_are_an_error(self):
        times = ('{"median": {"point_estimate": %s}}' % time for time in ('"fast"', "0", "NaN"))
        for text in ("", "{", "[]", "{}", *times):
            with self.subTest(text):
                self.record("kept", [1] * 8).write_text(text)
                self.assertEqual(self.check()[0], 2)

    def test_too_few_rounds_and_none_are_errors(self):
        self.assertEqual(self.check()[0], 2)
        self.record("kept", [1] * 5)
        self.assertEqual(self.check()[0], 2)


class SignedRank(unittest.TestCase):
    def test_p_and_interval_are_those_of_the_published_example(self):
        """Hamilton's depression scale, by R's wilcox.test(x, y, paired = TRUE, conf.int = TRUE)."""
        before = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
        after = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]
        estimate, low, high, p = check_regression.signed_rank([x - y for x, y in zip(before, after)])
        self.assertAlmostEqual(p, 0.0390625)
        self.assertAlmostEqual(estimate, 0.46, places=3)
        self.assertAlmostEqual(low, 0.0100, places=3)
        self.assertAlmostEqual(high, 0.786, places=3)


if __name__ == "__main__":
    unittest.main()
