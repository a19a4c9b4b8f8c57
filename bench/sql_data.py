"""The data of `sql.py`: made in an empty folder, for `cidlake` in a lake, for rivals as files.

Everybody gets the same rows. Nothing is timed here.
"""

import datetime
import json
import sys
from contextlib import closing

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from edits import cidlake, plain_text
from layout_queries import TABLES, generate
from lineitem import generate as generate_lineitem
from open_lake import OpenLake, environment

# Row groups and page indexes with which rivals are quickest at finding one row.
GROUP_ROWS = 1 << 17
IN_FLIGHT = 50
TABLE_ROWS = 1_000_000


def store(options, work, name, file, *more):
    stored = cidlake(options.binary, work / "lake", environment(work), "store", file, "--name", name,
                     *more)
    expected = pq.read_metadata(file).num_rows
    if stored["rows"] != expected:
        sys.exit(f"{name}: {stored['rows']:,} rows were stored of {expected:,}")


def tpch(options, work):
    """Makes and stores all eight tables; returns {table: file}."""
    files = generate(work / "generator", options.scale, None)
    for table in TABLES:
        store(options, work, table, files[table])
    return files


def lineitem(options, work):
    file = generate_lineitem(work / "generator", options.scale)
    store(options, work, "lineitem", file)
    return file


def scattered_texts(rows, seed=0):
    """Texts like UUIDs, all different, without making them one by one."""
    hexadecimal = np.frombuffer(np.random.default_rng(seed).bytes(rows * 16).hex().encode(), "S1")
    digits = hexadecimal.reshape(rows, 32)
    text = np.full((rows, 36), b"-", "S1")
    places = [place for place in range(36) if place not in (8, 13, 18, 23)]
    text[:, places] = digits
    return pa.array(text.view("S36").ravel()).cast(pa.string())


def keyed(options, work, lineitem_file):
    """Makes and stores rows of lineitem under a scattered unique text; returns file and keys."""
    columns = ["l_orderkey", "l_linenumber", "l_quantity", "l_extendedprice", "l_comment"]
    table = plain_text(pq.read_table(lineitem_file, columns=columns))
    keys = scattered_texts(len(table))
    file = work / "keyed.parquet"
    pq.write_table(table.add_column(0, "key", keys), file, compression="zstd",
                   row_group_size=GROUP_ROWS, write_page_index=True)
    store(options, work, "keyed", file)
    return file, keys


def many(options, work):
    """Makes a lake of many datasets of one row: calls of one server, many in flight."""
    with closing(OpenLake(options.binary, work / "lake", environment(work))) as server:
        server.store(one_row(0), "json", name_of(0), False)
        for first in range(1, options.datasets, IN_FLIGHT):
            make(server, range(first, min(first + IN_FLIGHT, options.datasets)))


def name_of(number):
    return f"d_{number:05}"


def one_row(number):
    return json.dumps([{"id": number, "name": f"name {number}"}])


def make(server, numbers):
    """Sends calls for all datasets, then waits for all answers, which come in any order."""
    waiting = set()
    for number in numbers:
        arguments = {"data": one_row(number), "format": "json", "name": name_of(number)}
        call, message = server.message(
            "tools/call", {"name": "parquet_store_dataframe", "arguments": arguments})
        server.server.stdin.write(message)
        waiting.add(call)
    server.server.stdin.flush()
    while waiting:
        answer = json.loads(server.server.stdout.readline())
        waiting.discard(answer.get("id"))
        if answer.get("result", {}).get("isError"):
            sys.exit(f"a dataset could not be made: {answer}")


def predecessors_table(options, work):
    """Makes and stores a million rows of seven columns, as the predecessor was measured with."""
    rng = np.random.default_rng(0)
    start = datetime.datetime(2024, 1, 1)
    moments = np.datetime64(start, "us") + np.arange(TABLE_ROWS).astype("timedelta64[s]")
    letters = np.array(["A", "B", "C", "D"])
    regions = np.array(["north", "south", "east", "west"])
    names = np.array([f"name_{number}" for number in range(5000)])
    table = pa.table({
        "id": pa.array(np.arange(TABLE_ROWS), pa.int64()),
        "ts": pa.array(moments),
        "category": pa.array(letters[rng.integers(0, 4, TABLE_ROWS)]),
        "region": pa.array(regions[rng.integers(0, 4, TABLE_ROWS)]),
        "value": pa.array(rng.normal(size=TABLE_ROWS)),
        "qty": pa.array(rng.integers(0, 1000, TABLE_ROWS), pa.int64()),
        "name": pa.array(names[rng.integers(0, 5000, TABLE_ROWS)]),
    })
    file = work / "table.parquet"
    pq.write_table(table, file, compression="zstd")
    store(options, work, "t", file)
    return file
