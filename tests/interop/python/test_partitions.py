"""A partitioned table as the folders that it is, read by those who know such folders.

The folders are written to a disk as they are in the lake, and read by pyarrow, DuckDB and polars without
being told what is in them.
"""

import datetime
from pathlib import Path
from urllib.parse import unquote

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

DAYS = [datetime.date(2026, 1, 30), None, datetime.date(2026, 1, 31)]
TEXTS = ["a/b", "Zürich 東京", "100%", "x=y&z", "a b+c", "1:2", "{?}", None]


def table() -> pa.Table:
    rows = 240
    return pa.table(
        {
            "n": pa.array(range(rows), pa.int64()),
            "text": pa.array([TEXTS[row % len(TEXTS)] for row in range(rows)], pa.string()),
            "day": pa.array([DAYS[row % len(DAYS)] for row in range(rows)], pa.date32()),
            "value": pa.array([row / 7 for row in range(rows)], pa.float64()),
        }
    )


class Stored:
    """A table partitioned by some columns, and its folders on a disk."""

    def __init__(self, lake, columns: list[str]):
        self.lake, self.table, self.columns = lake, table(), columns
        lake.store_table(self.table, "flat")
        source = lake.get_file("flat", "arrow")
        lake.store(source, "--partition-by", ",".join(columns), name="t")
        self.folder = lake.folder / "folders"
        self.write("t", self.folder)

    def write(self, reference: str, into: Path):
        """Writes a folder of the lake to the disk."""
        into.mkdir()
        for entry in self.lake.json("ls", reference):
            path = into / entry["name"]
            if entry["kind"] == "directory":
                self.write(entry["cid"], path)
            else:
                path.write_bytes(self.lake.cat(entry["cid"]))

    def rows(self, columns=("n", "text", "day", "value")) -> list[dict]:
        """The rows that were stored, by number."""
        return self.table.select(list(columns)).sort_by("n").to_pylist()


@pytest.fixture(params=[["text"], ["day"], ["day", "text"]], ids="/".join)
def stored(lake, request) -> Stored:
    return Stored(lake, request.param)


def test_rows_come_back_in_the_order_of_partitions(stored):
    read = stored.lake.get("t")
    assert read.schema.equals(stored.table.schema)

    def partition(row: dict):
        return [(row[name] is not None, row[name]) for name in stored.columns]

    assert read.to_pylist() == sorted(stored.table.to_pylist(), key=partition)


def test_pyarrow_reads_the_folders(stored):
    typed = pa.schema([stored.table.schema.field(name) for name in stored.columns])
    hive = ds.partitioning(typed, flavor="hive")
    read = ds.dataset(stored.folder, partitioning=hive).to_table()
    assert read.select(stored.table.column_names).sort_by("n").to_pylist() == stored.rows()
    # Without being told, values of text are the same, and files of one folder are one partition.
    guessed = pq.read_table(stored.folder)
    assert guessed.num_rows == stored.table.num_rows
    if stored.columns == ["text"]:
        # They come as a dictionary, which pyarrow does not sort where it has nulls.
        texts = sorted(guessed.select(["n", "text"]).to_pylist(), key=lambda row: row["n"])
        assert texts == stored.rows(["n", "text"])


def test_duckdb_reads_the_folders(stored):
    files = f"read_parquet('{stored.folder}/**/*.parquet', hive_partitioning = true)"
    read = duckdb.sql(f"SELECT n, text, day, value FROM {files} ORDER BY n").to_arrow_table()
    assert read.to_pylist() == stored.rows()


def test_polars_reads_the_folders(stored):
    typed = {"text": pl.String, "day": pl.Date}
    hive = {name: typed[name] for name in stored.columns}
    read = pl.scan_parquet(stored.folder, hive_partitioning=True, hive_schema=hive).collect()
    assert read.select(stored.table.column_names).sort("n").to_dicts() == stored.rows()


def test_folders_that_pyarrow_writes_mean_the_same(stored, tmp_path):
    theirs = tmp_path / "theirs"
    pq.write_to_dataset(stored.table, theirs, partition_cols=stored.columns)
    # They encode more characters than need be; what the names say is what counts.
    said = [
        {unquote(file.relative_to(folder).parent.as_posix()) for file in folder.rglob("*.parquet")}
        for folder in (stored.folder, theirs)
    ]
    assert said[0] == said[1]


def test_filters_mean_what_they_mean_without_folders(stored):
    wanted = [row["n"] for row in stored.rows() if row["text"] == "a/b"]
    read = stored.lake.sql("SELECT n FROM t WHERE text = 'a/b' ORDER BY n")
    assert read.column("n").to_pylist() == wanted
