"""The rivals of `versions.py`: a table that is created, grown, changed, put together and asked.

Each is a library in a process of its own, which stays for all rounds, as a lake stays open; it has
worked on a small table elsewhere before anything is timed. They commit without making their files
durable where that is their way: Lance and Delta sync nothing, DuckLake and PyIceberg their catalogs
but no Parquet file. So what a call left unsynced is synced behind it, every file and folder that it
made or changed, and both are told: the call alone, and the call with its syncs. Looking for what
changed is not timed. Nothing of `cidlake` is here.
"""

import importlib.util
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from commits import rows_of
from open_lake import forget_peak, peak_mib
from rivals import THREAD_SETTINGS, THREADS, bytes_below, ducklake_extension

KEY = "id"


class Lance:
    modules = ["lance"]
    compaction = "optimize.compact_files"

    def __init__(self, folder):
        self.path = folder / "t.lance"

    def opened(self):
        import lance

        return lance.dataset(self.path)

    def create(self, table):
        import lance

        lance.write_dataset(table, self.path)

    def append(self, table):
        import lance

        lance.write_dataset(table, self.path, mode="append")

    def upsert(self, table):
        merge = self.opened().merge_insert(KEY)
        merge.when_matched_update_all().when_not_matched_insert_all().execute(table)

    def compact(self):
        self.opened().optimize.compact_files()

    def aggregate(self, column):
        sql = f"SELECT count(*) AS n, sum({column}) AS s FROM dataset"
        row = pa.Table.from_batches(self.opened().sql(sql).build().to_batch_records()).to_pylist()
        return row[0]["n"], row[0]["s"]


class Delta:
    modules = ["deltalake"]
    compaction = "optimize.compact"

    def __init__(self, folder):
        from deltalake import WriterProperties

        self.path = folder / "t"
        self.properties = WriterProperties(compression="ZSTD", compression_level=3)
        self.table = None

    def opened(self):
        from deltalake import DeltaTable

        if self.table is None:
            self.table = DeltaTable(self.path)
        self.table.update_incremental()
        return self.table

    def create(self, table):
        from deltalake import write_deltalake

        write_deltalake(self.path, table, writer_properties=self.properties)

    def append(self, table):
        from deltalake import write_deltalake

        write_deltalake(self.opened(), table, mode="append", writer_properties=self.properties)

    def upsert(self, table):
        merge = self.opened().merge(table, f"t.{KEY} = s.{KEY}", source_alias="s",
                                    target_alias="t", writer_properties=self.properties)
        merge.when_matched_update_all().when_not_matched_insert_all().execute()

    def compact(self):
        self.opened().optimize.compact(writer_properties=self.properties)

    def aggregate(self, column):
        from deltalake import QueryBuilder

        query = QueryBuilder().register("t", self.opened())
        found = query.execute(f"SELECT count(*) AS n, sum({column}) AS s FROM t").read_all()
        row = pa.table(found).to_pylist()
        return row[0]["n"], row[0]["s"]


class DuckLake:
    modules = ["duckdb", "duckdb_extension_ducklake"]
    compaction = "ducklake_flush_inlined_data, ducklake_merge_adjacent_files"

    def __init__(self, folder):
        import duckdb

        self.con = duckdb.connect(config={"threads": THREADS})
        self.con.execute(f"LOAD '{ducklake_extension()}'")
        self.con.execute(f"ATTACH 'ducklake:{folder}/catalog.ducklake' AS lake "
                         f"(DATA_PATH '{folder}/data/')")
        self.con.execute("CALL lake.set_option('parquet_compression', 'zstd')")
        self.con.execute("CALL lake.set_option('parquet_compression_level', '3')")

    def run(self, sql, table):
        self.con.register("source", table)
        self.con.execute(sql)
        self.con.unregister("source")

    def create(self, table):
        self.run("CREATE TABLE lake.t AS SELECT * FROM source", table)

    def append(self, table):
        self.run("INSERT INTO lake.t SELECT * FROM source", table)

    def upsert(self, table):
        self.run(f"MERGE INTO lake.t USING source ON t.{KEY} = source.{KEY} "
                 "WHEN MATCHED THEN UPDATE WHEN NOT MATCHED THEN INSERT", table)

    def compact(self):
        self.con.execute("CALL ducklake_flush_inlined_data('lake')")
        self.con.execute("CALL ducklake_merge_adjacent_files('lake')")

    def aggregate(self, column):
        return self.con.execute(f"SELECT count(*), sum({column}) FROM lake.t").fetchone()


