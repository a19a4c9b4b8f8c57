"""What the cases of `sql.py` measured, as a small table and as one line of JSON.

A line has the seconds of everybody who did the same. Told are the least and the median, and how much
longer ours took than each other: the same ratio of both. Totals are sums of the least and sums of the
medians. Nothing is measured here.
"""

import json
import statistics
from dataclasses import dataclass, field

OURS = "cidlake"
SELECT_1 = "SELECT 1"


@dataclass
class Result:
    """What a case measured: {line: {who: [seconds]}}, and what there is to say of it."""

    title: str
    lines: dict = field(default_factory=dict)
    total: bool = False
    notes: list = field(default_factory=list)
    failures: list = field(default_factory=list)
    more: dict = field(default_factory=dict)

    def add(self, line, who, seconds):
        self.lines.setdefault(line, {}).setdefault(who, []).append(seconds)


def summaries(result):
    """Returns {line: {who: (least, median)}} in milliseconds, with totals where they mean something."""
    found = {name: {who: (1000 * min(taken), 1000 * statistics.median(taken))
                    for who, taken in line.items()} for name, line in result.lines.items()}
    if not result.total:
        return found
    counted = [line for name, line in found.items() if name != SELECT_1]
    found["total"] = {who: tuple(sum(line[who][place] for line in counted) for place in (0, 1))
                      for who in counted[0]}
    if SELECT_1 in found:
        found["total, less SELECT 1 each"] = {
            who: tuple(found["total"][who][place] - len(counted) * found[SELECT_1][who][place]
                       for place in (0, 1)) for who in counted[0]}
    return found


def ratios(line):
    """How much longer ours took than each other: (by the least, by the median).

    There is none where noise was greater than what was to be measured.
    """
    ours = line.get(OURS)
    return {who: tuple(a / b for a, b in zip(ours, theirs)) for who, theirs in line.items()
            if ours and who != OURS and min(theirs) > 0}


def print_table(name, result):
    everybody = list(dict.fromkeys(who for line in result.lines.values() for who in line))
    print(f"{name}: {result.title}")
    print(f"  {'least (median), ms':27}" + "".join(f"{who:>21}" for who in everybody)
          + "".join(f"{f'ours/{who}':>20}" for who in everybody if who != OURS))
    for line, found in summaries(result).items():
        text = f"  {line:27}"
        for who in everybody:
            cell = "{:,.2f} ({:,.2f})".format(*found[who]) if who in found else ""
            text += f"{cell:>21}"
        compared = ratios(found)
        for who in everybody:
            cell = "{:.2f} ({:.2f})".format(*compared[who]) if who in compared else ""
            text += f"{cell:>20}" if who != OURS else ""
        print(text.rstrip(), flush=True)
    for note in [*result.notes, *(f"FAILED: {failure}" for failure in result.failures)]:
        print(f"  {note}")


def json_line(name, result, scale):
    lines = [{"line": line,
              "ms": {who: {"least": least, "median": median}
                     for who, (least, median) in found.items()},
              "ratio": {who: {"least": least, "median": median}
                        for who, (least, median) in ratios(found).items()}}
             for line, found in summaries(result).items()]
    return json.dumps({"case": name, "title": result.title, "scale": scale, "lines": lines,
                       "notes": result.notes, "failures": result.failures, **result.more})
