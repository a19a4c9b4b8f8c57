"""The Python package: DataFrames of pandas in and out, beside pandas with pyarrow and fsync.

Cases, all in one run on a million rows of seven columns:
    store     a DataFrame, durably; ours into an empty lake each time, rivals into a new file
    read      all rows, two columns, and two filters, as DataFrames
    select 1  what the package adds to a statement that asks nothing
    import    a process that imports the package, less one that does not

Run it with a Python that has the package, pandas and pyarrow: see `README.md`. It is no test.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

import cidlake

ROWS = 1_000_000
# Milliseconds that the predecessor took, on a machine of its own.
PREDECESSOR = {"store": 398, "all": 262, "two columns": 51, "category = 'A'": 212}


def frame(rows):
    """The table that the predecessor was measured with."""
    rng = np.random.default_rng(0)
    pick = lambda values: np.array(values)[rng.integers(0, len(values), rows)]
    return pd.DataFrame({
        "id": np.arange(rows),
        "ts": np.datetime64("2024-01-01", "us") + np.arange(rows).astype("timedelta64[s]"),
        "category": pick(["A", "B", "C", "D"]),
        "region": pick(["north", "south", "east", "west"]),
        "value": rng.normal(size=rows),
        "qty": rng.integers(0, 1000, rows),
        "name": pick([f"name_{number}" for number in range(5000)]),
    })


def took(work, *arguments):
    started = time.perf_counter()
    answer = work(*arguments)
    return time.perf_counter() - started, answer


def write_durably(df, path, compression):
    df.to_parquet(path, compression=compression)
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def store(df, work, lines):
    """One round; returns a lake and a file with the rows."""
    shutil.rmtree(work / "lake", ignore_errors=True)
    for path in work.glob("*.parquet"):
        path.unlink()
    lake = cidlake.Lake(work / "lake", key_file=work / "key", progress=False)
    lake.store(pd.DataFrame({"n": [1]}), "key_is_made")
    seconds, _ = took(lake.store, df, "t")
    lines["store"]["cidlake"].append(seconds)
    for compression in ("snappy", "zstd"):
        seconds, _ = took(write_durably, df, work / f"{compression}.parquet", compression)
        lines["store"].setdefault(f"pandas, {compression}", []).append(seconds)
    return lake, work / "zstd.parquet"


def reads(lake, file):
    """{line: (ours, theirs)}: functions that return DataFrames."""
    def ours(**how):
        return lambda: lake.get("t", **how).to_pandas()

    def theirs(**how):
        return lambda: pd.read_parquet(file, **how)

    return {
        "all": (ours(), theirs()),
        "two columns": (ours(columns=["id", "value"]), theirs(columns=["id", "value"])),
        "category = 'A'": (ours(filter="category = 'A'"), theirs(filters=[("category", "==", "A")])),
        "id < 1000": (ours(filter="id < 1000"), theirs(filters=[("id", "<", 1000)])),
    }


def read(lake, file, lines, check):
    for name, (ours, theirs) in reads(lake, file).items():
        seconds, mine = took(ours)
        lines[name]["cidlake"].append(seconds)
        seconds, other = took(theirs)
        lines[name].setdefault("pandas, zstd", []).append(seconds)
        if check:
            pd.testing.assert_frame_equal(mine, other.reset_index(drop=True))


def select_1(lake, times):
    """Seconds of a call, and of what the lake itself took of it."""
    calls, inside = [], []
    for _ in range(times):
        seconds, result = took(lake.sql, "select 1")
        calls.append(seconds)
        inside.append(result.seconds)
    added = [call - own for call, own in zip(calls, inside)]
    return {"call_us": 1e6 * statistics.median(calls), "inside_us": 1e6 * statistics.median(inside),
            "added_us": 1e6 * statistics.median(added)}


def imports(times):
    """Milliseconds that importing takes: a process with it, less one without."""
    def process(text):
        return statistics.median(
            took(subprocess.run, [sys.executable, "-c", text])[0] for _ in range(times))

    process("import cidlake")
    return 1000 * (process("import cidlake") - process("pass"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="one line of JSON besides")
    options = parser.parse_args()
    df = frame(ROWS)
    lines = {name: {"cidlake": []}
             for name in ("store", "all", "two columns", "category = 'A'", "id < 1000")}
    with tempfile.TemporaryDirectory(prefix="cidlake-frames-") as folder:
        for number in range(options.rounds):
            lake, file = store(df, Path(folder), lines)
            read(lake, file, lines, check=number == 0)
            statement = select_1(lake, 2000) if number == options.rounds - 1 else None
            lake.close()
    importing = imports(15)
    print(f"{ROWS:,} rows x 7 columns; least (median), ms")
    for name, line in lines.items():
        cells = [f"{who} {1000 * min(all_):8.1f} ({1000 * statistics.median(all_):.1f})"
                 for who, all_ in line.items()]
        before = PREDECESSOR.get(name)
        print(f"  {name:16}" + "   ".join(cells) + (f"   predecessor {before}" if before else ""))
    print(f"  select 1: {statement['call_us']:.0f} us a call, {statement['inside_us']:.0f} us of it in the "
          f"lake, {statement['added_us']:.0f} us added")
    print(f"  import: {importing:.0f} ms")
    if options.json:
        print(json.dumps({"lines": lines, "select_1": statement, "import_ms": importing}))


if __name__ == "__main__":
    main()
