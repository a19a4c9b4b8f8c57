"""The cases of `sql.py`. Each gets the options and an empty folder, and returns what it measured.

`warm` is a process that stays: `cidlake` in its server, asked over its standard input and output and
answering in JSON, so that its time includes that way and the writing and reading of JSON; DataFusion,
DuckDB and Lance as libraries in this process, which answer with Arrow tables. `fresh` is a process for
each query. Who begins moves on by one in every round.
"""

import os
import random
import statistics
import subprocess
import sys
import time

import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

import sql_data
from layout_queries import TABLES, in_datafusion, in_duckdb, queries
from lineitem import Q6
from open_lake import OpenLake, environment, start
from rivals import THREADS
from sql_answers import difference
from sql_report import OURS, SELECT_1, Result

# The most rows that the server returns in one answer.
ROWS_MOST = 10_000
SELECTED_1 = "SELECT 1 AS one"
UNREAD = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
WITH_IMPORT = "with import"
IMPORT = "import datafusion"
DATAFUSION = """
import sys, datafusion
query, threads, *tables = sys.argv[1:]
config = datafusion.SessionConfig().with_target_partitions(int(threads))
context = datafusion.SessionContext(config)
for table in tables:
    context.register_parquet(table.rpartition("/")[2].removesuffix(".parquet"), table)
context.sql(query).collect()
"""
PYARROW_IMPORT = "import pyarrow.parquet"
PYARROW = """
import sys, pyarrow.compute as pc, pyarrow.parquet as pq
source, columns, where = sys.argv[1:]
pq.read_table(source, columns=columns.split(",") if columns else None,
              filters=eval(where) if where else None)
"""
# What the predecessor took for the same on its own machine, in ms.
PREDECESSOR = {"all": 262, "two columns": 51, "category = 'A'": 212, "id < 1000": 109}


class Open:
    """Ours, warm: a lake that a server keeps open."""

    def __init__(self, options, work):
        self.server = OpenLake(options.binary, work / "lake", environment(work))
        self.peak_mib = 0.0

    def __call__(self, query):
        """Asks, and returns how long the answer took."""
        run = self.server.call("parquet_query_datasets", sql=query, limit=ROWS_MOST)
        self.peak_mib = max(self.peak_mib, run.peak_mib)
        return run.seconds

    def rows(self, query):
        found = self.server.call("parquet_query_datasets", sql=query, limit=ROWS_MOST).answer
        return found["num_rows"]

    def close(self):
        self.server.close()


def timed(run):
    """Makes of what answers something that says how long it took."""
    def ask(query):
        started = time.perf_counter()
        run(query)
        return time.perf_counter() - started

    return ask


def in_turn(result, line, contenders, questions):
    """Asks everybody each question; who begins moves on by one. A question may be one for each."""
    order = list(contenders)
    for number, question in enumerate(questions):
        first = number % len(order)
        for who in order[first:] + order[:first]:
            result.add(line, who, contenders[who](question))


def warm(result, line, contenders, question, rounds):
    for ask in contenders.values():
        ask(question)
    in_turn(result, line, contenders, [question] * rounds)


# --- TPC-H


def our_answer(options, work, query):
    """The whole answer with its types, which the server's JSON does not have."""
    out = work / "answer.arrow"
    subprocess.run([options.binary, "--lake", work / "lake", "--quiet", "sql", query, "-o", out],
                   env=environment(work), stdout=subprocess.DEVNULL, check=True)
    with pa.OSFile(str(out)) as file:
        return ipc.open_file(file).read_all()


