"""Tables with every Arrow type that can be stored, and the few that cannot.

Each has nulls, extremes, and more than one value; nested types have nulls at every level.
"""

import datetime
import decimal
import math
import random

import pyarrow as pa

MOMENTS = [
    datetime.datetime(1969, 12, 31, 23, 59, 59, 999999),
    datetime.datetime(2026, 2, 28, 12, 30, 0, 1),
    None,
    datetime.datetime(1900, 1, 1),
    datetime.datetime(2200, 12, 31, 23, 59, 59),
]
WHOLE_SECONDS = [moment and moment.replace(microsecond=0) for moment in MOMENTS]
FLOATS = [0.0, -0.0, None, math.inf, -math.inf, math.nan, 1.5, 65504.0]
TEXTS = [
    "",
    "plain",
    None,
    'quote " and \\ and \'',
    "a,b;c\td\n e\r\n",
    "ünïcödé 🦆 文字",
    "null",
    "x" * 3000,
]
BYTES = [b"", b"\x00\xff", None, b"PAR1", bytes(range(256))]


def whole(kind: pa.DataType) -> pa.Array:
    """Integers at both ends of their type."""
    signed = pa.types.is_signed_integer(kind)
    least = -(1 << (kind.bit_width - 1)) if signed else 0
    most = (1 << (kind.bit_width - signed)) - 1
    return pa.array([least, most, None, 0, 1, 42], kind)


def decimals(precision: int, scale: int) -> list:
    """Decimals with all digits used."""
    with decimal.localcontext() as context:
        context.prec = 100
        most = decimal.Decimal(10**precision - 1).scaleb(-scale)
        least = decimal.Decimal(1).scaleb(-scale)
        return [most, -most, None, decimal.Decimal(0), least]


def times(unit: str, zone: str | None = None) -> pa.Array:
    moments = WHOLE_SECONDS if unit in ("s", "ms") else MOMENTS
    return pa.array(moments, pa.timestamp(unit)).cast(pa.timestamp(unit, zone))


def scalars() -> dict[str, pa.Array]:
    """Columns of plain types."""
    columns = {str(kind): whole(kind) for kind in INTEGERS}
    columns["bool"] = pa.array([True, False, None, True])
    columns["null"] = pa.nulls(3)
    for kind in (pa.float16(), pa.float32(), pa.float64()):
        columns[str(kind)] = pa.array(FLOATS, pa.float64()).cast(kind)
    for kind in (pa.string(), pa.large_string(), pa.string_view()):
        columns[str(kind)] = pa.array(TEXTS, kind)
    for kind in (pa.binary(), pa.large_binary(), pa.binary_view()):
        columns[str(kind)] = pa.array(BYTES, kind)
    columns["fixed_size_binary"] = pa.array([b"abc", None, b"\x00\x00\x00"], pa.binary(3))
    for precision, scale in ((9, 2), (18, 18), (38, 10), (1, 0), (38, 38)):
        kind = pa.decimal128(precision, scale)
        columns[str(kind)] = pa.array(decimals(precision, scale), kind)
    for precision, scale in ((39, 0), (76, 20)):
        kind = pa.decimal256(precision, scale)
        columns[str(kind)] = pa.array(decimals(precision, scale), kind)
    columns["decimal32"] = pa.array(decimals(5, 2), pa.decimal32(5, 2))
    columns["decimal64"] = pa.array(decimals(15, 4), pa.decimal64(15, 4))
    return columns


def temporal() -> dict[str, pa.Array]:
    """Columns of times."""
    columns = {}
    for unit in ("s", "ms", "us", "ns"):
        for zone in (None, "UTC", "+02:00", "Europe/Berlin"):
            columns[f"timestamp {unit} {zone}"] = times(unit, zone)
        columns[f"duration {unit}"] = pa.array([0, -1, None, 1 << 60], pa.duration(unit))
    days = [moment and moment.date() for moment in MOMENTS] + [datetime.date(1, 1, 1)]
    columns["date32"] = pa.array(days, pa.date32())
    columns["date64"] = pa.array(days, pa.date64())
    for unit in ("s", "ms"):
        columns[f"time {unit}"] = pa.array([0, 86_399, None], pa.time32(unit))
    for unit in ("us", "ns"):
        columns[f"time {unit}"] = pa.array([0, 86_399_999_999, None], pa.time64(unit))
    return columns


