"""Results: read by everything that speaks Arrow, as often as one likes."""

import time

import duckdb
import nanoarrow
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import cidlake

TABLE = pa.table({"n": range(5), "s": ["a", "b", None, "d", "<e>"]})
# More than is kept of a statement's answer.
LARGE_ROWS = 16_000_000
LARGE = "SELECT a.n * 4000 + b.n AS n FROM base a, base b"


@pytest.fixture
def large(lake: cidlake.Lake) -> cidlake.Result:
    """An answer that is not kept."""
    lake.store(pa.table({"n": range(4000)}), "base")
    return lake.sql(LARGE)


@pytest.fixture(params=["get", "sql"])
def result(request: pytest.FixtureRequest, lake: cidlake.Lake) -> cidlake.Result:
    lake.store(TABLE, "t")
    return lake.get("t") if request.param == "get" else lake.sql("SELECT * FROM t ORDER BY n")


def test_readers_take_it(result: cidlake.Result) -> None:
    rows = TABLE.to_pylist()
    assert result.to_pylist() == rows
    for _ in range(2):
        assert result.to_arrow().to_pylist() == rows
        assert result.to_polars().to_dicts() == rows
        assert result.to_pandas()["n"].tolist() == [0, 1, 2, 3, 4]
        assert pa.table(result).to_pylist() == rows
        assert pa.RecordBatchReader.from_stream(result).read_all().to_pylist() == rows
        assert result.to_reader().read_all().to_pylist() == rows
        assert pl.DataFrame(result).to_dicts() == rows
        assert pd.DataFrame.from_arrow(result)["s"].tolist()[4] == "<e>"
        assert duckdb.sql("SELECT sum(n) FROM result").fetchall() == [(10,)]
        assert duckdb.sql("SELECT count(*) FROM result WHERE s IS NULL").fetchall() == [(1,)]
        assert nanoarrow.ArrayStream(result).read_all().to_pylist()[0]["n"] == 0


def test_a_schema_is_told_without_rows(result: cidlake.Result) -> None:
    assert result.columns == ["n", "s"]
    assert pa.schema(result).names == ["n", "s"]
    assert set(result.schema) == {"n", "s"}


def test_a_requested_schema_is_followed(result: cidlake.Result) -> None:
    wanted = pa.schema([("n", pa.int32()), ("s", pa.large_string())])
    reader = pa.RecordBatchReader.from_stream(result, schema=wanted)
    assert reader.read_all().schema.types == [pa.int32(), pa.large_string()]


def test_a_requested_schema_loses_no_value(lake: cidlake.Lake) -> None:
    lake.store(pa.table({"n": [1, 1000], "s": ["a\0b", "c"]}), "t")
    result = lake.get("t")
    with pytest.raises(pa.ArrowException, match="1000"):
        pa.RecordBatchReader.from_stream(result, schema=pa.schema({"n": pa.int8(), "s": pa.string()})).read_all()
    with pytest.raises(pa.ArrowException):
        pa.RecordBatchReader.from_stream(result, schema=pa.schema({"n": pa.int64(), "s": pa.int64()})).read_all()
    # Names are no types: columns stay what they are called, and are never taken by their places.
    others = pa.schema({"q": pa.int64(), "s": pa.string()})
    try:
        names = pa.RecordBatchReader.from_stream(result, schema=others).schema.names
    except pa.ArrowException:
        names = ["n", "s"]
    assert names == ["n", "s"]


def test_a_table_stays_what_it_was(lake: cidlake.Lake) -> None:
    lake.store(TABLE, "t")
    table, answer = lake.get("t"), lake.sql("SELECT sum(n) AS n FROM t")
    assert table.version == lake.show("t").commit
    lake.store(TABLE.slice(3), "t")
    assert table.to_arrow().num_rows == 5
    assert answer.to_pylist() == [{"n": 10}]


