"""The CID of a table is a function of its rows and canonical types, and of nothing else."""

import time

import pyarrow as pa
import pyarrow.ipc as ipc
import pytest

from driver import NOT_FOUND, Lake, write_parquet
from sameness import assert_same

ROWS = 5000
TABLE = pa.table(
    {
        "id": pa.array(range(ROWS), pa.int64()),
        "text": [None if row % 7 == 0 else f"row {row % 100}" for row in range(ROWS)],
    }
)


def changed(row: int) -> pa.Table:
    """The table with one value of one row changed."""
    texts = TABLE["text"].to_pylist()
    texts[row] = "another"
    return TABLE.set_column(1, "text", pa.array(texts))


def test_the_same_rows_have_the_same_cid_later_and_elsewhere(lake, tmp_path):
    """I2: time, name, metadata, lake and key do not matter, and nothing is stored twice."""
    first = lake.store_table(TABLE, "a")
    assert first["new_bytes"] > first["bytes"] > 0
    time.sleep(1.1)
    again = lake.store_table(TABLE, "a")
    assert (again["cid"], again["commit"], again["new_bytes"]) == (first["cid"], first["commit"], 0)
    size = lake.size()
    other = lake.store(lake.folder / "in-a.arrow", "--metadata", "k=v", name="b")
    assert other["cid"] == first["cid"] and other["commit"] != first["commit"]
    assert 0 < other["new_bytes"] < first["bytes"]
    # A commit and a delta are new, and a frame around each; the table is not.
    assert lake.size() - size < first["new_bytes"]
    (tmp_path / "x").mkdir()
    assert Lake(tmp_path / "x").store_table(TABLE, "z")["cid"] == first["cid"]


def test_how_rows_arrive_does_not_matter(lake):
    """Batches, files, formats and encodings of the same values are the same table."""
    cid = lake.store_table(TABLE, "plain")["cid"]
    in_batches = lake.folder / "batches.arrow"
    with ipc.new_stream(in_batches, TABLE.schema) as writer:
        for batch in TABLE.to_batches(max_chunksize=617):
            writer.write_batch(batch)
    halves = [
        write_parquet(TABLE.slice(0, 2001), lake.folder / "half-1.parquet"),
        write_parquet(TABLE.slice(2001), lake.folder / "half-2.parquet", compression="gzip"),
    ]
    single = write_parquet(TABLE, lake.folder / "one.parquet", row_group_size=100)
    for sources in ([in_batches], halves, [single]):
        assert lake.store(*sources, name="t")["cid"] == cid, sources
    for kind in (pa.large_string(), pa.string_view(), pa.dictionary(pa.int16(), pa.string())):
        encoded = TABLE.set_column(1, "text", TABLE["text"].cast(kind))
        assert lake.store_table(encoded, "t")["cid"] == cid, kind
    with_words = TABLE.replace_schema_metadata({"who": "me"})
    assert lake.store_table(with_words, "t")["cid"] == cid


@pytest.mark.parametrize("row", [0, 1000, 1001, ROWS - 1])
def test_one_changed_value_is_another_table(lake, row):
    """I3: every row counts, also those behind the thousandth; both tables stay readable."""
    table, other = TABLE, changed(row)
    cids = [lake.store_table(table, "a")["cid"], lake.store_table(other, "b")["cid"]]
    assert cids[0] != cids[1]
    assert_same(table, lake.get(cids[0]))
    assert_same(other, lake.get(cids[1]))


def test_order_names_and_types_count(lake):
    others = [
        TABLE.slice(1).take(list(range(ROWS - 1))),
        TABLE.take(list(range(ROWS - 1, -1, -1))),
        TABLE.rename_columns(["id", "words"]),
        TABLE.select(["text", "id"]),
        TABLE.set_column(0, "id", TABLE["id"].cast(pa.int32())),
    ]
    cids = {lake.store_table(table, "t")["cid"] for table in [TABLE, *others]}
    assert len(cids) == 1 + len(others)


def test_versions_stay_readable_and_dropped_names_are_gone(lake):
    """N8: after a drop the name is not found, however warm the cache; the CID still is."""
    old, new = lake.store_table(TABLE, "t"), lake.store_table(changed(3), "t")
    assert_same(TABLE, lake.get("t~1"))
    assert_same(TABLE, lake.get(f"t@{old['commit']}"))
    assert_same(changed(3), lake.get("t"))
    lake.run("drop", "t")
    lake.refuse("get", "t", code=NOT_FOUND)
    assert_same(changed(3), lake.get(new["cid"]))


def test_appended_rows_come_after(lake):
    lake.store_table(TABLE, "t")
    more = TABLE.slice(0, 10)
    source = write_parquet(more, lake.folder / "more.parquet")
    assert lake.store(source, "--append", name="t")["rows"] == ROWS + 10
    assert_same(pa.concat_tables([TABLE, more]), lake.get("t"))


def test_the_folder_can_be_moved(lake):
    """N3: nothing inside says where it is."""
    cid = lake.store_table(TABLE, "t")["cid"]
    moved = lake.folder / "moved"
    lake.path.rename(moved)
    assert_same(TABLE, Lake(lake.folder, moved).get(cid))
