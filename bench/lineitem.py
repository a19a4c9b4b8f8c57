"""Times `cidlake` and its rivals on TPC-H `lineitem`, one process a measurement.

Every run is a fresh process: start-up is part of what a user waits for. Rivals run in turn with
ours. The data lies in the page cache for all of them; writers end with an fsync of what they wrote.
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

Q1 = """SELECT l_returnflag, l_linestatus, sum(l_quantity) AS sum_qty,
 sum(l_extendedprice) AS sum_base_price,
 sum(l_extendedprice * (1 - l_discount)) AS sum_disc_price,
 sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)) AS sum_charge,
 avg(l_quantity) AS avg_qty, avg(l_extendedprice) AS avg_price, avg(l_discount) AS avg_disc,
 count(*) AS count_order
FROM lineitem WHERE l_shipdate <= DATE '1998-09-02'
GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus"""
Q6 = """SELECT sum(l_extendedprice * l_discount) AS revenue FROM lineitem
WHERE l_shipdate >= DATE '1994-01-01' AND l_shipdate < DATE '1995-01-01'
 AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24"""

PYARROW_STORE = """
import os, sys, pyarrow.parquet as pq
source, target = sys.argv[1:]
reader = pq.ParquetFile(source)
with pq.ParquetWriter(target, reader.schema_arrow, compression="zstd") as writer:
    for batch in reader.iter_batches(1 << 17):
        writer.write_batch(batch)
fd = os.open(target, os.O_RDONLY); os.fsync(fd)
"""
PYARROW_GET = """
import sys, pyarrow.parquet as pq
source, target, columns = sys.argv[1:]
names = columns.split(",") if columns else None
pq.write_table(pq.read_table(source, columns=names), target, compression="zstd")
"""
DUCKDB_SQL = """
import sys, duckdb
source, query = sys.argv[1:]
con = duckdb.connect(config={"threads": 2})
con.execute(f"CREATE VIEW lineitem AS SELECT * FROM read_parquet('{source}')")
print(con.execute(query).fetchall())
"""
DATAFUSION_SQL = """
import sys, datafusion
source, query = sys.argv[1:]
ctx = datafusion.SessionContext(datafusion.SessionConfig().with_target_partitions(2))
ctx.register_parquet("lineitem", source)
print(ctx.sql(query).collect())
"""


def measure(command, env):
    """Runs one process; returns seconds, peak resident MiB."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{command[:4]} failed: {errors.decode(errors='replace')}")
    return seconds, usage.ru_maxrss / 1024


def generate(folder, scale):
    subprocess.run(
        [Path(sys.executable).parent / "tpchgen-cli", "parquet", "-s", str(scale),
         "--tables", "lineitem", "--output-dir", folder],
        check=True,
    )
    return next(Path(folder).rglob("lineitem*.parquet"))


def cases(binary, source, work):
    """Yields (name, our command, prepare, {rival: command})."""
    lake, python = work / "lake", sys.executable
    ours = [str(binary), "--lake", str(lake)]
    out, theirs = str(work / "out.parquet"), str(work / "theirs.parquet")

    def fresh():
        shutil.rmtree(lake, ignore_errors=True)

    store = [*ours, "store", str(source), "--name", "lineitem"]
    yield "store", store, fresh, {"pyarrow": [python, "-c", PYARROW_STORE, str(source), theirs]}
    yield "store again", store, None, {}
    two = "l_orderkey,l_extendedprice"
    yield "get all", [*ours, "get", "lineitem", "-o", out], None, {
        "pyarrow": [python, "-c", PYARROW_GET, str(source), theirs, ""]}
    yield "get two columns", [*ours, "get", "lineitem", "-o", out, "--columns", two], None, {
        "pyarrow": [python, "-c", PYARROW_GET, str(source), theirs, two]}
    for name, query in (("Q1", Q1), ("Q6", Q6)):
        yield name, [*ours, "sql", query], None, {
            "duckdb": [python, "-c", DUCKDB_SQL, str(source), query],
            "datafusion": [python, "-c", DATAFUSION_SQL, str(source), query]}
    yield "fsck", [*ours, "fsck"], None, {}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=Path, default=Path("target/release/cidlake"))
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    scale = int(options.scale) if options.scale == int(options.scale) else options.scale
    results = []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        env = {**os.environ, "CIDLAKE_KEY_FILE": str(work / "key")}
        source = generate(work, scale)
        for name, command, prepare, rivals in cases(options.binary.resolve(), source, work):
            runs = {who: [] for who in ("cidlake", *rivals)}
            for _ in range(options.runs):
                if prepare:
                    prepare()
                runs["cidlake"].append(measure(command, env))
                for rival, rival_command in rivals.items():
                    runs[rival].append(measure(rival_command, env))
            results.extend(report(name, runs))
        size = sum(path.stat().st_size for path in (work / "lake").rglob("*") if path.is_file())
        print(f"the generator's file {source.stat().st_size:,} bytes; the lake {size:,} bytes")
    if options.json:
        options.json.write_text(json.dumps(results, indent=2))


def report(name, runs):
    ours = statistics.median(seconds for seconds, _ in runs["cidlake"])
    for who, measured in runs.items():
        seconds = [run[0] for run in measured]
        median, peak = statistics.median(seconds), max(run[1] for run in measured)
        print(f"{name:16} {who:10} {median:8.3f} s ({min(seconds):.3f} to {max(seconds):.3f}) "
              f"peak {peak:7.0f} MiB  cidlake/{who} {ours / median:.2f}", flush=True)
        yield {"case": name, "who": who, "seconds": seconds, "median": median, "peak_mib": peak}


if __name__ == "__main__":
    main()
