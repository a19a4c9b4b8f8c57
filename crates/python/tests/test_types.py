"""Round trips: what goes in comes out equal, with the types that it had."""

import base64
import datetime as dt
import decimal
import uuid
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import polars.testing
import pyarrow as pa
import pytest

import cidlake

FIXTURES = Path(__file__).parents[3] / "fixtures" / "python"
MOMENT = dt.datetime(2026, 1, 31, 12, 30, 15, 123456)
BERLIN = "Europe/Berlin"

ARROW_TYPES = [
    (pa.null(), [None, None]),
    (pa.bool_(), [True, False, None]),
    *[(kind, [1, 2, None]) for kind in (pa.int8(), pa.int16(), pa.int32(), pa.int64())],
    *[(kind, [1, 255, None]) for kind in (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())],
    (pa.uint64(), [2**64 - 1]),
    (pa.int64(), [-(2**63), 2**63 - 1]),
    (pa.float16(), [np.float16(1.5), None]),
    (pa.float32(), [1.5, float("inf"), None]),
    (pa.float64(), [1.5, -0.0, float("-inf"), None]),
    *[(kind, ["a", "", "ünïcode\0", None]) for kind in (pa.string(), pa.large_string(), pa.string_view())],
    *[(kind, [b"a", b"", b"\xff\0", None]) for kind in (pa.binary(), pa.large_binary(), pa.binary_view())],
    (pa.binary(3), [b"abc", None]),
    (pa.date32(), [dt.date(2026, 1, 31), dt.date(1, 1, 1), None]),
    (pa.date64(), [dt.date(2026, 1, 31), None]),
    (pa.time32("s"), [dt.time(1, 2, 3), None]),
    (pa.time32("ms"), [dt.time(1, 2, 3, 4000), None]),
    (pa.time64("us"), [dt.time(1, 2, 3, 4), None]),
    (pa.time64("ns"), [dt.time(1, 2, 3, 4), None]),
    *[(pa.timestamp(unit), [MOMENT.replace(microsecond=0), None]) for unit in ("s", "ms", "us", "ns")],
    *[
        (pa.timestamp(unit, zone), [MOMENT.replace(microsecond=0, tzinfo=dt.timezone.utc), None])
        for unit in ("s", "ms", "us", "ns")
        for zone in ("UTC", BERLIN, "+02:00")
    ],
    *[(pa.duration(unit), [dt.timedelta(days=1, seconds=2), None]) for unit in ("s", "ms", "us", "ns")],
    (pa.decimal32(9, 2), [decimal.Decimal("1.25"), None]),
    (pa.decimal64(18, 2), [decimal.Decimal("1.25"), None]),
    (pa.decimal128(38, 10), [decimal.Decimal("1.2500000000"), None]),
    (pa.decimal256(76, 10), [decimal.Decimal("1.2500000000"), None]),
    *[
        (kind, [[1, 2], [], None, [None]])
        for kind in (pa.list_(pa.int64()), pa.large_list(pa.int64()), pa.list_view(pa.int64()))
    ],
    (pa.list_(pa.int64(), 2), [[1, 2], None]),
    (pa.list_(pa.list_(pa.string())), [[["a"], None], None]),
    (pa.struct([("x", pa.int64()), ("y", pa.string())]), [{"x": 1, "y": "a"}, None, {"x": None, "y": None}]),
    (pa.map_(pa.string(), pa.int64()), [[("a", 1), ("b", None)], None, []]),
    (pa.dictionary(pa.int8(), pa.string()), ["a", "b", "a", None]),
    (pa.dictionary(pa.int32(), pa.int64()), [7, 7, None]),
    (pa.uuid(), [uuid.UUID(int=1).bytes, None]),
    (pa.json_(), ['{"a": 1}', None]),
    (pa.bool8(), [1, 0, None]),
]


