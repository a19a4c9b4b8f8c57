"""Parts and retrieved files are Parquet that other engines read: pyarrow, DuckDB, polars."""

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tables
from sameness import assert_same

ROWS = tables.MIXED_ROWS


@pytest.fixture
def files(lake):
    """The table, and it as one retrieved file and as its parts."""
    table = tables.mixed()
    lake.store_table(table, "t")
    parts = []
    for index, part in enumerate(lake.parts("t")):
        path = lake.folder / f"part-{index}.parquet"
        path.write_bytes(lake.cat(part["cid"]))
        assert path.stat().st_size == part["bytes"]
        assert pq.read_metadata(path).num_rows == part["rows"]
        parts.append(path)
    return table, lake.get_file("t", "parquet"), parts


def test_pyarrow_reads_all_of_it(files):
    table, whole, parts = files
    from_parts = pa.concat_tables(pq.read_table(path) for path in parts)
    for have in (pq.read_table(whole), from_parts):
        assert have.num_rows == table.num_rows
        assert have.column_names == table.column_names
        for name in ("row", "string", "int64", "double", "struct", "list", "map"):
            assert_same(table.select([name]), have.select([name]), loose=True)


def test_duckdb_reads_all_of_it(files):
    table, whole, parts = files
    all_parts = [str(path) for path in parts]
    assert duckdb.sql(f"SELECT count(*) FROM read_parquet({all_parts})").fetchone() == (ROWS,)
    for path in (whole, *parts):
        have = duckdb.sql(f"SELECT * FROM read_parquet('{path}')").to_arrow_table()
        assert have.column_names == table.column_names
        assert have.num_rows == pq.read_metadata(path).num_rows
    names = ["row", "string", "int64", "list"]
    columns = ", ".join(names)
    have = duckdb.sql(f"SELECT {columns} FROM read_parquet('{whole}') ORDER BY row")
    assert have.fetchall() == list(zip(*(table[name].to_pylist() for name in names)))


def test_polars_reads_all_of_it(files):
    table, whole, parts = files
    names = ["row", "string", "int64", "list"]
    expected = list(zip(*(table[name].to_pylist() for name in names)))
    from_parts = pl.concat([pl.read_parquet(path, columns=names) for path in parts])
    for have in (pl.read_parquet(whole, columns=names), from_parts):
        assert have.select(names).rows() == expected
    assert pl.read_parquet(whole).height == ROWS


def test_a_table_of_many_parts_is_read_in_order(lake):
    """Beyond 32 MiB of values there is more than one part."""
    rows = 5_000_000
    sevens = pa.array([7] * rows, pa.int32())
    table = pa.table({"n": pa.array(range(rows), pa.int64()), "m": sevens})
    lake.store_table(table, "t")
    parts = lake.parts("t")
    assert len(parts) > 1 and sum(part["rows"] for part in parts) == rows
    assert_same(table, lake.get("t"))
    assert lake.sql("SELECT sum(n) AS s FROM t").to_pylist() == [{"s": rows * (rows - 1) // 2}]
