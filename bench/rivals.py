"""Times storing one in-memory Arrow table durably: `cidlake` beside pyarrow and five others.

The table is TPC-H `lineitem` with plain text columns. Everybody writes the same rows into an empty
folder on the same two processors, in turn, in a process of its own.

`cidlake` is timed as a whole process, its start, the creation of the lake and the reading of its
source included: once from an uncompressed Arrow IPC file, which is the in-memory table as another
process can have it, once from the generator's Parquet file. Both lie in the page cache, and both
must give the same CID.

A rival's process loads the Arrow table into its memory, opens an empty catalog where there is one
and stores a thousand rows elsewhere to start its threads; none of that is timed. Timed is the call
that stores the table, then an fsync of every file and folder that it made, so that all are equally
durable. Traced system calls say who does so unasked: cidlake syncs its packs, its log and their
folders, DuckDB its file and log; DuckLake and PyIceberg sync their catalogs but no Parquet file;
pyarrow, Lance and Delta sync nothing. Whoever takes a codec writes zstd at level 3. Lance stands
twice, with its own encodings and with zstd. DuckDB's file chooses its encodings itself and stands
twice as well: closed by a checkpoint, which may write the table a second time, and as the commit
leaves it, which is durable already. Every store is asked afterwards how many rows it holds.

Times are those of the machine at that moment: only ratios within one run mean anything. The folder
for temporary files ($TMPDIR) must lie on a disk, or an fsync costs nobody anything.
"""

import argparse
import importlib.util
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from edits import plain_text
from lineitem import generate

THREADS = 2
THREAD_SETTINGS = ("LANCE_CPU_THREADS", "TOKIO_WORKER_THREADS", "RAYON_NUM_THREADS",
                   "PYICEBERG_MAX_WORKERS")
BASELINE = "pyarrow"


def pyarrow_file(folder):
    file = folder / "t.parquet"

    def store(table):
        pq.write_table(table, file, compression="zstd", compression_level=3)

    return store, lambda: pq.read_metadata(file).num_rows


def lance_dataset(folder, column_settings=None):
    import lance

    def store(table):
        fields = [field.with_metadata(column_settings) for field in table.schema]
        lance.write_dataset(table.cast(pa.schema(fields)), folder / "t.lance")

    return store, lambda: lance.dataset(folder / "t.lance").count_rows()


def lance_zstd(folder):
    return lance_dataset(folder, {"lance-encoding:compression": "zstd",
                                  "lance-encoding:compression-level": "3"})


def delta_table(folder):
    from deltalake import DeltaTable, WriterProperties, write_deltalake

    def store(table):
        properties = WriterProperties(compression="ZSTD", compression_level=3)
        write_deltalake(folder / "t", table, writer_properties=properties)

    return store, lambda: DeltaTable(folder / "t").to_pyarrow_dataset().count_rows()


def ducklake_extension():
    import duckdb
    import duckdb_extension_ducklake

    file = (Path(duckdb_extension_ducklake.__file__).parent / "extensions"
            / f"v{duckdb.__version__}" / "ducklake.duckdb_extension")
    if not file.is_file():
        sys.exit(f"duckdb {duckdb.__version__} and its ducklake extension differ in version: "
                 f"there is no {file}")
    return file


def duckdb_table(con, name, checkpoint):
    def store(table):
        con.register("source", table)
        con.execute(f"CREATE TABLE {name} AS SELECT * FROM source")
        if checkpoint:
            con.execute("CHECKPOINT")

    return store, lambda: con.execute(f"SELECT count(*) FROM {name}").fetchone()[0]


def duckdb_file(folder, checkpoint=True):
    import duckdb

    con = duckdb.connect(str(folder / "t.duckdb"), config={"threads": THREADS})
    return duckdb_table(con, "t", checkpoint)


def duckdb_commit(folder):
    return duckdb_file(folder, checkpoint=False)


def ducklake(folder):
    import duckdb

    con = duckdb.connect(config={"threads": THREADS})
    con.execute(f"LOAD '{ducklake_extension()}'")
    con.execute(f"ATTACH 'ducklake:{folder}/catalog.ducklake' AS lake (DATA_PATH '{folder}/data/')")
    con.execute("CALL lake.set_option('parquet_compression', 'zstd')")
    con.execute("CALL lake.set_option('parquet_compression_level', '3')")
    return duckdb_table(con, "lake.t", checkpoint=False)


