"""Cases of `versions.py` that read what many versions left: parts, history, diff. Without rivals.

Every case gets the options, an empty folder and the figures to add to, and returns its title. What is
to be read is made first, untimed but for what is told of it. Cases that make versions are in
`versions_changes.py`.
"""

import json
import sys
import time

import pyarrow as pa

from open_lake import OpenLake, environment, process, start
from versions_changes import add_process, apart, ms, write_arrow

PLAN_TARGET_MS = 50
HISTORY_TARGET_MS = 20
DIFF_TARGET_MS = 30
WARM = 5
# Partitions that are written at once; a store takes up to 65,536.
PARTITIONS = 50_000


def one_row(number):
    """A row of 16 columns: its key, whole numbers, texts and fractions."""
    row = {"k": number}
    for column in range(5):
        row[f"i{column}"] = number * 31 % (1000 + column)
        row[f"t{column}"] = f"text {number * 17 % 100_003} of {column}"
        row[f"f{column}"] = number * 13 % 999 / 8
    return row


def make_parts(binary, lake, env, work, count):
    """Makes a dataset of so many parts: each holds the one row of its partition."""
    started = time.perf_counter()
    for first in range(0, count, PARTITIONS):
        rows = [one_row(number) for number in range(first, min(first + PARTITIONS, count))]
        source = work / "parts.arrow"
        write_arrow(pa.Table.from_pylist(rows), source)
        more = ["--append"] if first else ["--partition-by", "k"]
        process(binary, lake, env, "store", str(source), "--name", "p", *more)
    return time.perf_counter() - started


def explain(number):
    return f"EXPLAIN SELECT * FROM p WHERE k = {number}"


def check_plan(answer):
    """Ends the program where a plan reads other than one part; parts stand in it by their CIDs."""
    read = sum(row["plan"].count("baf") for row in answer)
    if read != 1:
        sys.exit(f"parts: the plan reads {read} parts")


