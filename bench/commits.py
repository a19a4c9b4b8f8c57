"""Times commits of ten rows, each a durable version, to a lake that is open: `cidlake` beside others.

`cidlake` is the program itself, opened once as an MCP server over its standard input and output: a
call is JSON with ten rows, the answer comes when the version is durable. So its time includes
parsing a request, finding the types of JSON, a signature, the round trip between processes and
looking the version up again for the answer. Rivals are called as libraries from this process, with
an Arrow table, and every file and folder that they made or changed since the call began is synced
within the time, because they leave that to the operating system.

The versions take turns, one of each in every round, so that a machine that slows down slows all.
The first hundred of each are not counted: what is measured is the commit behind a hundred others.
$TMPDIR must lie on a disk.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import pyarrow as pa

from open_lake import OpenLake, environment
from rivals import ducklake_extension, two_processors

BEFORE = 100
ROWS = 10
TARGET_MS = 3.0


def rows_of(version):
    return [{"id": version * ROWS + row, "name": f"row {row} of {version}", "value": row / 8}
            for row in range(ROWS)]


def ours(binary, folder, mode):
    """Opens the lake in a server; returns a function that commits, and one that ends it."""
    lake = OpenLake(binary, folder / "lake", environment(folder))

    def commit(version):
        append = mode == "append" and version > 0
        return lake.store(json.dumps(rows_of(version)), "json", "t", append).seconds

    return commit, lake.close


def timed(folder, write):
    """Times a rival's write and the syncs that it leaves out."""
    def commit(version):
        table = pa.Table.from_pylist(rows_of(version))
        before = time.time() - 0.05
        started = time.perf_counter()
        write(table, version)
        for path in [folder, *folder.rglob("*")]:
            if path.stat().st_mtime >= before:
                descriptor = os.open(path, os.O_RDONLY)
                os.fsync(descriptor)
                os.close(descriptor)
        return time.perf_counter() - started

    return commit, lambda: None


def lance_dataset(folder, mode):
    import lance

    def write(table, version):
        how = "create" if version == 0 else mode
        lance.write_dataset(table, folder / "t.lance", mode=how)

    return timed(folder, write)


def delta_table(folder, mode):
    from deltalake import write_deltalake

    return timed(folder, lambda table, _: write_deltalake(folder / "t", table, mode=mode))


def ducklake(folder, mode):
    import duckdb

    con = duckdb.connect()
    con.execute(f"LOAD '{ducklake_extension()}'")
    con.execute(f"ATTACH 'ducklake:{folder}/catalog.ducklake' AS lake (DATA_PATH '{folder}/data/')")

    def write(table, version):
        con.register("source", table)
        if version == 0 or mode == "overwrite":
            con.execute("CREATE OR REPLACE TABLE lake.t AS SELECT * FROM source")
        else:
            con.execute("INSERT INTO lake.t SELECT * FROM source")

    return timed(folder, write)


RIVALS = {"lance": lance_dataset, "delta": delta_table, "ducklake": ducklake}


def measure(binary, mode, count, work):
    """Returns {who: [seconds of each commit behind the first hundred]}."""
    contenders = {}
    for who, begin in {"cidlake": None, **RIVALS}.items():
        folder = work / who
        folder.mkdir()
        contenders[who] = begin(folder, mode) if begin else ours(binary, folder, mode)
    taken = {who: [] for who in contenders}
    for version in range(BEFORE + count):
        for who, (commit, _) in contenders.items():
            seconds = commit(version)
            if version >= BEFORE:
                taken[who].append(seconds)
    for _, end in contenders.values():
        end()
    return taken


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, default=Path("target/release/cidlake"))
    parser.add_argument("--commits", type=int, default=50)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    two_processors()
    results = []
    for mode in ("append", "overwrite"):
        with tempfile.TemporaryDirectory() as folder:
            taken = measure(options.binary.resolve(), mode, options.commits, Path(folder))
        print(f"{mode}: {options.commits} commits of {ROWS} rows behind {BEFORE} others")
        for who, seconds in taken.items():
            ms = sorted(1000 * each for each in seconds)
            median, p99 = statistics.median(ms), ms[int(len(ms) * 0.99)]
            met = f"  target {TARGET_MS:g} ms {'met' if median < TARGET_MS else 'MISSED'}"
            print(f"  {who:9} median {median:7.2f} ms  least {ms[0]:7.2f}  99 % {p99:7.2f}"
                  f"{met if who == 'cidlake' else ''}", flush=True)
            results.append({"mode": mode, "who": who, "median_ms": median, "ms": ms})
    if options.json:
        options.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
