"""CSV, NDJSON and JSON: types that hold every value, and text that other readers read back."""

import csv
import datetime
import decimal
import io
import json

import pyarrow as pa
import pytest

import tables
from driver import FAILURE, strict_json
from sameness import assert_same

D = decimal.Decimal
UTC = datetime.timezone.utc

CSV = """\
id,code,wide,huge,number,precise,day,moment,zoned,flag,words,none
1,007,18446744073709551615,170141183460469231731687303715884105727,1,1.10,2026-01-31,2026-01-31T12:30:00,2026-01-31T12:30:00Z,true,"a, ""quoted"" word",
-2,42,0,-1,2.5,123456789012345678901.05,1969-12-31,1969-12-31 23:59:59.5,2026-01-31T12:30:00+02:00,FALSE,"two
lines",
,,,,,,,,,,,
9223372036854775807,0,1,0,-1e-3,0.00,0001-01-01,2026-02-28,1970-01-01T00:00:00-01:00,True,ünïcödé 🦆,
"""

CSV_TABLE = pa.table(
    {
        "id": pa.array([1, -2, None, 2**63 - 1], pa.int64()),
        "code": pa.array(["007", "42", None, "0"]),
        "wide": pa.array([2**64 - 1, 0, None, 1], pa.uint64()),
        # 39 digits are beyond any decimal that everybody reads: the text stays as it is.
        "huge": pa.array([str(2**127 - 1), "-1", None, "0"]),
        "number": pa.array([1.0, 2.5, None, -0.001], pa.float64()),
        "precise": pa.array(
            [D("1.10"), D("123456789012345678901.05"), None, D("0.00")], pa.decimal128(38, 2)
        ),
        "day": pa.array(
            [datetime.date(2026, 1, 31), datetime.date(1969, 12, 31), None, datetime.date(1, 1, 1)]
        ),
        "moment": pa.array(
            [
                datetime.datetime(2026, 1, 31, 12, 30),
                datetime.datetime(1969, 12, 31, 23, 59, 59, 500_000),
                None,
                datetime.datetime(2026, 2, 28),
            ],
            pa.timestamp("us"),
        ),
        "zoned": pa.array(
            [
                datetime.datetime(2026, 1, 31, 12, 30, tzinfo=UTC),
                datetime.datetime(2026, 1, 31, 10, 30, tzinfo=UTC),
                None,
                datetime.datetime(1970, 1, 1, 1, tzinfo=UTC),
            ],
            pa.timestamp("us", "UTC"),
        ),
        "flag": pa.array([True, False, None, True]),
        "words": pa.array(['a, "quoted" word', "two\nlines", None, "ünïcödé 🦆"]),
        "none": pa.nulls(4),
    }
)


def store_text(lake, text: str, name: str, extension: str) -> pa.Table:
    path = lake.folder / f"in.{extension}"
    path.write_bytes(text.encode())
    lake.store(path, name=name)
    return lake.get(name)


def test_csv_gets_types_that_hold_every_value(lake):
    assert_same(CSV_TABLE, store_text(lake, CSV, "t", "csv"))


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_other_separators_and_a_byte_order_mark(lake, separator):
    text = "\ufeff" + f"a{separator}b\r\n1{separator}x,y\r\n2{separator}\r\n"
    have = store_text(lake, text, "t", "csv")
    assert_same(pa.table({"a": [1, 2], "b": ["x,y", None]}), have)


ROWS = [
    {"id": 1, "mixed": 1, "word": "a\"\\/\b\f\n\r\tü\u2028🦆", "list": [1, None], "inner": {"a": 1}},
    {"id": 2, "mixed": 2.5, "word": None, "list": [], "inner": None},
    {"id": -3, "list": None, "inner": {"a": None, "b": [True]}, "late": 2**64 - 1},
    {"id": 4, "mixed": -7, "word": "", "list": [2], "inner": {}, "late": 0},
]
ROWS_TABLE = pa.table(
    {
        "id": pa.array([1, 2, -3, 4], pa.int64()),
        "mixed": pa.array([1.0, 2.5, None, -7.0], pa.float64()),
        "word": pa.array([ROWS[0]["word"], None, None, ""]),
        "list": pa.array([[1, None], [], None, [2]], pa.list_(pa.int64())),
        "inner": pa.array(
            [{"a": 1, "b": None}, None, {"a": None, "b": [True]}, {"a": None, "b": None}],
            pa.struct([("a", pa.int64()), ("b", pa.list_(pa.bool_()))]),
        ),
        "late": pa.array([None, None, 2**64 - 1, 0], pa.uint64()),
    }
)


