"""The comparison itself: it must see every difference, or the other tests prove nothing."""

import pyarrow as pa
import pytest

import tables
from sameness import assert_same

COLUMNS = {**tables.scalars(), **tables.temporal(), **tables.nested()}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_table_is_the_same_as_itself(name):
    table = pa.table({name: COLUMNS[name]})
    assert_same(table, table)
    assert_same(table, table, loose=True)


@pytest.mark.parametrize("name", [name for name in COLUMNS if name != "null"])
def test_another_order_of_values_is_seen(name):
    table = pa.table({name: COLUMNS[name]})
    turned = pa.concat_tables([table.slice(1), table.slice(0, 1)])
    with pytest.raises(AssertionError):
        assert_same(table, turned)


DIFFERENT = [
    (pa.array([0.0]), pa.array([-0.0])),
    (pa.array([1], pa.int32()), pa.array([1], pa.int64())),
    (pa.array([None], pa.int32()), pa.array([0], pa.int32())),
    (pa.array([""]), pa.array([None], pa.string())),
    (pa.array([[]], pa.list_(pa.int8())), pa.array([None], pa.list_(pa.int8()))),
    (pa.array([[None]], pa.list_(pa.int8())), pa.array([[]], pa.list_(pa.int8()))),
    (pa.array([{"a": None}], pa.struct({"a": pa.int8()})), pa.nulls(1, pa.struct({"a": "int8"}))),
    (pa.array([0], pa.timestamp("us")), pa.array([0], pa.timestamp("us", "UTC"))),
    (pa.array([0], pa.timestamp("us", "UTC")), pa.array([0], pa.timestamp("us", "Asia/Tokyo"))),
    (pa.array(["x"], pa.string()), pa.array(["x"], pa.large_string())),
]


@pytest.mark.parametrize("want, have", DIFFERENT)
def test_small_differences_are_seen(want, have):
    with pytest.raises(AssertionError):
        assert_same(pa.table({"c": want}), pa.table({"c": have}))


def test_names_order_and_number_of_columns_count():
    table = pa.table({"a": [1], "b": [2]})
    for other in (table.select(["b", "a"]), table.select(["a"]), table.rename_columns(["a", "c"])):
        with pytest.raises(AssertionError):
            assert_same(table, other)