class Iceberg:
    modules = ["pyiceberg", "sqlalchemy"]
    compaction = "it has none: the whole table read and overwritten"
    properties = {"write.parquet.compression-codec": "zstd",
                  "write.parquet.compression-level": "3"}

    def __init__(self, folder):
        from pyiceberg.catalog.sql import SqlCatalog

        self.catalog = SqlCatalog("bench", uri=f"sqlite:///{folder}/catalog.db",
                                  warehouse=f"file://{folder}/warehouse")
        self.catalog.create_namespace_if_not_exists("main")
        self.table = None

    def opened(self):
        if self.table is None:
            self.table = self.catalog.load_table("main.t")
        return self.table

    def create(self, table):
        self.table = self.catalog.create_table("main.t", table.schema, properties=self.properties)
        self.table.append(table)

    def append(self, table):
        self.opened().append(table)

    def upsert(self, table):
        self.opened().upsert(table, join_cols=[KEY])

    def compact(self):
        self.opened().overwrite(self.opened().scan().to_arrow())

    def aggregate(self, column):
        found = self.opened().scan(selected_fields=(column,)).to_arrow()
        return len(found), pc.sum(found.column(column)).as_py()


RIVALS = {"lance": Lance, "delta": Delta, "ducklake": DuckLake, "iceberg": Iceberg}


def require(names):
    """Ends the program where a rival cannot run: a table that lacks one proves too little."""
    missing = [name for name in names
               if any(importlib.util.find_spec(module) is None for module in RIVALS[name].modules)]
    if missing:
        sys.exit(f"not installed: {', '.join(missing)}; pip install -r bench/requirements.txt, "
                 "or name others with --only")
    if "ducklake" in names:
        ducklake_extension()


class Unsynced:
    """What lies below a folder, and what of it changed since it was last looked at."""

    def __init__(self, folder):
        self.folder = folder
        self.known = self.look()

    def look(self):
        stats = ((path, path.stat()) for path in [self.folder, *self.folder.rglob("*")])
        return {path: (stat.st_mtime_ns, stat.st_size) for path, stat in stats}

    def sync(self):
        """Makes what changed durable; returns the seconds of that alone."""
        now = self.look()
        changed = [path for path, stat in now.items() if self.known.get(path) != stat]
        self.known = now
        started = time.perf_counter()
        for path in changed:
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
        return time.perf_counter() - started


def read_arrow(path):
    """Reads an Arrow file into memory; mapped pages would be faulted in while the clock runs."""
    with pa.OSFile(str(path)) as file:
        aligned = pa.ipc.IpcReadOptions(ensure_alignment=pa.ipc.Alignment.At64Byte)
        return pa.ipc.open_file(file, options=aligned).read_all()


def warm_up(name, beside):
    """Loads the rival's modules and starts its threads on a table elsewhere."""
    table = pa.table({KEY: pa.array(range(1000), pa.int64()), "value": [1.0] * 1000})
    with tempfile.TemporaryDirectory(dir=beside) as scratch:
        rival = RIVALS[name](Path(scratch))
        rival.create(table)
        rival.append(table.set_column(0, KEY, pa.array(range(1000, 2000), pa.int64())))
        rival.upsert(table.slice(0, 10))
        rival.aggregate("value")


def work(pipe, name, folder):
    """The process of a rival: answers calls until there are no more."""
    pa.set_cpu_count(THREADS)
    warm_up(name, folder.parent)
    rival = RIVALS[name](folder)
    unsynced = Unsynced(folder)
    while (call := pipe.recv()) is not None:
        method, argument = call
        if method == "commits":
            pipe.send([one(rival, unsynced, "append" if number else "create",
                           [pa.Table.from_pylist(rows_of(number))]) for number in argument])
            continue
        table = isinstance(argument, Path)
        arguments = [] if argument is None else [read_arrow(argument) if table else argument]
        os.sync()
        pipe.send(one(rival, unsynced, method, arguments))


def one(rival, unsynced, method, arguments):
    forget_peak(os.getpid())
    started = time.perf_counter()
    answer = getattr(rival, method)(*arguments)
    seconds = time.perf_counter() - started
    peak = peak_mib(os.getpid())
    synced = unsynced.sync() if method != "aggregate" else 0.0
    return {"seconds": seconds, "durable": seconds + synced, "peak_mib": peak,
            "answer": answer if method == "aggregate" else None}


class Rival:
    """A rival in its process. Calls take the path of an Arrow file where they take rows."""

    def __init__(self, name, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self.name, self.folder = name, folder
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        os.environ.update(dict.fromkeys(THREAD_SETTINGS, str(THREADS)))
        self.process = context.Process(target=work, args=(theirs, name, folder), daemon=True)
        self.process.start()
        theirs.close()

    def call(self, method, argument=None):
        try:
            self.pipe.send((method, argument))
            return self.pipe.recv()
        except (EOFError, BrokenPipeError):
            sys.exit(f"{self.name} failed")

    def bytes(self):
        return bytes_below(self.folder)

    def close(self):
        self.pipe.send(None)
        self.process.join()


def created(name, folder, arrow):
    """Stores a table in a process that ends, so that no later peak is that of the whole table."""
    first = Rival(name, folder)
    first.call("create", arrow)
    first.close()
    return Rival(name, folder)