def tpch(options, work):
    files = sql_data.tpch(options, work)
    lake = Open(options, work)
    by_duckdb = in_duckdb(files, options.memory)
    contenders = {OURS: lake, "DataFusion": timed(in_datafusion(files, options.memory)),
                  "DuckDB": timed(by_duckdb)}
    result = Result(f"scale {options.scale}, 22 queries, warm, {THREADS} threads, "
                    f"{options.rounds} rounds", total=True)
    for number, query in queries():
        theirs = by_duckdb(query)
        differs = difference(query, our_answer(options, work, query), theirs)
        if differs:
            result.failures.append(f"Q{number}: {differs}")
        if len(theirs) > ROWS_MOST:
            result.notes.append(f"Q{number} has {len(theirs):,} rows; the server answers with the "
                                f"first {ROWS_MOST:,}")
        warm(result, f"Q{number}", contenders, query, options.rounds)
        print(f"  Q{number}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    warm(result, SELECT_1, contenders, SELECTED_1, 5 * options.rounds)
    lake.close()
    result.more["peak_mib"] = lake.peak_mib
    result.notes.append(f"peak memory of the server: {lake.peak_mib:,.0f} MiB")
    if options.memory and lake.peak_mib * (1 << 20) >= options.memory:
        result.failures.append(f"it took more than {options.memory >> 20:,} MiB of memory")
    if not any(failure.startswith("Q") for failure in result.failures):
        result.notes.append("all 22 answers are DuckDB's")
    return result


# --- processes


def process(command, env):
    """Runs a process whose output nobody reads; returns its seconds."""
    started = time.perf_counter()
    done = subprocess.run(list(map(str, command)), env=env, **UNREAD)
    seconds = time.perf_counter() - started
    if done.returncode != 0:
        sys.exit(f"{command[:2]} failed: {done.stderr.decode(errors='replace')}")
    return seconds


def python(text, *arguments):
    return process([sys.executable, "-c", text, *arguments], os.environ)


def less(result, who, raw, imported):
    """Adds lines of who: the raw ones less what a process takes that only imports, by the median."""
    base = statistics.median(seconds for line in result.lines.values()
                             for seconds in line.pop(imported, []))
    for line in result.lines.values():
        if raw in line:
            line[who] = [seconds - base for seconds in line[raw]]
    result.notes.append(f"{who} is less {imported} in a process, {1000 * base:.1f} ms")
    result.more["import_ms"] = 1000 * base


def our_process(options, work, *arguments):
    command = [options.binary, "--lake", work / "lake", "--quiet", "--format", "arrow", *arguments]
    return process(command, environment(work))


def our_start(options, work, result):
    taken = [start(options.binary, environment(work)) for _ in range(5 * options.rounds)]
    least, median = 1000 * min(taken), 1000 * statistics.median(taken)
    result.notes.append(f"our own start, which is in ours: {least:.1f} ms ({median:.1f})")
    result.more["our_start_ms"] = {"least": least, "median": median}


def cold(options, work):
    files = sql_data.tpch(options, work)
    paths = [files[table] for table in TABLES]
    contenders = {OURS: lambda query: our_process(options, work, "sql", query),
                  WITH_IMPORT: lambda query: python(DATAFUSION, query, THREADS, *paths),
                  IMPORT: lambda _: python(IMPORT)}
    result = Result(f"scale {options.scale}, 22 queries, a fresh process for each, files in the page "
                    f"cache, {options.rounds} rounds", total=True)
    for number, query in queries():
        warm(result, f"Q{number}", contenders, query, options.rounds)
    less(result, "DataFusion", WITH_IMPORT, IMPORT)
    our_start(options, work, result)
    return result


# --- one row, one query, many datasets


def in_lance(folder, file, column, name):
    """Stores a file in Lance with a B-tree on a column; returns what filters by it."""
    import lance

    path = folder / f"{name}.lance"
    with pq.ParquetFile(file) as source:
        lance.write_dataset(source.iter_batches(), path, schema=source.schema_arrow)
    lance.dataset(path).create_scalar_index(column, "BTREE")
    dataset = lance.dataset(path)
    return lambda where: dataset.to_table(filter=where)


def point(options, work):
    lineitem = sql_data.lineitem(options, work)
    keyed, keys = sql_data.keyed(options, work, lineitem)
    orders = pq.read_table(lineitem, columns=["l_orderkey"])["l_orderkey"]
    files, rng = {"lineitem": lineitem, "keyed": keyed}, random.Random(0)
    lake, by_duckdb = Open(options, work), in_duckdb(files)
    result = Result(f"one key in {len(orders):,} rows, warm, {options.lookups} keys")
    for table, column, values in (("lineitem", "l_orderkey", orders), ("keyed", "key", keys)):
        wheres = [f"{column} = {values[rng.randrange(len(values))].as_py()!r}"
                  for _ in range(options.lookups)]
        whole = f"SELECT * FROM {table} WHERE "
        lance = in_lance(work, files[table], column, table)
        check_rows(lake, by_duckdb, lance, whole, wheres[0])
        contenders = {
            OURS: lambda where: lake(whole + where),
            "DataFusion": with_where(in_datafusion(files), whole),
            "DuckDB": with_where(by_duckdb, whole),
            "Lance, B-tree": timed(lance),
        }
        for ask in contenders.values():
            ask(wheres[0])
        in_turn(result, f"{table}.{column}", contenders, wheres)
    warm(result, SELECT_1, {OURS: lake, "DuckDB": timed(by_duckdb)}, SELECTED_1, options.lookups)
    lake.close()
    return result


def with_where(run, whole):
    return timed(lambda where: run(whole + where))


def check_rows(lake, by_duckdb, lance, whole, where):
    found = {OURS: lake.rows(whole + where), "DuckDB": len(by_duckdb(whole + where)),
             "Lance": len(lance(where))}
    if len(set(found.values())) != 1 or not found[OURS]:
        sys.exit(f"{where}: rows found: {found}")


def q6(options, work):
    file = sql_data.lineitem(options, work)
    lake, by_duckdb = Open(options, work), in_duckdb({"lineitem": file})
    contenders = {OURS: lake, "DuckDB": timed(by_duckdb)}
    result = Result(f"scale {options.scale}, Q6, warm, {options.rounds * 5} rounds", total=True)
    differs = difference(Q6, our_answer(options, work, Q6), by_duckdb(Q6))
    result.failures += [f"Q6: {differs}"] if differs else []
    warm(result, "Q6", contenders, Q6, options.rounds * 5)
    warm(result, SELECT_1, contenders, SELECTED_1, options.rounds * 5)
    lake.close()
    return result


def many(options, work):
    began = time.perf_counter()
    sql_data.many(options, work)
    made = time.perf_counter() - began
    result = Result(f"{options.datasets:,} datasets of one row, the first query of a fresh process; "
                    f"made in {made:.0f} s")
    middle = f"SELECT count(*) FROM d_{options.datasets // 2:05}"
    for _ in range(5 * options.rounds):
        result.add("count(*) of one", OURS, our_process(options, work, "sql", middle))
        result.add("no table", OURS, our_process(options, work, "sql", SELECTED_1))
        result.add("only its start", OURS, start(options.binary, environment(work)))
    return result


# --- the predecessor's table


def table(options, work):
    """The warm server returns no million rows: there, all rows are read and added up."""
    file = sql_data.predecessors_table(options, work)
    result = Result(f"{sql_data.TABLE_ROWS:,} rows x 7 columns; the predecessor's times are of another "
                    "machine")
    sums = {"all": "SELECT sum(id), max(date_part('second', ts)), count(DISTINCT category), "
                   "count(DISTINCT region), sum(value), sum(qty), max(length(name)) FROM t",
            "two columns": "SELECT sum(id), sum(value) FROM t",
            "category = 'A'": "SELECT count(*), sum(id), sum(value), sum(qty), max(length(name)) "
                              "FROM t WHERE category = 'A'",
            "id < 1000": "SELECT * FROM t WHERE id < 1000"}
    lake, by_duckdb = Open(options, work), timed(in_duckdb({"t": file}))
    for name, query in sums.items():
        warm(result, f"warm, {name}", {OURS: lake, "DuckDB": by_duckdb}, query, options.rounds)
    warm(result, SELECT_1, {OURS: lake, "DuckDB": by_duckdb}, SELECTED_1, options.rounds)
    lake.close()
    gets = {"all": ((), ("", "")),
            "two columns": (("--columns", "id,value"), ("id,value", "")),
            "category = 'A'": (("--where", "category = 'A'"), ("", "pc.field('category') == 'A'")),
            "id < 1000": (("--where", "id < 1000"), ("", "pc.field('id') < 1000"))}
    for name, (ours, theirs) in gets.items():
        contenders = {
            OURS: lambda _, more=ours: our_process(options, work, "get", "t", *more),
            WITH_IMPORT: lambda _, more=theirs: python(PYARROW, file, *more),
            PYARROW_IMPORT: lambda _: python(PYARROW_IMPORT)}
        warm(result, f"fresh, {name}", contenders, None, options.rounds)
    less(result, "pyarrow", WITH_IMPORT, PYARROW_IMPORT)
    our_start(options, work, result)
    for name, took in PREDECESSOR.items():
        result.add(f"warm, {name}", "predecessor", took / 1000)
        result.add(f"fresh, {name}", "predecessor", took / 1000)
    return result
