"""What goes wrong says what and where, and loses nothing."""

import datetime as dt
import shutil
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import cidlake

TABLE = pa.table({"n": [1, 2, 3]})


def generator() -> object:
    yield from TABLE.to_batches()


class Frame(pd.DataFrame):
    """As libraries build upon pandas."""

    @property
    def _constructor(self) -> type:
        return Frame


REFUSED = {
    "mixed": (pd.DataFrame({"good": [1, 2], "bad one": [1, "two"]}), "bad one"),
    "mixed with None": (pd.DataFrame({"bad": [b"x", None, "two"]}), "bad"),
    "days and moments": (pd.DataFrame({"bad": [dt.date(2026, 1, 1), dt.datetime(2026, 1, 2, 12, 30)]}), "bad"),
    "zones": (
        pd.DataFrame({"bad": pd.Series([pd.Timestamp(0), pd.Timestamp(0, tz="UTC")], dtype=object)}),
        "bad",
    ),
    "moments of numpy and texts": (
        pd.DataFrame({"bad": pd.Series([np.datetime64("2026-01-01"), "x"], dtype=object)}),
        "bad",
    ),
    "a mixed index": (pd.DataFrame({"k": [1, 2]}, index=pd.Index([b"a", "b"], name="bad")), "bad"),
    "a mixed index without a name": (pd.DataFrame({"k": [1, 2]}, index=[1, "a"]), "the index"),
    "numbered columns of a subclass": (Frame([[1, 2]]), "0"),
    "an object": (pd.DataFrame({"bad": [object(), object()]}), "bad"),
    "numbered columns": (pd.DataFrame([[1, 2]]), "0"),
    "columns of levels": (
        pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])),
        r"\('a', 'b'\)",
    ),
    "twins": (pd.DataFrame([[1, 2]], columns=["twin", "twin"]), "twin"),
    "twins of arrow": (pa.Table.from_arrays([pa.array([1])] * 2, names=["twin", "twin"]), "twin"),
    "index and column": (pd.DataFrame({"k": [1]}, index=pd.Index([1], name="k")), "'k'"),
    "a numbered index": (pd.DataFrame({"k": [1]}, index=pd.Index([1], name=7)), "7"),
    "a series": (pd.Series([1], name="s"), "to_frame"),
    "a series of polars": (pl.Series("s", [1]), "to_frame"),
    "objects of polars": (pl.DataFrame({"bad": pl.Series([object()], dtype=pl.Object)}), "bad"),
    "an array": (pa.array([1, 2]), "table"),
    "a chunked array": (pa.chunked_array([pa.array([{"a": 1}, None])]), "column"),
    "a generator": (generator(), "generator"),
    "a dict": ({"n": [1]}, "DataFrame"),
    "dicts": ([{"n": 1}], "DataFrame"),
    "nothing": (None, "NoneType"),
    "a number": (7, "int"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_table_is_refused_by_name(lake: cidlake.Lake, kind: str) -> None:
    frame, named = REFUSED[kind]
    with pytest.raises(cidlake.InvalidError, match=named) as raised:
        lake.store(frame, name="t")
    assert raised.value.hint or "rename" in str(raised.value)
    assert isinstance(raised.value, ValueError)
    assert lake.datasets() == []


def test_errors_are_a_family(lake: cidlake.Lake) -> None:
    lake.store(TABLE, name="numbers")
    cases = [
        (lambda: lake.get("numbrs"), cidlake.NotFoundError, "numbers"),
        (lambda: lake.get("Not A Name"), cidlake.UsageError, "Not A Name"),
        (lambda: lake.get("numbers", columns=["m"]), cidlake.InvalidError, "m"),
        (lambda: lake.get("numbers", filter="n ="), cidlake.InvalidError, None),
        (lambda: lake.get("numbers", filter=[("n", "~", 1)]), cidlake.InvalidError, "~"),
        (lambda: lake.get("numbers", filter=[("n", "=", object())]), cidlake.UsageError, "object"),
        (lambda: lake.get("numbers", limit=-1), cidlake.UsageError, "-1"),
        (lambda: lake.diff("numbers", "numbers", samples=-1), cidlake.UsageError, "-1"),
        (lambda: lake.sql("SELECT INTERVAL '1 day' AS i").to_pylist(), cidlake.InvalidError, "i"),
        (lambda: lake.sql("SELECT a.n, b.n FROM numbers a, numbers b").to_pylist(), cidlake.InvalidError, "n"),
        (lambda: lake.sql("SELEC 1"), cidlake.InvalidError, "SELEC"),
        (lambda: lake.sql("SELECT * FROM nothing"), cidlake.NotFoundError, "nothing"),
        (lambda: lake.sql("DELETE FROM numbers"), cidlake.InvalidError, None),
        (lambda: lake.sql("SELECT 1; SELECT 2"), cidlake.InvalidError, None),
        (lambda: lake.sql("SELECT $1"), cidlake.InvalidError, r"\$1"),
        (lambda: lake.sql("SELECT 1", timeout=-1), cidlake.UsageError, "-1"),
        (lambda: lake.store(TABLE, name="a/b"), cidlake.UsageError, "a/b"),
        (lambda: lake.store(TABLE, name="new", append=True), cidlake.NotFoundError, "new"),
        (lambda: lake.store(TABLE, name="x", append=True, upsert=True), cidlake.UsageError, None),
        (lambda: lake.store(TABLE, name="x", key="m"), cidlake.InvalidError, "m"),
        (lambda: lake.store(TABLE, name="x", metadata={"a": 1}), cidlake.UsageError, "a"),
        (lambda: lake.store("no such file.csv", name="x"), cidlake.NotFoundError, "no such file"),
        (lambda: lake.drop("nothing"), cidlake.NotFoundError, "nothing"),
        (lambda: lake.show("bafkreia"), cidlake.UsageError, "bafkreia"),
        (lambda: lake.cat("numbers", start=3, end=2), cidlake.UsageError, "3"),
        (lambda: lake.diff("numbers", "numbers", key="m"), cidlake.InvalidError, "m"),
        (lambda: lake.export("nothing", "x.car"), cidlake.NotFoundError, "nothing"),
        (lambda: lake.add("no such folder"), cidlake.NotFoundError, "no such folder"),
    ]
    for call, kind, named in cases:
        with pytest.raises(kind, match=named) as raised:
            call()
        assert isinstance(raised.value, cidlake.Error)
        assert raised.value.kind == kind.kind
    assert [dataset.name for dataset in lake.datasets()] == ["numbers"]


def test_parameters_of_types_without_a_counterpart_are_refused(lake: cidlake.Lake) -> None:
    with pytest.raises(TypeError, match=r"\$2.*list"):
        lake.sql("SELECT $1, $2", [1, [2]])
    with pytest.raises(TypeError, match=r"\$1.*timedelta64"):
        lake.sql("SELECT $1", [np.timedelta64(1, "s")])
    with pytest.raises(TypeError, match="params is a text"):
        lake.sql("SELECT $1", "text")


def test_a_closed_lake_says_so(tmp_path: Path) -> None:
    lake = cidlake.Lake(tmp_path / "closed one")
    lake.store(TABLE, name="t")
    result = lake.get("t")
    lake.close()
    lake.close()
    assert lake.closed and "closed" in repr(lake)
    for call in (lake.datasets, lambda: lake.store(TABLE, name="u"), lambda: lake.sql("SELECT 1"), result.to_arrow):
        with pytest.raises(cidlake.UsageError, match="closed one"):
            call()


def test_an_absent_lake_is_not_made_where_it_must_exist(tmp_path: Path) -> None:
    with pytest.raises(cidlake.NotFoundError, match="nowhere"):
        cidlake.Lake(tmp_path / "nowhere", create=False)
    assert not (tmp_path / "nowhere").exists()


def test_a_lake_whose_folder_is_gone_names_it(tmp_path: Path) -> None:
    lake = cidlake.Lake(tmp_path / "gone")
    lake.store(TABLE, name="t")
    shutil.rmtree(tmp_path / "gone")
    with pytest.raises(cidlake.Error, match="gone"):
        lake.store(pa.table({"n": [4]}), name="t")
    with pytest.raises(cidlake.Error, match="gone"):
        lake.sql("SELECT sum(n) FROM t")


def test_what_ends_a_stream_is_raised_as_what_it_was(tmp_path: Path) -> None:
    lake = cidlake.Lake(tmp_path / "lake")
    stored = lake.store(pa.table({"s": [str(n) * 20 for n in range(50_000)]}), name="t")
    lake.close()
    damaged = 0
    for pack in (tmp_path / "lake" / "packs").glob("*.car"):
        raw = bytearray(pack.read_bytes())
        for place in range(2000, len(raw) - 4000, 3000):
            raw[place] ^= 0xFF
            damaged += 1
        pack.write_bytes(raw)
    assert damaged
    lake = cidlake.Lake(tmp_path / "lake")
    rows = lake.get(stored.commit)
    for read in (rows.to_arrow, rows.to_polars, rows.to_pandas, rows.to_pylist, lambda: len(rows)):
        with pytest.raises(cidlake.CorruptError):
            read()
    with pytest.raises(cidlake.CorruptError):
        lake.store(rows, name="copy")
    # Who goes on reading is told again, and does not take what is missing for the end.
    reader = rows.to_reader()
    for _ in range(2):
        with pytest.raises(Exception, match="damaged|does not match"):
            reader.read_all()


def test_a_result_that_cannot_be_stored_says_why(lake: cidlake.Lake) -> None:
    lake.store(pa.table({"n": range(4000)}), name="base")
    many = " UNION ALL ".join(["SELECT a.n FROM base a, base b"] * 50)
    slow = lake.sql(many, timeout=1)
    with pytest.raises(cidlake.UnavailableError, match="longer than"):
        lake.store(slow, name="t")


def test_threads_that_use_a_closed_lake_all_hear_of_it(tmp_path: Path) -> None:
    lake = cidlake.Lake(tmp_path / "lake")
    lake.close()
    heard: list[int] = []

    def use() -> None:
        for _ in range(2000):
            try:
                lake.datasets()
            except cidlake.UsageError:
                heard.append(1)

    threads = [threading.Thread(target=use, daemon=True) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(heard) == 12_000


def test_a_failed_store_leaves_nothing(lake: cidlake.Lake) -> None:
    def batches() -> object:
        yield from TABLE.to_batches()
        raise RuntimeError("the source broke")

    reader = pa.RecordBatchReader.from_batches(TABLE.schema, batches())
    with pytest.raises(cidlake.InvalidError, match="the source broke"):
        lake.store(reader, name="t")
    assert lake.datasets() == []
