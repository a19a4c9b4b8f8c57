"""What a lake does, beyond what the tour shows."""

import datetime as dt
import decimal
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
import pytest

import cidlake

TABLE = pa.table({"n": [1, 2, 3, 4], "s": ["a", "b", None, "d"]})


def test_append_upsert_key_partitions_and_metadata(lake: cidlake.Lake) -> None:
    stored = lake.store(TABLE, "t", key="n", partition_by=["s"], metadata={"who": "me"}, message="the first")
    assert (stored.rows, stored.columns, stored.key, stored.partition_by) == (4, 2, ["n"], ["s"])
    assert stored.metadata == {"who": "me"}
    more = pa.table({"n": [5], "s": ["e"]})
    assert lake.store(more, "t", append=True).rows == 5
    changed = pa.table({"n": [5, 6, 1], "s": ["f", "g", "a"]})
    upserted = lake.store(changed, "t", upsert=True).upserted
    assert upserted == cidlake.Upserted(rows_updated=1, rows_inserted=1, rows_unchanged=1)
    shown = lake.show("t")
    assert (shown.kind, shown.rows, shown.key, shown.partition_by) == ("table", 6, ["n"], ["s"])
    assert shown.time is not None and abs(dt.datetime.now(dt.timezone.utc) - shown.time) < dt.timedelta(hours=1)
    assert sum(part.rows for part in shown.parts) == 6
    assert [version.message for version in lake.log("t")] == [None, None, "the first"]
    log = lake.log("t", limit=1)
    assert (len(log), log.end, log.name) == (1, "more", "t")
    assert [version.back for version in lake.log("t", start=log.next)] == [1, 2]
    assert lake.store(changed, "t", key=[]).key == []


