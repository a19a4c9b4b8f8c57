"""A table of several parts as one Parquet file over the same leaves: `show REF --as-file`.

That each part alone is read is for `test_readers.py`; here the one file is compared with the parts
and with what was stored.
"""

import hashlib

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import content
import tables
from sameness import assert_same

# Python values of these can be compared with `==`, in order, and all three engines agree on them.
PLAIN = {
    "row",
    "m",
    "noise",
    "string",
    "int64",
    "uint64",
    "bool",
    "date32",
    "decimal128(9, 2)",
    "list",
}


def counted() -> pa.Table:
    """The table of test_readers.py that has parts because it has rows."""
    rows = 5_000_000
    sevens = pa.array([7] * rows, pa.int32())
    return pa.table({"row": pa.array(range(rows), pa.int64()), "m": sevens})


def noise() -> pa.Table:
    """A table that does not compress: parts of many leaves, and bloom filters."""
    rows = 900_000
    text = [hashlib.sha256(row.to_bytes(8)).hexdigest() for row in range(rows)]
    return pa.table({"row": pa.array(range(rows), pa.int64()), "noise": text})


TABLES = {"mixed": (tables.mixed, 2), "counted": (counted, 2), "noise": (noise, 2)}


class Stored:
    """A table, its parts and its single file as files beside its lake."""

    def __init__(self, lake, table: pa.Table):
        self.lake, self.table = lake, table
        self.answer = lake.store_table(table, "t")
        self.shown = lake.parts("t")
        self.parts = [self.write(f"part-{n}", part["cid"]) for n, part in enumerate(self.shown)]
        self.file = lake.json("show", "t", "--as-file")
        self.path = self.write("single", self.file["cid"])

    def write(self, name: str, cid: str):
        path = self.lake.folder / f"{name}.parquet"
        path.write_bytes(self.lake.cat(cid))
        return path

    def plain_rows(self) -> tuple[list[str], list[tuple]]:
        """Names and rows of the columns whose Python values can be compared."""
        names = [name for name in self.table.column_names if name in PLAIN]
        return names, list(zip(*(self.table[name].to_pylist() for name in names)))


@pytest.fixture(params=TABLES)
def stored(lake, request) -> Stored:
    make, parts = TABLES[request.param]
    one = Stored(lake, make())
    assert len(one.parts) >= parts, "a table of one part shows nothing"
    return one


def test_it_is_the_leaves_of_the_parts_and_little_more(stored):
    """Its CID is made of its bytes, each part is a row group, and no row is stored twice."""
    lake, file = stored.lake, stored.file
    assert stored.path.stat().st_size == file["bytes"]
    meta = pq.read_metadata(stored.path)
    groups = [meta.row_group(index).num_rows for index in range(meta.num_row_groups)]
    assert groups == [part["rows"] for part in stored.shown]
    lake.run("export", file["cid"], "-o", "single.car")
    _, blocks = content.read_car((lake.folder / "single.car").read_bytes())
    assert content.file_bytes(blocks, file["cid"]) == stored.path.read_bytes()
    again = lake.json("show", "t", "--as-file")
    assert (again["cid"], again["bytes"], again["new_bytes"]) == (file["cid"], file["bytes"], 0)
    if stored.answer["bytes"] > 10_000_000:
        assert file["new_bytes"] < stored.answer["bytes"] // 100


def test_pyarrow_reads_what_the_parts_and_the_input_hold(stored):
    have = pq.read_table(stored.path)
    assert_same(pa.concat_tables(pq.read_table(path) for path in stored.parts), have)
    for name in stored.table.column_names:
        want = stored.table.select([name])
        assert_same(want, in_its_own_type(have.select([name]), want), loose=True)


def in_its_own_type(have: pa.Table, want: pa.Table) -> pa.Table:
    """A column in the type that the user gave, where parts have another one for the same values.

    That is where Parquet has no such type, and for times with a zone, which are in UTC there.
    """
    kind, stored_as = want.schema.field(0).type, have.schema.field(0).type
    zoned = pa.types.is_timestamp(kind) and kind.tz and stored_as == pa.timestamp(kind.unit, "UTC")
    stands_for = stored_as in tables.STANDS_FOR.get(kind, [])
    return have.cast(want.schema) if zoned or stands_for else have


def test_duckdb_reads_what_the_parts_and_the_input_hold(stored):
    parts = [str(path) for path in stored.parts]
    have = duckdb.sql(f"SELECT * FROM read_parquet('{stored.path}')").to_arrow_table()
    assert_same(duckdb.sql(f"SELECT * FROM read_parquet({parts})").to_arrow_table(), have)
    names, rows = stored.plain_rows()
    columns = ", ".join(f'"{name}"' for name in names)
    assert duckdb.sql(f"SELECT {columns} FROM read_parquet('{stored.path}')").fetchall() == rows


def test_polars_reads_what_the_parts_and_the_input_hold(stored):
    have = pl.read_parquet(stored.path)
    from_parts = pl.concat([pl.read_parquet(path) for path in stored.parts])
    assert_same(from_parts.to_arrow(), have.to_arrow())
    names, rows = stored.plain_rows()
    assert have.select(names).rows() == rows
    assert pl.scan_parquet(stored.path).select(names).collect().rows() == rows


def test_what_prunes_points_at_the_right_places(stored):
    """Statistics, page indexes and bloom filters of every part moved into the one file."""
    rows = stored.table.num_rows
    borders = [0, stored.shown[0]["rows"] - 1, stored.shown[0]["rows"], rows - 1]
    for row in [*borders, rows // 3]:
        want = [(row,)]
        query = f"FROM read_parquet('{stored.path}') WHERE"
        assert duckdb.sql(f"SELECT row {query} row = {row}").fetchall() == want
        lazy = pl.scan_parquet(stored.path)
        assert lazy.filter(pl.col("row") == row).select("row").collect().rows() == want
        filtered = pq.read_table(stored.path, columns=["row"], filters=[("row", "=", row)])
        assert filtered["row"].to_pylist() == [row]
        if "noise" in stored.table.column_names:
            text = stored.table["noise"][row].as_py()
            assert duckdb.sql(f"SELECT row {query} noise = '{text}'").fetchall() == want


def test_stored_again_it_is_the_same_table(stored):
    """The reader of the lake itself reads it, as a foreign file."""
    again = stored.lake.store(stored.path, name="again")
    assert again["cid"] == stored.answer["cid"]


@pytest.mark.parametrize("rows", [0, 5])
def test_where_there_is_one_part_it_is_the_part(lake, rows):
    lake.store_table(tables.mixed().slice(0, rows), "t")
    parts = lake.parts("t")
    assert len(parts) == 1
    file = lake.json("show", "t", "--as-file")
    assert (file["cid"], file["new_bytes"]) == (parts[0]["cid"], 0)
    path = lake.folder / "single.parquet"
    path.write_bytes(lake.cat(file["cid"]))
    assert pq.read_table(path).num_rows == rows
    assert duckdb.sql(f"SELECT * FROM read_parquet('{path}')").to_arrow_table().num_rows == rows
    assert pl.read_parquet(path).height == rows