def test_a_large_answer_is_computed_again_over_the_same_versions(
    lake: cidlake.Lake, large: cidlake.Result
) -> None:
    lake.store(pa.table({"n": [1]}), "base")
    for _ in range(2):
        assert sum(batch.num_rows for batch in large.to_reader()) == LARGE_ROWS
    assert lake.sql(LARGE).to_pylist() == [{"n": 4001}]


def test_a_large_answer_that_nobody_reads_is_let_go_of(lake: cidlake.Lake, large: cidlake.Result) -> None:
    # As many as there are turns, all of which wait for a reader.
    others = [lake.sql(LARGE, timeout=60) for _ in range(8)]
    started = time.monotonic()
    assert lake.sql("SELECT count(*) AS n FROM (SELECT DISTINCT n FROM base)").to_pylist() == [{"n": 4000}]
    assert time.monotonic() - started < 30
    assert len(large) == LARGE_ROWS
    del others


def test_what_is_small_is_kept_whatever_it_is_a_slice_of(lake: cidlake.Lake) -> None:
    lake.store(pa.table({"n": range(300_000)}), "numbers")
    for query in ("SELECT n, count(*) FROM numbers GROUP BY n", "SELECT n FROM numbers ORDER BY n"):
        assert "300,000 rows" in repr(lake.sql(query)), query


def test_looking_at_a_large_answer_takes_nothing_of_it(lake: cidlake.Lake) -> None:
    lake.store(pa.table({"n": range(4000)}), "base")
    large = lake.sql("SELECT a.n * 4000 + b.n AS n, random() AS r FROM base a, base b")
    shown = repr(large)
    assert shown == repr(large) and "the first 10 rows" in shown and "the first 10 rows" in large._repr_html_()
    first = next(iter(large.to_reader()))
    for line, number in zip(shown.splitlines()[1:11], first["r"].to_pylist()):
        assert str(number)[:10] in line


def test_what_is_stored_of_a_result_is_its_rows(lake: cidlake.Lake, large: cidlake.Result) -> None:
    stored = lake.store(TABLE, "t")
    assert lake.store(lake.get("t"), "u").cid == stored.cid
    assert lake.store(lake.sql("SELECT * FROM t ORDER BY n"), "v").cid == stored.cid
    # Also onto the table that is read.
    assert lake.store(lake.get("t"), "t", append=True).rows == 10
    assert lake.store(large, "large").rows == LARGE_ROWS


def test_it_shows_its_first_rows(lake: cidlake.Lake, large: cidlake.Result) -> None:
    lake.store(TABLE, "t")
    result = lake.get("t")
    assert repr(result) == "n  s\n0  a\n1  b\n2  null\n3  d\n4  <e>\n[5 rows of 2 columns]"
    html = result._repr_html_()
    assert "&lt;e&gt;" in html and "<i>null</i>" in html and "5 rows" in html
    many = lake.sql("SELECT n FROM base WHERE n < 1000")
    assert repr(many).endswith("[1,000 rows of 1 column, the first shown]")
    assert "the first 10 rows" in repr(large)
    assert repr(lake.sql("SELECT 1 AS n WHERE false")) == "n\n[0 rows of 1 column]"
    long = lake.sql("SELECT repeat('x', 500) AS s")
    assert "…" in repr(long) and max(map(len, repr(long).splitlines())) < 100


def test_a_table_without_columns_has_its_rows(lake: cidlake.Lake) -> None:
    lake.store(TABLE, "t")
    nothing = lake.get("t", columns=[])
    assert sum(batch.num_rows for batch in nothing.to_reader()) == 5
    assert nothing.to_pylist() == [{}] * 5


def test_it_has_a_length(lake: cidlake.Lake) -> None:
    lake.store(TABLE, "t")
    assert len(lake.get("t")) == len(lake.sql("SELECT * FROM t")) == 5
    assert not lake.get("t", filter="n > 7")


def test_a_statement_says_how_long_it_took(lake: cidlake.Lake) -> None:
    assert 0 < lake.sql("SELECT 1").seconds < 10