def parts(options, work, figures):
    binary, env, lake = options.binary, environment(work), work / "lake"
    count = options.parts
    seconds = make_parts(binary, lake, env, work, count)
    kept = process(binary, lake, env, "sql", "SELECT parts FROM datasets").answer[0]["parts"]
    if kept != count:
        sys.exit(f"parts: {kept} parts, {count} were appended")
    figures.add("making a part", "cidlake (process)", "ms", ms(seconds) / count)
    for number in range(options.rounds):
        wanted = [(7919 * (number * 100 + each) + count // 2) % count for each in range(WARM + 2)]
        empty = start(binary, env)
        run = process(binary, lake, env, "sql", explain(wanted[0]))
        check_plan(run.answer)
        add_process(figures, "opening and planning", "cidlake (process)", run, empty,
                    target=PLAN_TARGET_MS)
        run = process(binary, lake, env, "sql", "SELECT 1 AS one")
        add_process(figures, "opening, no table", "cidlake (process)", run, empty)
        started = time.perf_counter()
        server = OpenLake(binary, lake, env)
        figures.add("starting a server", "cidlake", "ms", ms(time.perf_counter() - started))
        run = server.query(explain(wanted[1]))
        check_plan(run.answer["data"])
        figures.add("planning, first", "cidlake", "ms", ms(run.seconds), peak_mib=run.peak_mib)
        for each in wanted[2:]:
            figures.add("planning, later", "cidlake", "ms", ms(server.query(explain(each)).seconds))
            run = server.query(f"SELECT * FROM p WHERE k = {each}")
            if [row["k"] for row in run.answer["data"]] != [each]:
                sys.exit(f"parts: WHERE k = {each} found {run.answer['data']}")
            figures.add("the query itself", "cidlake", "ms", ms(run.seconds))
        server.close()
    return (f"{count:,} parts of one row and 16 columns, a query that needs one; (process): less "
            "the start of one")


def version_of(answer):
    return answer[0]["id"]


def history(options, work, figures):
    binary, env, lake = options.binary, environment(work), work / "lake"
    count, back = options.history, options.history // 2
    server = OpenLake(binary, lake, env)
    started = time.perf_counter()
    for version in range(count):
        server.store(json.dumps([{"id": version}]), "json", "h", False)
    figures.add("a commit while making it", "cidlake", "ms",
                ms(time.perf_counter() - started) / count)
    server.close()
    found = process(binary, lake, env, "log", "h", "--from", f"h~{back}", "-n", "1").answer
    then = found["versions"][0]["time"]
    cases = {
        "log, first page": ["log", "h"],
        f"log, from h~{back}": ["log", "h", "--from", f"h~{back}"],
        "get h": ["get", "h"],
        f"get h~{back}": ["get", f"h~{back}"],
        "get h@TIME": ["get", f"h@{then}"],
        f"sql h~{back}": ["sql", f'SELECT id FROM "h~{back}"'],
        "sql h@TIME": ["sql", f'SELECT id FROM "h@{then}"'],
    }
    for number in range(options.rounds):
        for step, command in cases.items():
            empty = start(binary, env)
            run = process(binary, lake, env, *command)
            check_version(step, command[0], run.answer, count, back)
            add_process(figures, step, "cidlake (process)", run, empty, target=HISTORY_TARGET_MS)
        server = OpenLake(binary, lake, env)
        for step, at in {"first": f"~{back - number}", "by number": f"~{back // 2 - number}",
                         "by time": f"@{then}", "newest": ""}.items():
            run = server.query(f'SELECT id FROM "h{at}"')
            figures.add(f"query of an open lake, {step}", "cidlake", "ms", ms(run.seconds),
                        target=HISTORY_TARGET_MS)
        server.close()
    return f"{count:,} commits of one row to one dataset; (process): less the start of one"


def check_version(step, verb, answer, count, back):
    """Ends the program where another version was read than the one that was meant."""
    if verb == "log":
        return
    expected = count - 1 if step == "get h" else count - 1 - back
    # Several versions may have been made within one millisecond; the last of them is meant.
    last = expected + 10 if "TIME" in step else expected
    if not expected <= version_of(answer) <= last:
        sys.exit(f"history: {step} has version {version_of(answer)}, not {expected}")


def make_versions(work, rows):
    """Writes a table, and one that differs in one row."""
    numbers = range(rows)
    columns = {"id": pa.array(numbers, pa.int64()),
               "name": [f"name {number * 7919 % rows} of all" for number in numbers],
               "place": [f"place {number * 31 % 997}" for number in numbers],
               "value": [number * 13 % 10_007 / 8 for number in numbers]}
    write_arrow(pa.table(columns), work / "before.arrow")
    columns["value"][rows // 2] += 0.5
    write_arrow(pa.table(columns), work / "after.arrow")


def diff(options, work, figures):
    binary, env, lake = options.binary, environment(work), work / "lake"
    apart(make_versions, work, options.diff_rows)
    process(binary, lake, env, "store", work / "before.arrow", "--name", "t", "--key", "id")
    process(binary, lake, env, "store", work / "after.arrow", "--name", "t")
    cases = {"with a key": [], "without a key": ["--no-key"], "with a key, numbers alone": ["--stat"]}
    for _ in range(options.rounds):
        for step, more in cases.items():
            empty = start(binary, env)
            run = process(binary, lake, env, "diff", "t~1", "t", *more)
            found = [run.answer[f"rows_{what}"] for what in ("removed", "added", "changed")]
            if found != ([1, 1, 0] if "--no-key" in more else [0, 0, 1]):
                sys.exit(f"diff: {step}: removed, added, changed: {found}")
            add_process(figures, step, "cidlake (process)", run, empty, target=DIFF_TARGET_MS)
    return (f"two versions of {options.diff_rows:,} rows that differ in one value; a process, less "
            "its start")