def iceberg_table(folder):
    from pyiceberg.catalog.sql import SqlCatalog

    catalog = SqlCatalog("bench", uri=f"sqlite:///{folder}/catalog.db",
                         warehouse=f"file://{folder}/warehouse")
    catalog.create_namespace("main")
    properties = {"write.parquet.compression-codec": "zstd",
                  "write.parquet.compression-level": "3"}

    def store(table):
        catalog.create_table("main.t", table.schema, properties=properties).append(table)

    return store, lambda: catalog.load_table("main.t").scan().count()


# Name: (function of an empty folder that gives store and count, modules needed, packages to get).
RIVALS = {
    "pyarrow": (pyarrow_file, ["pyarrow"], "pyarrow"),
    "lance": (lance_dataset, ["lance"], "pylance"),
    "lance-zstd": (lance_zstd, ["lance"], "pylance"),
    "delta": (delta_table, ["deltalake"], "deltalake"),
    "ducklake": (ducklake, ["duckdb", "duckdb_extension_ducklake"],
                 "duckdb==1.5.5 duckdb-extension-ducklake==1.5.5"),
    "iceberg": (iceberg_table, ["pyiceberg", "sqlalchemy"], "'pyiceberg[sql-sqlite,pyarrow]'"),
    "duckdb": (duckdb_file, ["duckdb"], "duckdb==1.5.5"),
    "duckdb-commit": (duckdb_commit, ["duckdb"], "duckdb==1.5.5"),
}


def require(names):
    """Ends the program where a rival cannot run: a table that lacks one proves too little."""
    missing = [f"{name}: pip install {packages}" for name in names
               for _, modules, packages in [RIVALS[name]]
               if any(importlib.util.find_spec(module) is None for module in modules)]
    if missing:
        sys.exit("these rivals are not installed (or leave them out with --only):\n  "
                 + "\n  ".join(missing))
    if "ducklake" in names:
        ducklake_extension()


def two_processors():
    """Holds this process and all that it starts to two processors; pools ask how many there are."""
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) < THREADS:
        sys.exit(f"two processors are needed, there is {len(processors)}")
    os.sched_setaffinity(0, processors[:THREADS])


