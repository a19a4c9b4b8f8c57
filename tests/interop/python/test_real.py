"""Real tables: what comes back is what pyarrow reads from the file that went in."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from driver import FAILURE
from sameness import assert_same

DATA = Path(os.environ.get("CIDLAKE_DATA", "absent"))
CORPUS = sorted((DATA / "parquet-testing").rglob("*.parquet"))

# Files that pyarrow reads and the lake may refuse, each with the reason.
MAY_BE_REFUSED: dict[str, str] = {
    "datapage_v1-corrupt-checksum.parquet": "a page is not what its checksum says",
    "rle-dict-uncompressed-corrupt-checksum.parquet": "a page is not what its checksum says",
    "dict-page-offset-zero.parquet": "its footer has a list of another type than the format says",
    "nation.dict-malformed.parquet": "the size in the header of its dictionary page is wrong",
    "large_string_map.brotli.parquet": "one text of 2 GiB, more than an array of a batch holds",
}
# INT96 timestamps that nanoseconds cannot hold: pyarrow lets them wrap around unless told
# otherwise, and in microseconds still wraps the one in the year 290000.
BEYOND_NANOSECONDS = "int96_from_spark.parquet"


def readable(path: Path) -> pa.Table | None:
    """What pyarrow reads, if it does."""
    unit = "us" if path.name == BEYOND_NANOSECONDS else "ns"
    try:
        return pq.read_table(path, coerce_int96_timestamp_unit=unit)
    except (pa.ArrowException, OSError):
        return None


def test_hits_comes_back(lake, data):
    path = data / "clickbench_nano_hits.parquet"
    want = pq.read_table(path)
    stored = lake.store(path, name="hits")
    assert stored["rows"] == want.num_rows == 24_586
    assert_same(want, lake.get("hits"), loose=True)
    assert_same(want, pq.read_table(lake.get_file("hits", "parquet")), loose=True)
    some = ["URL", "WatchID", "EventDate"]
    assert_same(want.select(some), lake.get("hits", "--columns", ",".join(some)), loose=True)
    shown = lake.json("show", "hits")
    assert len(shown["columns"]) == 105 and sum(part["rows"] for part in shown["parts"]) == 24_586


def test_eight_files_are_one_dataset(lake, data):
    paths = sorted((data / "covid19_nyt").glob("*.parquet"))
    assert len(paths) == 8
    want = pa.concat_tables(pq.read_table(path) for path in paths)
    stored = lake.store(*paths, name="covid")
    assert stored["rows"] == want.num_rows > 1_000_000
    assert_same(want, lake.get("covid"), loose=True)
    again = lake.store(*paths, name="covid")
    assert (again["cid"], again["new_bytes"]) == (stored["cid"], 0)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_the_corpus_of_the_parquet_project(lake, path):
    want = readable(path)
    if want is None:
        # Damaged, or legal for others: either is fine, but never a panic and never half a table.
        done = lake.run("store", path, "--name", "t", code=(0, FAILURE))
        assert lake.names() == ([] if done.returncode else ["t"])
        return
    if path.name in MAY_BE_REFUSED:
        assert path.name in lake.refuse("store", path, "--name", "t", code=FAILURE)
        return
    assert lake.store(path, name="t")["rows"] == want.num_rows
    have = lake.get("t")
    if path.name == BEYOND_NANOSECONDS:
        assert have.column(0).cast(pa.int64())[5].as_py() == 9_089_380_393_200_000_000
        want, have = want.slice(0, 5), have.slice(0, 5)
    assert_same(want, have, loose=True)


def test_the_corpus_is_there(data):
    """Without this, an empty folder would pass."""
    assert len(CORPUS) > 60 and len(damaged()) > 5


def damaged() -> list[Path]:
    """Files that nobody can read: encrypted ones, and the corpus of damage where it is there."""
    folder = DATA / "parquet-testing"
    return sorted([*folder.rglob("*.parquet.encrypted"), *DATA.rglob("bad_data/*.parquet")])


@pytest.mark.parametrize("path", damaged(), ids=lambda path: path.name)
def test_unreadable_files_are_refused(lake, path):
    errors = lake.refuse("store", path, "--name", "t", "--input-format", "parquet", code=FAILURE)
    assert path.name in errors
    assert lake.names() == []
