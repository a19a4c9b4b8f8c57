"""What is known of all objects of a lake: `system.*` and `find` of the Python package, beside DuckDB.

A lake is made of many datasets, each of three columns, one part and metadata, which with its versions,
parts, columns and blocks is about ten objects a dataset; then it is sealed, so that there is a snapshot
of the index. Measured is, each in a process of its own that has imported what it needs:

    open    from `Lake(…)` to the first answer over all versions, beside the first of `SELECT 1`: what
            the index adds is the difference; no turn of a rival, who has nothing to be opened
    scan    two statements with conditions, warm
    cid     a version by its CID, warm: each of some that were picked at random
    commit  ten rows to one dataset, with an operation in the queue and after the index was read

DuckDB has the same rows, exported from `system.*`: as Arrow tables in memory, as Parquet files, and as
its own tables, of which that of the versions has an index on the CID. It is a library in the same
process with the same two threads and answers with Arrow tables as ours does; who begins moves on by
one in every turn. Answers must be equal, or this ends with 1.

Run it with a Python that has the package, pyarrow and duckdb: see `README.md`. $TMPDIR must lie on a
disk. Times are those of one machine at one moment.
"""

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from open_lake import THREADS, environment

STORING_THREADS = 8
CITIES = ["Oslo", "Rome", "Bern", "Lima"]
OURS = "cidlake"
EXPORTED = ("commits", "columns")
COUNTED = ("datasets", "commits", "parts", "columns", "blocks")
FIRST = {"system.commits": "SELECT count(*) FROM system.commits", "SELECT 1": "SELECT 1"}
# For DuckDB without the schema.
SCANS = {
    "scan: columns": "SELECT count(*) AS n FROM system.columns WHERE \"column\" = 'city' AND nulls = 0",
    "scan: versions": "SELECT dataset, rows FROM system.commits WHERE rows > 5 AND dataset LIKE 'a1%'",
}
BY_CID = 'SELECT * FROM commits WHERE "commit" = ?'
TARGETS_MS = {"open: system.commits": 300.0, **dict.fromkeys(SCANS, 50.0), "by CID": 1.0,
              "a commit": 3.0}


def open_lake(work):
    import cidlake

    return cidlake.Lake(work / "lake", create=False, progress=False)


def took_ms(ask, *arguments):
    started = time.perf_counter()
    answer = ask(*arguments)
    return 1000 * (time.perf_counter() - started), answer


# --- What the processes do; each returns what is printed as JSON.


def make(work, options):
    """Makes the lake; returns how long that took."""
    import cidlake
    import pyarrow as pa

    lake = cidlake.Lake(work / "lake", progress=False)

    def store(number):
        rows = range(1 + number % 10)
        city = [None if row == 0 and number % 4 == 0 else CITIES[row % 4] for row in rows]
        table = pa.table({"id": [number * 10 + row for row in rows], "city": city,
                          "value": [row / 8 for row in rows]})
        lake.store(table, f"a{number}", metadata={"source": "bench", "number": str(number)})

    started = time.perf_counter()
    store(0)
    with ThreadPoolExecutor(STORING_THREADS) as pool:
        for number, _ in enumerate(pool.map(store, range(1, options.datasets)), 1):
            if number % 10_000 == 0:
                print(f"  {number:,} datasets", file=sys.stderr, flush=True)
    seconds = time.perf_counter() - started
    lake.close()
    return {"seconds": seconds}


def seal(work, options):
    """Makes a checkpoint, indexes and the snapshot."""
    if options.binary:
        command = [str(options.binary), "--lake", str(work / "lake"), "--quiet", "maintain",
                   "--no-compact", "--no-gc"]
        started = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        return {"seconds": time.perf_counter() - started}
    lake = open_lake(work)
    lake.enqueue("seal")
    started = time.perf_counter()
    worked = lake.work(kinds="seal", schedule=False)
    seconds = time.perf_counter() - started
    lake.close()
    if worked["completed"] != 1:
        sys.exit(f"the lake could not be sealed: {worked}")
    return {"seconds": seconds}