def nested() -> dict[str, pa.Array]:
    """Columns of lists, structs, maps and dictionaries."""
    numbers = [[1, None, 3], [], None, [4]]
    pairs = [[("a", 1), ("b", None)], [], None, [("", 3)]]
    people = [{"name": "Ada", "tags": ["x", None]}, None, {"name": None, "tags": None}]
    person = pa.struct([("name", pa.string()), ("tags", pa.list_(pa.string()))])
    columns = {
        "list": pa.array(numbers, pa.list_(pa.int32())),
        "large list": pa.array(numbers, pa.large_list(pa.int32())),
        "list view": pa.array(numbers, pa.list_view(pa.int32())),
        "fixed list": pa.array([[1, 2], None, [None, 3]], pa.list_(pa.int32(), 2)),
        "list of lists": pa.array([[[1], [], None], None, []], pa.list_(pa.list_(pa.int8()))),
        "struct": pa.array(people, person),
        "list of structs": pa.array([people, [], None], pa.list_(person)),
        "map": pa.array(pairs, pa.map_(pa.string(), pa.int64())),
        "map of lists": pa.array(
            [[(1, ["a"]), (2, None)], None], pa.map_(pa.int8(), pa.list_(pa.string()))
        ),
        "dictionary": pa.array(["b", "a", None, "b"]).dictionary_encode(),
        "dictionary of numbers": pa.array([7, None, 7, 8]).dictionary_encode(),
        "list of times": pa.array([[MOMENTS[0]], None], pa.list_(pa.timestamp("ns", "UTC"))),
        "list of decimals": pa.array([decimals(38, 4), []], pa.list_(pa.decimal128(38, 4))),
    }
    small = pa.array(["b", "a", None, "b"], pa.dictionary(pa.int8(), pa.large_string()))
    columns["small dictionary"] = small
    columns["dictionaries in a struct"] = pa.StructArray.from_arrays([small], ["d"])
    ends, values = pa.array([2, 3], pa.int32()), pa.array(["a", None])
    columns["runs"] = pa.RunEndEncodedArray.from_arrays(ends, values)
    return columns


def refused() -> dict[str, pa.Array]:
    """Columns of types that cannot be stored, as the README lists them."""
    union = pa.UnionArray.from_sparse(
        pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])], ["i", "s"]
    )
    months = pa.array([pa.MonthDayNano([1, 2, 3])], pa.month_day_nano_interval())
    return {
        "union": union,
        "interval": months,
        "empty struct": pa.array([{}], pa.struct([])),
        "list of intervals": pa.ListArray.from_arrays([0, 1], months),
    }


def as_table(columns: dict[str, pa.Array]) -> pa.Table:
    """All columns as one table, the shorter ones filled up with nulls."""
    rows = max(len(array) for array in columns.values())
    filled = {}
    for name, array in columns.items():
        rest = pa.nulls(rows - len(array), array.type)
        filled[name] = pa.chunked_array([array, rest]) if len(rest) else array
    return pa.table(filled)


INTEGERS = [
    pa.int8(),
    pa.int16(),
    pa.int32(),
    pa.int64(),
    pa.uint8(),
    pa.uint16(),
    pa.uint32(),
    pa.uint64(),
]

MIXED_ROWS = 40_000
# Each of these is without a type in one of the three engines, also in files that pyarrow wrote.
NOT_COMMON = ("halffloat", "null", "duration", "decimal256", "fixed", "runs", "list view")


def common() -> dict[str, pa.Array]:
    """Columns of the types that pyarrow, DuckDB and polars all have."""
    columns = {**scalars(), **temporal(), **nested()}
    return {name: array for name, array in columns.items() if not name.startswith(NOT_COMMON)}


def mixed() -> pa.Table:
    """A table of common types, long enough for pages, dictionaries and many values of each."""
    short = as_table(common())
    # Runs of random rows: rows that repeat in one order would end a row group nowhere.
    chosen, pieces, rows = random.Random(1), [], 0
    while rows < MIXED_ROWS:
        piece = short.slice(chosen.randrange(short.num_rows), chosen.randint(1, short.num_rows))
        pieces.append(piece)
        rows += piece.num_rows
    table = pa.concat_tables(pieces).slice(0, MIXED_ROWS).combine_chunks()
    return table.append_column("row", pa.array(range(table.num_rows), pa.int64()))


# Parquet has no such types; what stands for them there holds the same values.
STANDS_FOR = {
    pa.timestamp("s"): [pa.timestamp("ms")],
    pa.time32("s"): [pa.time32("ms")],
    pa.date64(): [pa.timestamp("ms"), pa.date32()],
    pa.decimal32(5, 2): [pa.decimal128(5, 2)],
    pa.decimal64(15, 4): [pa.decimal128(15, 4)],
    **{
        pa.timestamp("s", zone): [pa.timestamp("ms", zone), pa.timestamp("ms", "UTC")]
        for zone in ("UTC", "+02:00", "Europe/Berlin")
    },
}