@pytest.mark.parametrize("escaped", [True, False])
def test_ndjson_and_json_are_the_same_table(lake, escaped):
    lines = [json.dumps(row, ensure_ascii=escaped) for row in ROWS]
    assert_same(ROWS_TABLE, store_text(lake, "\n".join(lines), "lines", "ndjson"))
    assert_same(ROWS_TABLE, store_text(lake, f"[{', '.join(lines)}]", "array", "json"))
    assert lake.json("show", "lines")["cid"] == lake.json("show", "array")["cid"]


def test_numbers_among_text_stay_as_they_are_written(lake):
    have = store_text(lake, '{"a": 1.50}\n{"a": "x"}\n{"a": true}\n', "t", "ndjson")
    assert have["a"].to_pylist()[:2] == ["1.50", "x"]


def test_standard_input_is_a_source(lake):
    lake.store("-", "--input-format", "csv", name="t", stdin=b"a,b\n1,x\n")
    assert_same(pa.table({"a": [1], "b": ["x"]}), lake.get("t"))


def test_files_of_other_number_widths_are_one_table(lake):
    (lake.folder / "1.csv").write_text("a,b\n1,1\n2,\n")
    (lake.folder / "2.ndjson").write_text('{"b": 2.5, "a": 9000000000}\n')
    lake.store(lake.folder / "1.csv", lake.folder / "2.ndjson", name="t")
    want = pa.table({"a": pa.array([1, 2, 9_000_000_000]), "b": [1.0, None, 2.5]})
    assert_same(want, lake.get("t"))


def test_text_survives_csv_as_python_reads_it(lake):
    table = pa.table({"t": tables.TEXTS, "n": range(len(tables.TEXTS))})
    lake.store_table(table, "t")
    text = lake.get_file("t", "csv").read_bytes().decode()
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert header == ["t", "n"]
    assert [row[0] for row in rows] == [text or "" for text in tables.TEXTS]


def test_what_was_csv_is_the_same_after_every_text_format(lake):
    """Out as text, in again: the same table, so the same CID."""
    first = store_text(lake, CSV, "t", "csv")
    cid = lake.json("show", "t")["cid"]
    again = lake.store(lake.get_file("t", "csv"), name="again")
    assert again["cid"] == cid
    assert_same(first, lake.get("again"))


@pytest.mark.parametrize("extension", ["json", "ndjson"])
def test_json_comes_back_from_json(lake, extension):
    store_text(lake, "\n".join(map(json.dumps, ROWS)), "t", "ndjson")
    out = lake.get_file("t", extension)
    text = out.read_bytes()
    rows = strict_json(text) if extension == "json" else list(map(strict_json, text.splitlines()))
    assert [row["word"] for row in rows] == [row.get("word") for row in ROWS]
    assert rows[2]["late"] == str(2**64 - 1), "beyond 2^53 a number is text"
    assert rows[3]["inner"] == {"a": None, "b": None}


@pytest.mark.parametrize(
    "name, text",
    [
        ("ragged.csv", b"a,b\n1,2\n1,2,3\n"),
        ("utf16.csv", "a,b\n1,2\n".encode("utf-16")),
        ("latin.csv", b"a,b\n\xe9,2\n"),
        ("twice.csv", b"a,a\n1,2\n"),
        ("empty.csv", b""),
        ("open.json", b'[{"a": 1}, {"a":'),
        ("scalar.json", b"7"),
        ("bare.ndjson", b'{"a": NaN}\n'),
        ("cut.ndjson", b'{"a": 1}\n{"a": '),
        ("twice.ndjson", b'{"a": 1, "a": 2}\n'),
        ("shapes.ndjson", b'{"a": [1]}\n{"a": {"b": 1}}\n'),
    ],
)
def test_bad_text_is_refused_with_the_file_named(lake, name, text):
    path = lake.folder / name
    path.write_bytes(text)
    errors = lake.refuse("store", path, "--name", "t", code=FAILURE)
    assert name in errors
    assert lake.names() == []
