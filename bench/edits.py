"""Measures what an edit of a table costs: bytes of every block that a new version adds.

TPC-H `lineitem`, or any Parquet file, is stored; then each edit of it is stored as a new version
of a fresh copy, and `new_bytes` (leaves, nodes, footers, part lists, commit and delta) is given as
a share of the version's bytes. The size is compared with pyarrow's writer at zstd level 3 and
1 Mi-row groups.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lineitem import generate


def cidlake(binary, lake, env, *arguments):
    done = subprocess.run([str(binary), "--lake", str(lake), *map(str, arguments)],
                          env=env, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def plain_text(table):
    """Makes views of text plain, which pyarrow's kernels want."""
    fields = [field.with_type(pa.string()) if field.type == pa.string_view() else field
              for field in table.schema]
    return table.cast(pa.schema(fields))


def numbered_column(table):
    """The first integer column with many values, which is permuted by the update."""
    for index, field in enumerate(table.schema):
        if pa.types.is_integer(field.type) and len(pc.unique(table.column(index).slice(0, 5000))) > 500:
            return index
    return 0


def fresh_rows(table, count):
    """Rows that the table does not have: some of its own in another order, with other numbers."""
    rows = table.take(pa.array([(i * 7919 + 13) % len(table) for i in range(count)]))
    index = numbered_column(table)
    field = table.schema.field(index)
    moved = pc.add(rows.column(index), pa.scalar(1, field.type))
    return rows.set_column(index, field, moved.cast(field.type))


def edits(table):
    """Yields (name, edited table)."""
    rows, one = len(table), len(table) // 100
    middle = rows // 2 + 12_345 % max(rows // 4, 1)
    new = fresh_rows(table, one)
    yield "the same rows", table
    yield "append 1 %", pa.concat_tables([table, new])
    yield "insert 1 % in the middle", pa.concat_tables(
        [table.slice(0, middle), new, table.slice(middle)])
    yield "delete 1 % in the middle", pa.concat_tables(
        [table.slice(0, middle), table.slice(middle + one)])
    # A new end of a row group may fall into the rows that change, or one be lost: five places.
    index = numbered_column(table.select(range(1, len(table.schema)))) + 1
    column = table.column(index).combine_chunks()
    for place in range(1, 6):
        start = rows * place // 6
        part = column.slice(start, one).take(pa.array(list(reversed(range(one)))))
        updated = pa.concat_arrays([column.slice(0, start), part, column.slice(start + one)])
        name = f"update {table.schema.names[index]}, 1 %, {place}/6"
        yield name, table.set_column(index, table.schema.field(index), updated)
    counter = pa.array(range(rows), pa.int64())
    yield "add a column", table.append_column("added", counter)
    last = table.schema.names[len(table.schema) // 2]
    yield "drop a column", table.drop_columns([last])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=Path, default=Path("target/release/cidlake"))
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--file", type=Path, nargs="*", help="Parquet files to edit instead")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    scale = int(options.scale) if options.scale == int(options.scale) else options.scale
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        env = {**os.environ, "CIDLAKE_KEY_FILE": str(work / "key")}
        if options.file:
            table = pa.concat_tables([pq.read_table(file) for file in options.file])
        else:
            table = pq.read_table(generate(work, scale))
        table = plain_text(table)
        results = measure(table, options.binary.resolve(), work, env)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2))


def measure(table, binary, work, env):
    base, lake = work / "base", work / "lake"
    source = work / "version.parquet"
    pq.write_table(table, source, compression="zstd", compression_level=3)
    plain = source.stat().st_size
    first = cidlake(binary, base, env, "store", source, "--name", "t")
    size = first["bytes"] / plain
    print(f"{len(table):,} rows; {first['bytes']:,} bytes, {size:.3f} of pyarrow's {plain:,}")
    results = [{"edit": "size against plain", "share": size}]
    for name, edited in edits(table):
        pq.write_table(edited, source, compression="zstd", compression_level=1)
        shutil.rmtree(lake, ignore_errors=True)
        shutil.copytree(base, lake)
        stored = cidlake(binary, lake, env, "store", source, "--name", "t")
        share = stored["new_bytes"] / stored["bytes"]
        same = " (the same CID)" if stored["cid"] == first["cid"] else ""
        print(f"{name:28} {stored['new_bytes']:>12,} new bytes  {100 * share:6.3f} %{same}", flush=True)
        results.append({"edit": name, "new_bytes": stored["new_bytes"], "share": share})
    return results


if __name__ == "__main__":
    sys.exit(main())
