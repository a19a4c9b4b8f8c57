"""Runs the 22 TPC-H queries by plain DataFusion and plain DuckDB over two layouts of one data set.

One layout is the generator's Parquet files as they come; the other is the parts of `cidlake`: every
table is stored, and the bytes of each part are put into a folder as a Parquet file. Neither engine
knows of `cidlake`, so what differs is the layout alone: row groups, pages, encodings, codec, files.

Both layouts and both engines take turns, with two threads in one process on two processors, over
files in the page cache. The first run of a query over a layout warms it and is not counted; its
answer must be equal over both layouts, floating-point numbers to nine digits. Given is the best of
`--rounds` runs; the total is the sum of the bests, the ratio ours against the generator's.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import datafusion
import duckdb
import duckdb_extension_tpch
import pyarrow as pa
import pyarrow.parquet as pq

from edits import cidlake
from rivals import THREADS, two_processors

TABLES = ("customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier")
LAYOUTS = ("generator", "parts")


def generate(folder, scale, compression):
    """Makes all eight tables; returns {table: file}."""
    command = [Path(sys.executable).parent / "tpchgen-cli", "parquet", "-s", str(scale),
               "--tables", ",".join(TABLES), "--output-dir", folder]
    subprocess.run(command + (["--compression", compression] if compression else []), check=True)
    return {table: folder / f"{table}.parquet" for table in TABLES}


def export_parts(binary, lake, env, table, file, folder):
    """Stores a table and writes its parts as plain files into `folder`; returns their bytes."""
    stored = cidlake(binary, lake, env, "store", file, "--name", table)
    folder.mkdir(parents=True)
    for ordinal, part in enumerate(cidlake(binary, lake, env, "show", table)["parts"]):
        with open(folder / f"{ordinal:06}.parquet", "wb") as target:
            subprocess.run([str(binary), "--lake", str(lake), "cat", part["cid"]],
                           env=env, stdout=target, check=True)
    files = list(folder.iterdir())
    rows = sum(pq.read_metadata(part).num_rows for part in files)
    expected = pq.read_metadata(file).num_rows
    if not rows == stored["rows"] == expected:
        sys.exit(f"{table}: {expected:,} rows, {stored['rows']:,} stored, {rows:,} in the parts")
    return sum(part.stat().st_size for part in files), len(files)


def queries():
    """The 22 query texts of DuckDB's tpch extension, by number."""
    extension = (Path(duckdb_extension_tpch.__file__).parent / "extensions"
                 / f"v{duckdb.__version__}" / "tpch.duckdb_extension")
    con = duckdb.connect()
    con.execute(f"LOAD '{extension}'")
    return con.execute("SELECT query_nr, query FROM tpch_queries() ORDER BY query_nr").fetchall()


def in_duckdb(sources, memory=None):
    """Returns a function that runs one query by DuckDB over {table: file or folder}."""
    limit = {"memory_limit": f"{memory >> 20}MiB"} if memory else {}
    con = duckdb.connect(config={"threads": THREADS, **limit})
    for table, source in sources.items():
        pattern = source / "*.parquet" if source.is_dir() else source
        con.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{pattern}')")
    return lambda query: con.execute(query).to_arrow_table()


def in_datafusion(sources, memory=None):
    """Returns a function that runs one query by DataFusion over {table: file or folder}."""
    config = datafusion.SessionConfig().with_target_partitions(THREADS)
    runtime = datafusion.RuntimeEnvBuilder().with_disk_manager_os()
    context = datafusion.SessionContext(
        config, runtime.with_fair_spill_pool(memory) if memory else runtime)
    for table, source in sources.items():
        context.register_parquet(table, f"{source}/" if source.is_dir() else str(source))
    return lambda query: context.sql(query).to_arrow_table()


ENGINES = {"datafusion": in_datafusion, "duckdb": in_duckdb}


