"""Every Arrow type goes in and comes out: values, nulls, types and order."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tables
from driver import FAILURE, strict_json, write_arrow
from sameness import assert_same

COLUMNS = {**tables.scalars(), **tables.temporal(), **tables.nested()}
REFUSED = tables.refused()


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_comes_back_as_arrow(lake, name):
    table = pa.table({"row": range(len(COLUMNS[name])), name: COLUMNS[name]})
    stored = lake.store_table(table, "t")
    assert stored["rows"] == table.num_rows
    assert_same(table, lake.get("t"))
    assert_same(table, lake.get(stored["cid"]))


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_comes_back_as_parquet(lake, name):
    table = pa.table({name: COLUMNS[name]})
    lake.store_table(table, "t")
    back = pq.read_table(lake.get_file("t", "parquet"))
    if back.schema.field(0).type in tables.STANDS_FOR.get(table.schema.field(0).type, []):
        back = back.cast(table.schema)
    assert_same(table, back, loose=True)


def test_all_types_in_one_table(lake):
    table = tables.as_table(COLUMNS)
    lake.store_table(table, "t")
    assert_same(table, lake.get("t"))


def test_all_types_become_strict_json(lake):
    """Q7: no type is without a form, NaN and infinities have one that JSON allows."""
    table = tables.as_table(COLUMNS)
    lake.store_table(table, "t")
    rows = lake.json("--format", "json", "get", "t")
    assert len(rows) == table.num_rows
    assert all(list(row) == table.column_names for row in rows)
    lines = lake.get_file("t", "ndjson").read_bytes().splitlines()
    assert [strict_json(line) for line in lines] == rows
    assert [row["double"] for row in rows[:6]] == [0, -0.0, None, "Infinity", "-Infinity", "NaN"]
    assert rows[0]["int64"] == str(-(2**63)) and rows[5]["int64"] == 42
    page = lake.json("--format", "json", "get", "t", "--limit", "2")
    assert page == rows[:2]


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_stored_is_refused_by_column(lake, name):
    table = pa.table({"fine": range(len(REFUSED[name])), "the_column": REFUSED[name]})
    source = write_arrow(table, lake.folder / "in.arrow")
    errors = lake.refuse("store", source, "--name", "t", code=FAILURE)
    assert "the_column" in errors
    assert lake.names() == []


def test_projection_keeps_types_and_order(lake):
    table = tables.as_table(COLUMNS)
    lake.store_table(table, "t")
    names = ["struct", "int8", "timestamp ns Europe/Berlin", "small dictionary"]
    assert_same(table.select(names), lake.get("t", "--columns", ",".join(names)))


def test_fields_that_are_not_null_and_metadata_come_back(lake):
    schema = pa.schema(
        [pa.field("id", pa.int64(), nullable=False, metadata={"unit": "none"})],
        metadata={"source": "a test"},
    )
    lake.store_table(pa.table({"id": [1, 2]}, schema=schema), "t")
    assert lake.get("t").schema.equals(schema, check_metadata=True)


def test_an_empty_table_keeps_its_types(lake):
    table = tables.as_table(COLUMNS).slice(0, 0)
    assert lake.store_table(table, "t")["rows"] == 0
    assert_same(table, lake.get("t"))