@pytest.mark.parametrize(("kind", "values"), ARROW_TYPES, ids=lambda value: str(value)[:40])
def test_arrow_types(lake: cidlake.Lake, kind: pa.DataType, values: list[object]) -> None:
    field = pa.field("c", kind, metadata={b"note": b"kept"})
    schema = pa.schema([field], metadata={b"of": b"the table"})
    if isinstance(kind, pa.BaseExtensionType):
        storage = pa.array(values, kind.storage_type)
        array = pa.ExtensionArray.from_storage(kind, storage)
    else:
        array = pa.array(values, kind)
    table = pa.table([array], schema=schema)
    stored = lake.store(table, name="t")
    back = lake.get("t").to_arrow()
    assert back.schema.equals(table.schema, check_metadata=True)
    assert back.equals(table)
    assert lake.get(stored.cid).to_arrow().equals(table)
    back.validate(full=True)


def arrays_that_parquet_lacks() -> dict[str, pa.Array]:
    numbers, texts = pa.array([1, 2]), pa.array(["a", "b"])
    return {
        "union": pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [numbers, texts]),
        "interval": pa.array([pa.MonthDayNano([1, 2, 3])], pa.month_day_nano_interval()),
        "empty struct": pa.array([{}], pa.struct([])),
    }


@pytest.mark.parametrize("kind", arrays_that_parquet_lacks())
def test_types_that_parquet_lacks_are_refused_by_name(lake: cidlake.Lake, kind: str) -> None:
    with pytest.raises(cidlake.InvalidError, match="the_column"):
        lake.store(pa.table({"the_column": arrays_that_parquet_lacks()[kind]}), name="t")


def pandas_frames() -> dict[str, pd.DataFrame]:
    moments = pd.to_datetime(["2026-01-31 12:00", None, "2026-02-01 00:00"])
    return {
        "numpy": pd.DataFrame(
            {kind: np.array([1, 2, 3], kind) for kind in ("int8", "int32", "uint64", "float32", "float64")}
        ),
        "bools": pd.DataFrame({"b": [True, False, True]}),
        "text": pd.DataFrame({"s": ["a", None, "c"]}),
        "objects": pd.DataFrame({"s": pd.Series(["a", None, "c"], dtype=object)}),
        "bytes": pd.DataFrame({"s": pd.Series([b"a", None, b"\xff"], dtype=object)}),
        "moments": pd.DataFrame({"t": moments, "z": moments.tz_localize(BERLIN)}),
        "moments of seconds": pd.DataFrame({"t": moments.as_unit("s"), "n": moments.as_unit("ns")}),
        "spans": pd.DataFrame({"d": pd.to_timedelta(["1 day", None, "2 s"])}),
        "categories": pd.DataFrame({"c": pd.Categorical(["b", "a", None], categories=["b", "a", "unused"])}),
        "ordered": pd.DataFrame({"c": pd.Categorical(["lo", "hi", "lo"], categories=["lo", "hi"], ordered=True)}),
        "categories of numbers": pd.DataFrame(
            {
                "i": pd.Categorical(np.array([2, 1], "int8"), categories=np.array([2, 1, 3], "int8")),
                "f": pd.Categorical(np.array([0.5, 1.5], "float32")),
            }
        ),
        "categories of moments": pd.DataFrame(
            {
                "t": pd.Categorical(moments[[0, 2]]),
                "z": pd.Categorical(moments[[0, 2]].tz_localize(BERLIN), ordered=True),
                "p": pd.Categorical(pd.period_range("2026-01", periods=2, freq="M")[::-1]),
                "d": pd.Categorical(pd.to_timedelta(["2 s", "1 s"])),
            }
        ),
        "intervals as categories": pd.DataFrame({"c": pd.cut([1, 5, 9], [0, 3, 6, 10])}),
        "no categories": pd.DataFrame({"c": pd.Categorical([None, None], categories=pd.Index([], dtype="str"))}),
        "categories as index": pd.DataFrame(
            {"x": [1, 2]},
            index=pd.CategoricalIndex(["a", "b"], categories=["b", "a", "u"], ordered=True, name="k"),
        ),
        "categories as a level": pd.DataFrame(
            {"x": [1, 2]},
            index=pd.MultiIndex.from_arrays(
                [pd.Categorical(["a", "b"], categories=["b", "a"]), [1, 2]], names=["k", None]
            ),
        ),
        "nullable": pd.DataFrame(
            {
                "i": pd.array([1, None, 3], "Int64"),
                "u": pd.array([1, None, 3], "UInt8"),
                "f": pd.array([1.5, None, 3], "Float64"),
                "b": pd.array([True, None, False], "boolean"),
                "s": pd.array(["a", None, "c"], "string"),
            }
        ),
        "of arrow": pd.DataFrame(
            {
                "i": pd.array([1, None, 3], pd.ArrowDtype(pa.int32())),
                "d": pd.array([decimal.Decimal("1.5"), None, None], pd.ArrowDtype(pa.decimal128(9, 2))),
                "l": pd.array([[1], None, []], pd.ArrowDtype(pa.list_(pa.int64()))),
            }
        ),
        "periods": pd.DataFrame({"p": pd.period_range("2026-01", periods=3, freq="M")}),
        "intervals": pd.DataFrame({"i": pd.interval_range(0, 3)}),
        "dates": pd.DataFrame({"d": [dt.date(2026, 1, 31), None, dt.date(1, 1, 1)]}),
        "decimals": pd.DataFrame({"d": [decimal.Decimal("1.50"), None, decimal.Decimal("2.25")]}),
        "an index": pd.DataFrame({"x": [1, 2, 3]}, index=pd.Index(["a", "b", "c"], name="key")),
        "an index without a name": pd.DataFrame({"x": [1, 2, 3]}, index=[10, 20, 30]),
        "levels": pd.DataFrame(
            {"x": [1, 2]}, index=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["k", "n"])
        ),
        "a range": pd.DataFrame({"x": [1, 2, 3]}, index=pd.RangeIndex(5, 11, 2, name="r")),
        "moments as index": pd.DataFrame(
            {"x": [1, 2, 3]}, index=pd.date_range("2026-01-01", periods=3, tz="UTC", name="t")
        ),
        "no rows": pd.DataFrame({"x": pd.Series([], dtype="int64"), "s": pd.Series([], dtype="str")}),
    }