def rows_of(answer):
    """The rows in an order of their own: what ORDER BY leaves open may differ."""
    def key(row):
        inexact = [value for value in row if isinstance(value, float)]
        return [repr(value) for value in row if not isinstance(value, float)], inexact

    columns = [column.to_pylist() for column in answer.columns]
    return sorted(zip(*columns, strict=True), key=key)


def equal_values(left, right):
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-12)
    return left == right


def equal_answers(left, right):
    if left.num_rows != right.num_rows or left.column_names != right.column_names:
        return False
    return all(equal_values(a, b)
               for rows in zip(rows_of(left), rows_of(right), strict=True)
               for a, b in zip(*rows, strict=True))


def time_query(query, runners, rounds):
    """Returns ({(engine, layout): seconds}, engines whose answers differ, rows of the answer)."""
    answers = {who: run(query) for who, run in runners.items()}
    unequal = [engine for engine in ENGINES
               if not equal_answers(*(answers[engine, layout] for layout in LAYOUTS))]
    best = dict.fromkeys(runners, math.inf)
    for number in range(rounds):
        # Who comes second finds warmer processor caches, so the order turns in every round.
        for who in list(runners)[::-1 if number % 2 else 1]:
            started = time.perf_counter()
            runners[who](query)
            best[who] = min(best[who], time.perf_counter() - started)
    return best, unequal, next(iter(answers.values())).num_rows


def line(name, best):
    cells = []
    for engine in ENGINES:
        generator, parts = (best[engine, layout] for layout in LAYOUTS)
        cells.append(f"{1000 * generator:9.1f} {1000 * parts:9.1f} {parts / generator:6.2f}")
    print(f"{name:>5}  " + "   ".join(cells), flush=True)


def run_all(runners, rounds):
    print(f"{'':5}  " + "   ".join(f"{engine + ', best ms':<26}" for engine in ENGINES))
    print(f"{'':5}  " + "   ".join(f"{LAYOUTS[0]:>9} {LAYOUTS[1]:>9} {'ratio':>6}"
                                   for _ in ENGINES))
    results, total, failed = [], dict.fromkeys(runners, 0.0), []
    for number, query in queries():
        best, unequal, rows = time_query(query, runners, rounds)
        line(f"Q{number}", best)
        failed += [f"Q{number} by {engine}" for engine in unequal]
        for who, seconds in best.items():
            total[who] += seconds
            results.append({"query": number, "engine": who[0], "layout": who[1],
                            "seconds": seconds, "rows": rows})
    line("total", total)
    return results, total, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=Path, default=Path("target/release/cidlake"))
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--compression",
                        help="codec of the generator's files, as ZSTD(3); its default is Snappy")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    two_processors()
    pa.set_cpu_count(THREADS)
    scale = int(options.scale) if options.scale == int(options.scale) else options.scale
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        env = {**os.environ, "CIDLAKE_KEY_FILE": str(work / "key")}
        files = generate(work / "generator", scale, options.compression)
        exported = {table: export_parts(options.binary.resolve(), work / "lake", env, table, file,
                                        work / "parts" / table) for table, file in files.items()}
        size = sum(file.stat().st_size for file in files.values())
        ours, parts = map(sum, zip(*exported.values(), strict=True))
        print(f"scale {scale}: the generator's files {size:,} bytes; {parts} parts, {ours:,} bytes "
              f"({ours / size:.3f})", flush=True)
        sources = {"generator": files, "parts": {table: work / "parts" / table for table in TABLES}}
        runners = {(engine, layout): ENGINES[engine](sources[layout])
                   for engine in ENGINES for layout in LAYOUTS}
        results, total, failed = run_all(runners, options.rounds)
    if options.json:
        ratios = {engine: total[engine, "parts"] / total[engine, "generator"] for engine in ENGINES}
        options.json.write_text(json.dumps(
            {"scale": scale, "bytes": {"generator": size, "parts": ours}, "total_ratio": ratios,
             "equal": not failed, "results": results}, indent=2))
    if failed:
        sys.exit(f"answers differ between the layouts: {', '.join(failed)}")
    print("all answers are equal over both layouts")


if __name__ == "__main__":
    main()