def export(work, options):
    """Writes the rows for DuckDB; returns how many objects there are of which kind."""
    import pyarrow.parquet as pq

    lake = open_lake(work)
    for table in EXPORTED:
        rows = lake.sql(f"SELECT * FROM system.{table}").to_arrow()
        pq.write_table(rows, work / f"{table}.parquet", compression="zstd")
    counts = {}
    for table in COUNTED:
        [row] = lake.sql(f"SELECT count(*) AS n FROM system.{table}").to_pylist()
        counts[table] = row["n"]
    lake.close()
    return counts


def first_answer(work, options):
    """Opens the lake and asks one question."""
    # Beforehand, so that this is not timed.
    import cidlake

    def ask():
        lake = cidlake.Lake(work / "lake", create=False, progress=False)
        lake.sql(options.question).to_pylist()
        return lake

    ms, lake = took_ms(ask)
    lake.close()
    return {"ms": ms}


def scan(work, options):
    lake, rivals = open_lake(work), duckdbs(work)
    return {line: in_turn(contenders(lake, rivals, query), [None] * options.repeat)
            for line, query in SCANS.items()}


def contenders(lake, rivals, query):
    """{who: function that answers with an Arrow table}"""
    theirs = query.replace("system.", "")
    asks = {OURS: lambda _: lake.sql(query).to_arrow()}
    for who, con in rivals.items():
        asks[who] = lambda _, con=con: con.execute(theirs).to_arrow_table()
    same(query, {who: sorted(map(str, ask(None).to_pylist())) for who, ask in asks.items()})
    return asks


def by_cid(work, options):
    import pyarrow.parquet as pq

    lake, rivals = open_lake(work), duckdbs(work)
    commits = pq.read_table(work / "commits.parquet", columns=["commit"])["commit"].to_pylist()
    cids = random.Random(0).choices(commits, k=options.lookups)
    asks = {OURS: lake.find}
    for who, con in rivals.items():
        asks[who] = lambda cid, con=con: con.execute(BY_CID, [cid]).to_arrow_table().to_pylist()
    same("by CID", {who: [(found["commit"], found["rows"]) for found in ask(cids[0])]
                    for who, ask in asks.items()})
    return {"by CID": in_turn(asks, cids)}


def commit(work, options):
    import pyarrow as pa

    lake = open_lake(work)
    waiting = lake.enqueue("gc", delay=86_400)
    lake.sql(FIRST["system.commits"]).to_pylist()
    taken = []
    for number in range(options.commits):
        rows = pa.table({"id": [number * 10 + row for row in range(10)], "city": ["Oslo"] * 10,
                         "value": [row / 8 for row in range(10)]})
        taken.append(took_ms(lake.store, rows, "written")[0])
    lake.drop_operation(waiting["id"])
    lake.close()
    return {"a commit": {OURS: taken}}


def duckdbs(work):
    """{who: a connection with the exported tables}"""
    import duckdb
    import pyarrow.parquet as pq

    found = {who: duckdb.connect(config={"threads": THREADS})
             for who in ("DuckDB, Arrow", "DuckDB, Parquet", "DuckDB, tables")}
    for table in EXPORTED:
        file = work / f"{table}.parquet"
        arrow, parquet, own = found.values()
        arrow.register(table, pq.read_table(file))
        parquet.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{file}')")
        own.execute(f"CREATE TABLE {table} AS SELECT * FROM read_parquet('{file}')")
    found["DuckDB, tables"].execute('CREATE INDEX by_cid ON commits ("commit")')
    return found


def same(line, answers):
    for who, answer in answers.items():
        if answer != answers[OURS]:
            sys.exit(f"{line}: the answers of {OURS} and {who} differ")


def in_turn(asks, questions):
    """{who: [milliseconds of each question]}; everybody was asked once before."""
    taken, order = {who: [] for who in asks}, list(asks)
    for number, question in enumerate(questions):
        first = number % len(order)
        for who in order[first:] + order[:first]:
            taken[who].append(took_ms(asks[who], question)[0])
    return taken


STEPS = {step.__name__: step for step in (make, seal, export, first_answer, scan, by_cid, commit)}


# --- What runs them.


