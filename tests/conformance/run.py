"""The array API standard's own test-suite (data-apis/array-api-tests) on symgrad: ``python tests/conformance/run.py SUITE``.

In: the folder of a checkout of the suite, and its options (``--max-examples=20``).  Out: per module what passed and
failed, the failures that :mod:`expected` has no reason for, and exit status 1 if there are any.  It needs the packages
of the suite (``pytest``, ``hypothesis``, ``ndindex``); nothing here runs with symgrad's own tests.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections import Counter
from pathlib import Path

import pytest
from expected import EXPECTED, PINNED, REASONS
from hypothesis import Phase, settings

COLUMNS = ("passed", "failed", "skipped")


class Tally:
    """Counts outcomes while pytest runs."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.failures: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.outcome == "passed":
            return  # only what happens before or after a test goes wrong counts as much as the test
        test = report.nodeid.removeprefix("array_api_tests/")
        self.counts[test.split("::")[0], report.outcome] += 1
        if report.outcome == "failed":
            crash = getattr(report.longrepr, "reprcrash", None)
            self.failures[test] = str(crash.message if crash else report.longrepr).split("\n")[0]


def blob(path: Path) -> str:
    """The id of a file's content in git."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def table(tally: Tally, modules: list[Path]) -> str:
    """The outcomes of each module and of all."""
    rows = [("", *COLUMNS, "version")]
    for path in modules:
        version = "pinned" if PINNED.get(path.name) == (found := blob(path)) else found
        rows.append((path.name, *(str(tally.counts[path.name, one]) for one in COLUMNS), version))
    sums = [sum(tally.counts[path.name, one] for path in modules) for one in COLUMNS]
    rows.append(("all", *map(str, sums), f"{sums[0] / max(sums[0] + sums[1], 1):.1%} of those that ran"))
    return "\n".join(f"{row[0]:<46}{row[1]:>8}{row[2]:>8}{row[3]:>8}  {row[4]}" for row in rows)


def main(suite: str, *options: str) -> int:
    """Run the suite; the exit status."""
    root, here = Path(suite).resolve(), Path(__file__).parent
    sys.path[:0] = [str(root), str(here), str(here.parents[1])]
    os.environ |= {
        "ARRAY_API_TESTS_MODULE": "eager",
        "ARRAY_API_TESTS_SKIP_DTYPES": "complex64,complex128",
        "SYMGRAD_CACHE": "off",
    }
    os.chdir(root)
    settings.register_profile("unshrunk", phases=[Phase.explicit, Phase.generate])  # counted, not explained
    settings.load_profile("unshrunk")  # from which the suite's own profile inherits
    tally, modules = Tally(), sorted(root.glob("array_api_tests/test_*.py"))
    quiet = ["-q", "--no-header", "--no-summary", "-p", "no:cacheprovider", "-W", "ignore", f"--rootdir={root}"]
    pytest.main([*quiet, "--disable-deadline", "--derandomize", *options, "array_api_tests"], plugins=[tally])
    print(table(tally, modules))
    for test, message in tally.failures.items():
        print(f"{EXPECTED.get(test, 'NOT EXPECTED')}: {test}: {message}")
    print("\n".join(f"{reason}: {text}" for reason, text in REASONS.items()))
    return int(not tally.counts or any(test not in EXPECTED for test in tally.failures))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