def test_files_and_folders_of_files(lake: cidlake.Lake, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for index in range(2):
        pa.parquet.write_table(TABLE.slice(index * 2, 2), folder / f"{index}.parquet")
    whole = lake.store(TABLE).cid
    assert lake.store(folder).cid == whole
    assert lake.store(sorted(folder.iterdir())).cid == whole
    assert lake.store(pa.dataset.dataset(folder)).cid == whole
    (tmp_path / "t.csv").write_text("n,s\n1,a\n")
    assert lake.store(str(tmp_path / "t.csv"), "csv").rows == 1


def test_columns_filters_and_limits(lake: cidlake.Lake) -> None:
    lake.store(TABLE, "t")
    assert lake.get("t", columns=["s", "n"]).columns == ["s", "n"]
    assert lake.get("t", columns=[]).columns == []
    assert lake.get("t", limit=2).to_pylist() == TABLE.slice(0, 2).to_pylist()
    filters = [
        "n > 2",
        [("n", ">", 2)],
        [("n", "in", {3, 4})],
        [("n", ">", np.int64(2))],
        [[("n", "=", 3)], [("n", "=", 4)]],
    ]
    for filter in filters:
        assert lake.get("t", columns="n", filter=filter).to_arrow()["n"].to_pylist() == [3, 4]


def test_parameters(lake: cidlake.Lake) -> None:
    moment = dt.datetime(2026, 1, 31, 12, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    values = [
        (None, None), (True, True), (7, 7), (2**63 - 1, 2**63 - 1), (1.5, 1.5), ("it's", "it's"),
        (np.int32(3), 3), (np.float64(0.5), 0.5), (np.bool_(True), True), (np.str_("x"), "x"),
        (decimal.Decimal("1.50"), decimal.Decimal("1.50")), (dt.date(2026, 1, 31), dt.date(2026, 1, 31)),
        (dt.datetime(2026, 1, 31, 12), dt.datetime(2026, 1, 31, 12)),
        (np.datetime64("2026-01-31T12:00", "ns"), dt.datetime(2026, 1, 31, 12)), (pd.NaT, None), (pd.NA, None),
        (np.datetime64("NaT"), None), (moment, dt.datetime(2026, 1, 31, 10)), (pd.Timestamp("2026-01-31"), dt.datetime(2026, 1, 31)),
    ]
    for given, expected in values:
        assert lake.sql("SELECT $1 AS v", [given]).to_pylist() == [{"v": expected}], given
        assert lake.sql("SELECT $v AS v", {"v": given}).to_pylist() == [{"v": expected}], given
    assert lake.sql("SELECT ? + ? AS v", (1, 2)).to_pylist() == [{"v": 3}]


def test_statements_that_write_run_once(lake: cidlake.Lake) -> None:
    made = lake.sql("CREATE TABLE t AS SELECT 1 AS n", write=True)
    for _ in range(3):
        assert made.to_pylist()[0]["rows"] == 1
    inserted = lake.sql("INSERT INTO t VALUES ($1)", [2], write=True)
    assert inserted.to_arrow().num_rows == inserted.to_polars().height == 1
    assert len(lake.log("t")) == 2


def test_diff(lake: cidlake.Lake) -> None:
    lake.store(TABLE, "t", key="n", metadata={"v": "1"})
    lake.store(pa.table({"n": [1, 2, 9], "s": ["a", "B", None]}), "t", metadata={"v": "2"})
    difference = lake.diff("t~1", "t")
    assert not difference.same
    assert (difference.rows_removed, difference.rows_added, difference.rows_changed) == (2, 1, 1)
    assert difference.removed.to_arrow()["n"].to_pylist() == [3, 4]
    assert difference.added.to_pandas()["n"].tolist() == [9]
    assert difference.changed_columns == [["s"]]
    assert difference.metadata == {"v": ("1", "2")}
    assert (difference.a.rows, difference.b.rows, difference.key) == (4, 3, ["n"])
    assert "rows added" in difference._repr_html_()
    assert lake.diff("t~1", "t", key=[], samples=0).rows_added == 2


def test_datasets_drop_and_versions(lake: cidlake.Lake) -> None:
    lake.store(TABLE, "b.two", metadata={"<b>": "<i>"})
    lake.store(TABLE, "one")
    datasets = lake.datasets()
    assert [(dataset.name, dataset.rows, dataset.columns) for dataset in datasets] == [("b.two", 4, 2), ("one", 4, 2)]
    html = datasets._repr_html_()
    assert "<table>" in html and "b.two" in html and "2 datasets" in html
    dropped = lake.drop("one")
    assert lake.get(dropped.commit).to_arrow().equals(TABLE)
    assert [dataset.name for dataset in lake.datasets()] == ["b.two"]


def test_files(lake: cidlake.Lake, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "x.txt").write_bytes(b"0123456789")
    added = lake.add(tmp_path / "folder")
    assert (added.name, added.bytes) == ("folder", 10)
    assert lake.cat(f"{added.cid}/x.txt") == b"0123456789"
    assert lake.cat(f"{added.cid}/x.txt", start=3, end=5) == b"34"
    assert lake.cat(f"{added.cid}/x.txt", start=8, end=99) == b"89"
    assert lake.add(bytearray(b"0123456789")).cid == lake.add(b"0123456789").cid
    stored = lake.store(TABLE, "t")
    exported = lake.export("t", tmp_path / "t.car")
    assert (exported.cid, exported.commit) == (stored.cid, stored.commit)
    assert Path(exported.path).stat().st_size == exported.bytes


def test_a_lake_is_pickled_by_its_folder(lake: cidlake.Lake) -> None:
    lake.store(TABLE, "t")
    with pickle.loads(pickle.dumps(lake)) as other:
        assert other.path == lake.path
        assert other.get("t").to_arrow().equals(TABLE)


def test_what_another_process_stores_is_seen(lake: cidlake.Lake) -> None:
    script = (
        "import sys, cidlake\n"
        "with cidlake.Lake(sys.argv[1]) as lake:\n"
        "    lake.sql('CREATE TABLE theirs AS SELECT 7 AS n', write=True)\n"
    )
    subprocess.run([sys.executable, "-c", script, lake.path], check=True)
    assert lake.get("theirs").to_pylist() == [{"n": 7}]


def test_nothing_but_the_standard_library_is_imported(lake: cidlake.Lake) -> None:
    script = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "import cidlake\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "assert new - set(sys.stdlib_module_names) == {'cidlake'}, new\n"
        "with cidlake.Lake(sys.argv[1]) as lake:\n"
        "    assert lake.sql('SELECT 1 AS n').to_pylist() == [{'n': 1}]\n"
        "    repr(lake.sql('SELECT 1 AS n')); lake.datasets()._repr_html_()\n"
        "loaded = {'pandas', 'polars', 'pyarrow', 'numpy', 'tqdm'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", script, lake.path], check=True)


def test_progress_is_told(lake: cidlake.Lake) -> None:
    events: list[tuple[str, int, int | None, str]] = []
    rows = 3_000_000
    table = pa.table({"n": np.random.default_rng(1).integers(0, 1 << 60, rows)})
    lake.store(table, "t", progress=lambda *event: events.append(event))
    assert events
    assert any(phase and 0 < done <= rows and total == rows for phase, done, total, _ in events)
    assert {unit for *_, unit in events} <= {"rows", "B"}


def test_progress_that_fails_ends_the_work(lake: cidlake.Lake) -> None:
    def fails(*event: object) -> None:
        raise RuntimeError("no more")

    table = pa.table({"n": np.random.default_rng(1).integers(0, 1 << 60, 3_000_000)})
    with pytest.raises(RuntimeError, match="no more"):
        lake.store(table, "t", progress=fails)
    assert lake.datasets() == []


def test_a_bar_is_drawn_where_it_is_asked_for(lake: cidlake.Lake, capsys: pytest.CaptureFixture[str]) -> None:
    table = pa.table({"n": np.random.default_rng(1).integers(0, 1 << 60, 3_000_000)})
    lake.store(table, "t", progress=True)
    assert "storing" in capsys.readouterr().err
    lake.store(table.slice(1), "t", progress=False)
    lake.store(table.slice(2), "t")
    assert capsys.readouterr().err == ""