@pytest.mark.parametrize("kind", pandas_frames())
def test_pandas_types(lake: cidlake.Lake, kind: str) -> None:
    frame = pandas_frames()[kind]
    lake.store(frame, name="t")
    back = lake.get("t").to_pandas()
    # A frequency is what pandas infers; no table carries it.
    pd.testing.assert_frame_equal(back, frame, check_freq=False)


def test_pandas_columns_alone_keep_types(lake: cidlake.Lake) -> None:
    frame = pandas_frames()["nullable"].set_index(pd.Index([7, 8, 9], name="key"))
    lake.store(frame, name="t")
    back = lake.get("t", columns=["s", "i"], filter="i = 3").to_pandas()
    assert list(back.columns) == ["s", "i"]
    assert back.dtypes.astype(str).to_dict() == {"s": "string", "i": "Int64"}
    assert back["i"].tolist() == [3]


def test_notes_of_categories_are_read_as_they_were_first_written(lake: cidlake.Lake) -> None:
    note = (FIXTURES / "categories.txt").read_bytes().strip()
    dictionary = pa.dictionary(pa.int8(), pa.string())
    field = pa.field("c", dictionary, metadata={b"cidlake.categories": note})
    lake.store(pa.table([pa.array(["a", "b"], dictionary)], schema=pa.schema([field])), name="t")
    back = lake.get("t").to_pandas()["c"]
    assert back.tolist() == ["a", "b"]
    assert back.dtype == pd.CategoricalDtype(["b", "a", "unused"], ordered=True)
    # What is written today says the same, whatever versions of pandas and pyarrow it names.
    lake.store(pd.DataFrame({"c": back}), name="u")
    (written,) = (field.metadata[b"cidlake.categories"] for field in lake.get("u").to_arrow().schema)
    kept = [pa.ipc.open_stream(base64.b64decode(one)).read_all() for one in (note, written)]
    assert kept[0].equals(kept[1])
    assert [table.schema.metadata[b"ordered"] for table in kept] == [b"yes", b"yes"]


