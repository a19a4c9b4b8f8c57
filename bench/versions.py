"""Measures what versions cost: making them, reading old ones, telling them apart.

    append   1 % of TPC-H lineitem behind the lineitem that is stored
    commits  a thousand commits of ten rows, an aggregation, putting together, the aggregation
    upsert   1 % of the rows, spread evenly, with one changed value each
    parts    opening a dataset of a hundred thousand parts, planning a query that needs one
    history  the log and old versions of a dataset of ten thousand commits
    diff     two versions that differ in one row of a million

Ours is the program itself: kept open as a server (`open_lake.py`) where that offers what is
measured, else a process of its own, from whose time that of `cidlake --version` in the same round is
taken off. Rivals are libraries in processes that stay (`versions_rivals.py`). Everybody has the same
rows, two threads, and two processors; who begins moves on by one in every round. Ours is durable when
it answers. Rivals leave that to the operating system, so what they changed is synced behind each of
their calls: the time told is with it, and `unsynced` is the call alone.

A line is the median of the rounds with the least and the greatest, and the highest peak of resident
memory while it ran. $TMPDIR must lie on a disk. Times are those of one machine at one moment. Nothing
here says that an answer is right beyond counts and sums: that is for the tests.
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

from rivals import two_processors
from versions_changes import append, commits, upsert
from versions_reads import diff, history, parts
from versions_rivals import RIVALS, require

CASES = {"append": append, "commits": commits, "upsert": upsert,
         "parts": parts, "history": history, "diff": diff}
BESIDE_RIVALS = {"append", "commits", "upsert"}


class Figures:
    """What was measured: values of who in which step, in the order in which they came."""

    def __init__(self):
        self.lines = {}

    def add(self, step, who, unit, value, target=None, **more):
        line = self.lines.setdefault((step, who), {
            "step": step, "who": who, "unit": unit, "target": target, "values": [], "more": []})
        line["values"].append(value)
        line["more"].append(more)

    def report(self):
        """Prints a table; returns its lines as values."""
        ours = {}
        for line in self.lines.values():
            values, unit = line["values"], line["unit"]
            median = statistics.median(values)
            ours.setdefault(line["step"], median)
            form = (lambda value: f"{value:,.0f}") if unit == "bytes" else "{:,.1f}".format
            text = (f"  {line['step']:30} {line['who']:18} {form(median):>13} {unit:5} "
                    f"({form(min(values))} to {form(max(values))})")
            if line["who"] in RIVALS:
                text += f"  cidlake/{line['who']} {ours[line['step']] / median:.2f}"
            if line["target"] is not None:
                met = "met" if median <= line["target"] else "MISSED"
                text += f"  target {line['target']:g} {unit} {met}"
            print(text + "".join(f"  {word}" for word in told(line["more"], form)), flush=True)
            line["median"] = median
        return list(self.lines.values())


def told(more, form):
    """Says what was measured besides: the median, of peaks the greatest, of words the last."""
    for name in more[-1]:
        values = [each[name] for each in more]
        if isinstance(values[-1], str):
            yield f"{name}: {values[-1]}"
        elif name == "peak_mib":
            yield f"peak {max(values):.0f} MiB"
        else:
            yield f"{name} {form(statistics.median(values))}"


def names(known):
    def parse(text):
        chosen = [name for name in text.split(",") if name]
        unknown = sorted(set(chosen) - set(known))
        if unknown:
            raise argparse.ArgumentTypeError(f"no {', '.join(unknown)}; {', '.join(known)}")
        return chosen

    return parse


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="these; all when absent")
    parser.add_argument("--binary", type=Path, default=Path("target/release/cidlake"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", type=names(RIVALS), default=list(RIVALS),
                        help="rivals to run beside, as a,b")
    parser.add_argument("--scale", type=float, default=1, help="append: of the stored lineitem")
    parser.add_argument("--commits", type=int, default=1000)
    parser.add_argument("--iceberg-commits", type=int, default=200,
                        help="commits: of PyIceberg, whose commits become slower with each")
    parser.add_argument("--upsert-rows", type=int, default=600_000)
    parser.add_argument("--parts", type=int, default=100_000)
    parser.add_argument("--history", type=int, default=10_000, help="history: commits")
    parser.add_argument("--diff-rows", type=int, default=1_000_000)
    options = parser.parse_args()
    unknown = sorted(set(options.cases) - set(CASES))
    if unknown:
        parser.error(f"no case {', '.join(unknown)}; {', '.join(CASES)}")
    options.cases = options.cases or list(CASES)
    options.binary = options.binary.resolve()
    return options


def main():
    options = arguments()
    if BESIDE_RIVALS & set(options.cases):
        require(options.only)
    two_processors()
    results = []
    for case in options.cases:
        figures = Figures()
        with tempfile.TemporaryDirectory() as folder:
            title = CASES[case](options, Path(folder), figures)
        print(f"{case}: {title}")
        results.append({"case": case, "title": title, "lines": figures.report()})
        if options.json:
            options.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    sys.exit(main())