def sync(folder):
    """Makes every file and folder at and below `folder` durable."""
    for path in [folder, *folder.rglob("*")]:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def bytes_below(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def empty(folder):
    """Leaves an empty folder and nothing for the disk to do, which a timed fsync would wait for."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.sync()


def work_as(rival, source, folder):
    """The process of a rival: prints what one store took."""
    pa.set_cpu_count(THREADS)
    # Read, not mapped: mapped pages would be faulted in while the clock runs.
    with pa.OSFile(str(source)) as file:
        # Some rivals take no buffer that lies between the boundaries of its type.
        aligned = pa.ipc.IpcReadOptions(ensure_alignment=pa.ipc.Alignment.At64Byte)
        table = pa.ipc.open_file(file, options=aligned).read_all()
    open_folder = RIVALS[rival][0]
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        start_threads, _ = open_folder(Path(scratch))
        start_threads(table.slice(0, 1000))
        store, count = open_folder(folder)
        os.sync()
        started = time.perf_counter()
        store(table)
        sync(folder)
        seconds = time.perf_counter() - started
        written = bytes_below(folder)
        print(json.dumps({"seconds": seconds, "bytes": written, "rows": count()}))


def run_rival(rival, source, folder, env):
    empty(folder)
    done = subprocess.run([sys.executable, __file__, "--work-as", rival, str(source), str(folder)],
                          env=env, stdout=subprocess.PIPE)
    if done.returncode != 0:
        sys.exit(f"{rival} failed")
    # The last line is ours; a library may have said something before.
    return json.loads(done.stdout.splitlines()[-1])


def run_cidlake(binary, source, folder, env):
    empty(folder)
    read_into_page_cache(source)
    command = [str(binary), "--lake", str(folder / "lake"), "--quiet", "--format", "json",
               "store", str(source), "--name", "lineitem"]
    started = time.perf_counter()
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE)
    answer = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit("cidlake failed")
    stored = json.loads(answer)
    return {"seconds": seconds, "bytes": bytes_below(folder), "rows": stored["rows"],
            "cid": stored["cid"], "peak_mib": usage.ru_maxrss / 1024}


def read_into_page_cache(file):
    with open(file, "rb", buffering=0) as opened:
        buffer = bytearray(1 << 22)
        while opened.readinto(buffer):
            pass


def write_arrow(parquet, target):
    """Writes the generator's rows as an Arrow IPC file without compression; returns the count."""
    table = plain_text(pq.read_table(parquet)).combine_chunks()
    with pa.OSFile(str(target), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=1 << 17)
    return len(table)


def measure(binary, names, scale, rounds):
    """Returns {who: [run, …]}; who comes first moves on by one in every round."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        env = {**os.environ, "CIDLAKE_KEY_FILE": str(work / "key")}
        rival_env = {**os.environ, **dict.fromkeys(THREAD_SETTINGS, str(THREADS))}
        parquet, arrow, target = generate(work, scale), work / "lineitem.arrow", work / "target"
        # In a process of its own: the kernel counts the peak of the process that starts another
        # into the other's, so this one has to stay smaller than `cidlake`.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            rows = pool.apply(write_arrow, (parquet, arrow))
        print(f"lineitem, scale {scale}: {rows:,} rows, {arrow.stat().st_size:,} bytes of Arrow, "
              f"{parquet.stat().st_size:,} in the generator's Parquet file", flush=True)
        contenders = {
            "cidlake": lambda: run_cidlake(binary, arrow, target, env),
            "cidlake (Parquet)": lambda: run_cidlake(binary, parquet, target, env),
            **{name: lambda name=name: run_rival(name, arrow, target, rival_env)
               for name in names},
        }
        runs, order = {who: [] for who in contenders}, list(contenders)
        for number in range(rounds):
            first = number % len(order)
            for who in order[first:] + order[:first]:
                runs[who].append(contenders[who]())
    check(runs, rows)
    return runs


def check(runs, rows):
    for who, measured in runs.items():
        wrong = [run["rows"] for run in measured if run["rows"] != rows]
        if wrong:
            sys.exit(f"{who} stored {wrong[0]:,} of {rows:,} rows")
    cids = {run["cid"] for measured in runs.values() for run in measured if "cid" in run}
    if len(cids) != 1:
        sys.exit(f"the same table has {len(cids)} CIDs: {', '.join(sorted(cids))}")


def report(runs):
    """Prints the table; returns its lines as values."""
    def summary(who):
        seconds = [run["seconds"] for run in runs[who]]
        return min(seconds), statistics.median(seconds), runs[who][-1]["bytes"]

    best_base, median_base, bytes_base = summary(BASELINE)
    print(f"{'':18} {'best ms':>9} {'median ms':>9} {'bytes written':>14} "
          f"{'best':>6} {'median':>6} {'size':>6}  of {BASELINE}'s; peak MiB")
    lines = []
    for who, measured in runs.items():
        best, median, written = summary(who)
        line = {"who": who, "seconds": [run["seconds"] for run in measured], "best": best,
                "median": median, "bytes": written, "best_ratio": best / best_base,
                "median_ratio": median / median_base, "bytes_ratio": written / bytes_base}
        peak = ""
        if "peak_mib" in measured[0]:
            line["peak_mib"] = max(run["peak_mib"] for run in measured)
            peak = f"{line['peak_mib']:.0f}"
        print(f"{who:18} {1000 * best:9.0f} {1000 * median:9.0f} {written:14,} "
              f"{line['best_ratio']:6.2f} {line['median_ratio']:6.2f} {line['bytes_ratio']:6.3f}"
              f"  {peak:>6}".rstrip(), flush=True)
        lines.append(line)
    return lines


def rival_names(text):
    names = [name for name in text.split(",") if name]
    unknown = sorted(set(names) - set(RIVALS))
    if unknown:
        raise argparse.ArgumentTypeError(f"no rival {', '.join(unknown)}; {', '.join(RIVALS)}")
    return [BASELINE, *(name for name in RIVALS if name in names and name != BASELINE)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=Path, default=Path("target/release/cidlake"))
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", type=rival_names, default=list(RIVALS),
                        help="rivals to run beside pyarrow, as a,b")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--work-as", nargs=3, metavar=("RIVAL", "SOURCE", "FOLDER"),
                        help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work_as:
        rival, source, folder = options.work_as
        return work_as(rival, Path(source), Path(folder))
    require(options.only)
    two_processors()
    scale = int(options.scale) if options.scale == int(options.scale) else options.scale
    lines = report(measure(options.binary.resolve(), options.only, scale, options.rounds))
    if options.json:
        options.json.write_text(json.dumps({"scale": scale, "lines": lines}, indent=2))


if __name__ == "__main__":
    main()