def test_rows_that_come_later_may_have_other_categories(lake: cidlake.Lake) -> None:
    for number, (values, categories) in enumerate([(["b"], ["b", "a"]), (["c", "a"], ["c", "a"])]):
        frame = pd.DataFrame({"c": pd.Categorical(values, categories=categories)})
        lake.store(frame, name="t", append=number > 0)
    back = lake.get("t").to_pandas()["c"]
    assert back.tolist() == ["b", "c", "a"]
    assert back.cat.categories.tolist() == ["b", "a", "c"]


def test_the_index_is_stored_or_not(lake: cidlake.Lake) -> None:
    frame = pd.DataFrame({"x": [1, 2, 3]}, index=[7, 8, 9])
    lake.store(frame, name="t", index=False)
    assert lake.get("t").columns == ["x"]
    lake.store(frame[frame.x > 1], name="t", append=True, index=False)
    assert lake.get("t").to_pandas().equals(pd.DataFrame({"x": [1, 2, 3, 2, 3]}))
    lake.store(pd.DataFrame({"x": [1]}), name="u", index=True)
    assert len(lake.get("u").columns) == 2


POLARS_COLUMNS: dict[str, pl.Series] = {
    "bool": pl.Series([True, None, False]),
    **{
        str(kind): pl.Series([1, None, 3], dtype=kind)
        for kind in (
            pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64,
            pl.Float32, pl.Float64,
        )
    },
    "string": pl.Series(["a", None, "a long one that is not inlined"]),
    "binary": pl.Series([b"a", None, b"\xff"]),
    "date": pl.Series([dt.date(2026, 1, 31), None, dt.date(1, 1, 1)]),
    "time": pl.Series([dt.time(1, 2, 3), None, dt.time(23, 59, 59, 999999)]),
    **{f"datetime {unit}": pl.Series([MOMENT, None], dtype=pl.Datetime(unit)) for unit in ("ms", "us", "ns")},
    "zoned": pl.Series([MOMENT, None]).dt.replace_time_zone(BERLIN),
    **{f"duration {unit}": pl.Series([dt.timedelta(1), None], dtype=pl.Duration(unit)) for unit in ("ms", "us", "ns")},
    "decimal": pl.Series([decimal.Decimal("1.25"), None], dtype=pl.Decimal(20, 4)),
    "categorical": pl.Series(["b", "a", None, "b"], dtype=pl.Categorical),
    "enum": pl.Series(["lo", None, "hi"], dtype=pl.Enum(["lo", "mid", "hi"])),
    "enum of odd words": pl.Series(["Null", "Object"], dtype=pl.Enum(["Object", "Null"])),
    "struct of odd names": pl.Series([{"Object": 1, "Null": 2}]),
    "list": pl.Series([[1, 2], None, []]),
    "array": pl.Series([[1, 2], None], dtype=pl.Array(pl.Int64, 2)),
    "struct": pl.Series([{"x": 1, "y": "a"}, {"x": None, "y": "b"}]),
    "list of structs": pl.Series([[{"x": 1}], None]),
    "null": pl.Series([None, None], dtype=pl.Null),
    "list of nulls": pl.Series([[None], None], dtype=pl.List(pl.Null)),
}


@pytest.mark.parametrize("kind", POLARS_COLUMNS)
def test_polars_types(lake: cidlake.Lake, kind: str) -> None:
    frame = pl.DataFrame({"c": POLARS_COLUMNS[kind]})
    lake.store(frame, name="t")
    polars.testing.assert_frame_equal(lake.get("t").to_polars(), frame)
    lake.store(frame.lazy(), name="lazy")
    assert lake.show("lazy").cid == lake.show("t").cid


def test_one_table_has_one_cid_from_wherever_it_comes(lake: cidlake.Lake) -> None:
    table = pa.table({"n": pa.array([1, 2, 3]), "s": ["a", None, "c"]})
    import duckdb

    connection = duckdb.connect()
    connection.register("table_", table)
    arriving = [
        table,
        table.to_pandas(),
        pl.from_arrow(table),
        table.to_batches()[0],
        table.to_reader(),
        connection.sql("SELECT * FROM table_"),
    ]
    cids = {lake.store(rows).cid for rows in arriving}
    assert len(cids) == 1
