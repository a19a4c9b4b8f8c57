"""Measures SQL: `cidlake` beside DataFusion and DuckDB on Parquet files, and Lance with an index.

    tpch     the 22 queries of TPC-H, warm; every answer must be DuckDB's
    cold     the same queries, each in a process of its own
    point    one key in six million rows: one that is sorted, one that is unique and scattered
    q6       Q6 of TPC-H, warm
    many     the first query of a process over a lake of ten thousand datasets
    table    a million rows of seven columns: all, two columns, filters

Everybody has the same rows of one generator, two threads and two processors: rivals the generator's
Parquet files, `cidlake` a lake that these were stored in. All files lie in the page cache.

Warm is a process that stays open. Ours is the program's own server, whose times include the way of
the question and the answer between two processes and JSON; rivals are libraries, which have neither.
What that way costs is the line `SELECT 1`. It is taken off only in a line that says so, for everybody,
beside the same line without. Each query ran once before it is timed.

Cold is a fresh process for each query with its start, opening the lake or the files, planning and
running. An interpreter and its imports are no part of DataFusion, so what a process takes that does
nothing else is taken off DataFusion's time, and `with import` is the time of which nothing was. Of
ours nothing is taken off; what our own start takes is told.

With --memory the server's peak of resident memory must stay below, and rivals get that limit; what
of it queries may use is the program's own setting. An answer that differs from DuckDB's, or too high
a peak, ends this with exit code 1. Times are of one machine at one moment: only ratios within one run
mean anything. $TMPDIR must lie on a disk with room for the scale.
"""

import argparse
import re
import sys
import tempfile
from pathlib import Path

import pyarrow as pa

import sql_cases
from rivals import THREADS, two_processors
from sql_report import json_line, print_table

CASES = {"tpch": sql_cases.tpch, "cold": sql_cases.cold, "point": sql_cases.point,
         "q6": sql_cases.q6, "many": sql_cases.many, "table": sql_cases.table}
UNITS = {"": 0, "KIB": 10, "MIB": 20, "GIB": 30}


def size(text):
    """Reads a number of bytes: 4GiB, 512MiB or plain."""
    found = re.fullmatch(r"(\d+)\s*([KMG]iB|)", text, re.IGNORECASE)
    if not found:
        raise argparse.ArgumentTypeError(f"{text} is no size; write 4GiB or 512MiB")
    return int(found[1]) << UNITS[found[2].upper()]


def factor(text):
    """Reads a scale factor: whole where it is whole, as the generator wants it."""
    value = float(text)
    return int(value) if value == int(value) else value


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--binary", type=Path, default=Path("target/release/cidlake"))
    parser.add_argument("--scale", type=factor, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", type=size, help="tpch: the most memory, as 4GiB")
    parser.add_argument("--lookups", type=int, default=50, help="point: keys to find")
    parser.add_argument("--datasets", type=int, default=10_000, help="many: how many")
    parser.add_argument("--json", action="store_true", help="print one line of JSON as well")
    options = parser.parse_args()
    options.binary = options.binary.resolve()
    return options


def main():
    options = arguments()
    two_processors()
    pa.set_cpu_count(THREADS)
    with tempfile.TemporaryDirectory() as folder:
        result = CASES[options.case](options, Path(folder))
    print_table(options.case, result)
    if options.json:
        print(json_line(options.case, result, options.scale))
    return 1 if result.failures else 0


if __name__ == "__main__":
    sys.exit(main())