def process(step, work, options, question=""):
    """Runs a step in a process of its own; returns what it found, with its peak of memory."""
    command = [sys.executable, __file__, "--work-as", step, str(work), "--question", question,
               "--datasets", str(options.datasets), "--repeat", str(options.repeat),
               "--lookups", str(options.lookups), "--commits", str(options.commits)]
    if options.binary:
        command += ["--binary", str(options.binary)]
    done = subprocess.run(command, env=environment(work), stdout=subprocess.PIPE)
    if done.returncode != 0:
        sys.exit(f"{step} failed")
    return json.loads(done.stdout.splitlines()[-1])


def work_as(options):
    """One step; prints what it found."""
    step, folder = options.work_as
    found = STEPS[step](Path(folder), options)
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"found": found, "peak_mib": peak_mib}))


def measure(options, work):
    """Returns {line: {who: [milliseconds]}} and what there is to say of the lake."""
    if not (work / "lake").exists():
        made = process("make", work, options)["found"]["seconds"]
        print(f"made in {made:,.0f} s, {options.datasets / made:,.0f} datasets/s", flush=True)
    sealed = process("seal", work, options)
    counts = process("export", work, options)["found"]
    objects = sum(number for table, number in counts.items() if table != "datasets")
    print(f"sealed in {sealed['found']['seconds']:,.1f} s; {objects:,} objects: "
          + ", ".join(f"{table} {number:,}" for table, number in counts.items()), flush=True)
    lines, peaks = {}, {}
    for _ in range(options.rounds):
        for line, question in FIRST.items():
            run = process("first_answer", work, options, question)
            lines.setdefault(f"open: {line}", {OURS: []})[OURS].append(run["found"]["ms"])
            peaks[f"open: {line}"] = max(run["peak_mib"], peaks.get(f"open: {line}", 0))
    pairs = zip(*(lines[f"open: {line}"][OURS] for line in FIRST))
    lines["open: what the index adds"] = {OURS: [whole - bare for whole, bare in pairs]}
    for step in ("scan", "by_cid", "commit"):
        lines.update(process(step, work, options)["found"])
    return lines, {"counts": counts, "objects": objects, "seal_seconds": sealed["found"]["seconds"],
                   "peak_mib": peaks}


def report(lines, lake):
    """Prints the table; returns its lines as values."""
    print(f"  {'':27}{'':18}{'least':>10}{'median':>10} ms")
    values = []
    for line, everybody in lines.items():
        ours = statistics.median(everybody[OURS])
        for who, taken in everybody.items():
            least, median = min(taken), statistics.median(taken)
            text = f"  {line:27}{who:18}{least:10,.3f}{median:10,.3f}"
            target = TARGETS_MS.get(line) if who == OURS else None
            if target is not None:
                text += f"  target {target:g} ms {'met' if median < target else 'MISSED'}"
            if who != OURS:
                text += f"  {OURS}/{who} {ours / median:.2f}"
            if who == OURS and line in lake["peak_mib"]:
                text += f"  peak {lake['peak_mib'][line]:,.0f} MiB"
            print(text, flush=True)
            values.append({"line": line, "who": who, "least_ms": least, "median_ms": median,
                           "target_ms": target, "ms": taken})
    return values


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", type=int, default=100_000)
    parser.add_argument("--folder", type=Path,
                        help="make the lake here and leave it; one that is there is measured as it is")
    parser.add_argument("--binary", type=Path, help="seal with this program, not with the package")
    parser.add_argument("--rounds", type=int, default=5, help="open: processes of each kind")
    parser.add_argument("--repeat", type=int, default=20, help="scan: times each")
    parser.add_argument("--lookups", type=int, default=200, help="cid: CIDs to find")
    parser.add_argument("--commits", type=int, default=100)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--work-as", nargs=2, metavar=("STEP", "FOLDER"), help=argparse.SUPPRESS)
    parser.add_argument("--question", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.binary:
        options.binary = options.binary.resolve()
    return options


def main():
    options = arguments()
    if options.work_as:
        return work_as(options)
    # Here, since it brings pyarrow, which counts as memory of a process that only opens the lake.
    from rivals import two_processors

    two_processors()
    with tempfile.TemporaryDirectory(prefix="cidlake-index-") as folder:
        work = options.folder or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        lines, lake = measure(options, work.resolve())
    values = report(lines, lake)
    if options.json:
        options.json.write_text(json.dumps({"lines": values, **lake}, indent=2))


if __name__ == "__main__":
    main()
