"""Input at the limits and beyond: stored exactly, or refused with the column and the reason.

`test_refusals.py` has names, truncation and damage of the lake itself; here the tables are odd.
"""

import base64
import hashlib
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import pytest

from driver import FAILURE, write_arrow, write_parquet
from sameness import assert_same

WRITERS = [("parquet", write_parquet), ("arrow", write_arrow)]
BEFORE = pa.table({"id": [1, 2, 3]})


@pytest.fixture
def before(lake) -> dict:
    """What `show` says of the dataset that the lake has before anything is refused."""
    lake.store_table(BEFORE, "t")
    return lake.json("show", "t")


def refused(lake, before: dict, path, *words: str):
    """Stores a file as the next version and as a new one: refused for both, and nothing changes."""
    for name in ("t", "other"):
        errors = lake.refuse("store", path, "--name", name, code=FAILURE)
        for word in words:
            assert word in errors, f"{word!r} is not said: {errors}"
    assert lake.names() == ["t"]
    assert lake.json("show", "t") == before
    assert_same(BEFORE, lake.get("t"))
    lake.run("fsck")


# --- shapes


def test_ten_thousand_columns_come_back(lake):
    kinds = [
        lambda n: pa.array([n, None, -n], pa.int64()),
        lambda n: pa.array([f"text {n}", "", None]),
        lambda n: pa.array([n / 7, -0.0, None], pa.float64()),
        lambda n: pa.array([[n], [], None], pa.list_(pa.int32())),
    ]
    table = pa.table({f"column {n}": kinds[n % 4](n) for n in range(10_000)})
    source = write_parquet(table, lake.folder / "wide.parquet")
    stored = lake.store(source, name="t")
    assert stored["rows"] == 3
    assert_same(table, lake.get("t"))
    assert_same(table, pq.read_table(lake.get_file("t", "parquet")), loose=True)
    some = ["column 9999", "column 0"]
    assert_same(table.select(some), lake.get("t", "--columns", ",".join(some)))
    assert lake.store_table(table, "u")["cid"] == stored["cid"]


@pytest.mark.parametrize("extension, write", WRITERS)
def test_no_columns_are_refused(lake, before, extension, write):
    path = write(pa.table({"a": [1, 2]}).select([]), lake.folder / f"none.{extension}")
    refused(lake, before, path, "no columns")


@pytest.mark.parametrize("name, text", [("none.ndjson", "{}\n{}\n"), ("none.json", "[{}]")])
def test_no_columns_in_text_are_refused(lake, before, name, text):
    (lake.folder / name).write_text(text)
    refused(lake, before, lake.folder / name, "no columns", name)


def test_no_rows_round_trip_in_every_format(lake):
    schema = pa.schema(
        [
            ("n", pa.int32()),
            ("f", pa.float64()),
            ("t", pa.string()),
            ("l", pa.list_(pa.struct([("x", pa.timestamp("us", "UTC"))]))),
        ]
    )
    table = schema.empty_table()
    stream = lake.folder / "stream.arrows"
    with ipc.new_stream(stream, schema) as writer:
        writer.write_batch(pa.RecordBatch.from_pylist([], schema))
    bare = lake.folder / "bare.arrows"
    ipc.new_stream(bare, schema).close()
    sources = [
        write_parquet(table, lake.folder / "t.parquet"),
        write_arrow(table, lake.folder / "t.arrow"),
        stream,
        bare,
    ]
    answers = [lake.store(source, name="t") for source in sources]
    assert len({answer["cid"] for answer in answers}) == 1
    assert [answer["rows"] for answer in answers] == [0] * len(sources)
    assert_same(table, lake.get("t"))
    back = lake.get_file("t", "parquet")
    assert_same(table, pq.read_table(back), loose=True)
    assert lake.store(back, name="again")["cid"] == answers[0]["cid"]
    assert lake.sql("SELECT count(*) AS n FROM t").to_pylist() == [{"n": 0}]


def test_rows_come_behind_no_rows(lake):
    lake.store_table(BEFORE.slice(0, 0), "t")
    lake.store(write_parquet(BEFORE, lake.folder / "more.parquet"), "--append", name="t")
    assert_same(BEFORE, lake.get("t"))


@pytest.mark.parametrize("extension, write", WRITERS)
def test_two_columns_of_one_name_are_refused_by_name(lake, before, extension, write):
    arrays = [pa.array([1]), pa.array([2]), pa.array(["x"])]
    path = write(pa.table(arrays, ["fine", "twice", "twice"]), lake.folder / f"in.{extension}")
    refused(lake, before, path, "twice")


def test_two_fields_of_one_name_are_refused_by_path(lake, before):
    inner = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], ["twice", "twice"])
    path = write_arrow(pa.table({"outer": inner}), lake.folder / "in.arrow")
    refused(lake, before, path, "outer", "twice")


@pytest.mark.parametrize(
    "name, text", [("in.csv", "a,twice,twice\n1,2,3\n"), ("in.ndjson", '{"twice":1,"twice":2}\n')]
)
def test_two_columns_of_one_name_in_text_are_refused(lake, before, name, text):
    (lake.folder / name).write_text(text)
    refused(lake, before, lake.folder / name, name, "twice")


def test_names_that_differ_in_case_are_two_columns(lake):
    table = pa.table({"a": [1], "A": ["x"]})
    lake.store_table(table, "t")
    assert_same(table, lake.get("t"))


# --- values


HUGE_BYTES = 500_000_000


@pytest.mark.parametrize("extension, write", WRITERS)
def test_a_text_of_500_mb_is_stored_or_refused_by_column_and_row(lake, extension, write):
    """It is held once at a time, and the folder is emptied whatever happens."""
    path = lake.folder / f"huge.{extension}"
    try:
        digest = write_huge(path, write)
        done = lake.run("store", path, "--name", "t", code=(0, FAILURE))
        path.unlink()
        if done.returncode == FAILURE:
            errors = done.stderr.decode()
            assert "the_column" in errors and "row" in errors, errors
            assert lake.names() == []
            return
        with pa.memory_map(str(lake.get_file("t", "arrow"))) as source:
            start = source.read(6)
            source.seek(0)
            assert start == b"ARROW1"
            back = ipc.open_file(source).read_all()
            assert back["id"].to_pylist() == [1, 2, 3]
            texts = back["the_column"]
            assert (texts[0].as_py(), texts[2].as_py()) == ("before", "behind")
            value = texts[1].as_buffer()
            assert value.size == HUGE_BYTES
            assert hashlib.sha256(value).hexdigest() == digest
            del back, texts, value
    finally:
        # Pytest keeps the folders of the last runs.
        shutil.rmtree(lake.path, ignore_errors=True)
        for file in lake.folder.glob("*.*"):
            file.unlink()


def write_huge(path, write) -> str:
    """Writes a table with one huge text that does not compress away; returns its SHA-256."""
    text = base64.b64encode(np.random.default_rng(500).bytes(HUGE_BYTES // 4 * 3))
    assert len(text) == HUGE_BYTES
    words = pa.array([b"before", text, b"behind"], pa.binary()).view(pa.string())
    write(pa.table({"id": [1, 2, 3], "the_column": words}), path)
    return hashlib.sha256(text).hexdigest()


BAD_TEXTS = [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf5\x80\x80\x80"]


def bad_texts(bad: bytes) -> pa.Table:
    """A table whose column `the_column` has bytes that are no text, in row 2."""
    texts = pa.array([b"fine", b"fine too", b"x" + bad], pa.binary()).view(pa.string())
    return pa.table({"fine": ["a", "b", "c"], "the_column": texts})


@pytest.mark.parametrize("bad", BAD_TEXTS, ids=bytes.hex)
def test_invalid_utf8_in_csv_is_refused_by_place(lake, before, bad):
    path = lake.folder / "in.csv"
    path.write_bytes(b"fine,the_column\na,fine\nb,x" + bad + b"\nc,fine\n")
    refused(lake, before, path, "in.csv", "UTF-8", "line 3")


@pytest.mark.parametrize("bad", BAD_TEXTS, ids=bytes.hex)
def test_invalid_utf8_in_ndjson_is_refused_by_place(lake, before, bad):
    path = lake.folder / "in.ndjson"
    path.write_bytes(b'{"the_column": "fine"}\n{"the_column": "x' + bad + b'"}\n')
    refused(lake, before, path, "in.ndjson", "UTF-8", "line 2")


@pytest.mark.parametrize("use_dictionary", [True, False])
@pytest.mark.parametrize("bad", BAD_TEXTS, ids=bytes.hex)
def test_invalid_utf8_in_parquet_is_refused_by_column(lake, before, bad, use_dictionary):
    path = lake.folder / "in.parquet"
    write_parquet(bad_texts(bad), path, use_dictionary=use_dictionary)
    refused(lake, before, path, "in.parquet", "UTF-8", "the_column")


def test_invalid_utf8_in_arrow_is_refused_by_column(lake, before):
    path = write_arrow(bad_texts(BAD_TEXTS[0]), lake.folder / "in.arrow")
    refused(lake, before, path, "in.arrow", "the_column")


# --- damage that only a checksum sees, and damage that anybody sees


PAGES = {"write_page_checksum": True, "use_dictionary": False, "data_page_size": 16 << 10}


def damage(path, column: str, flip: int) -> None:
    """Flips bits of eight bytes inside the first data page of a column, behind its header."""
    group = pq.read_metadata(path).row_group(0)
    chunks = [group.column(n) for n in range(group.num_columns)]
    chunk = next(chunk for chunk in chunks if chunk.path_in_schema == column)
    data = bytearray(path.read_bytes())
    at = chunk.data_page_offset + 1000
    assert chunk.total_compressed_size > 2000
    for place in range(at, at + 8):
        data[place] ^= flip
    path.write_bytes(data)


def paged() -> pa.Table:
    rows = 20_000
    texts = [hashlib.sha256(row.to_bytes(8)).hexdigest() for row in range(rows)]
    return pa.table({"n": pa.array(range(rows), pa.int64()), "text": texts})


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "snappy", "zstd"])
@pytest.mark.parametrize("column", ["n", "text"])
def test_a_page_that_fails_its_checksum_is_refused(lake, before, column, compression, version):
    """One bit of each byte: the values are wrong and may well be legal."""
    path = lake.folder / "in.parquet"
    options = {"compression": compression, "data_page_version": version}
    write_parquet(paged(), path, **PAGES, **options)
    damage(path, column, 0x01)
    with pytest.raises(OSError, match="CRC"):
        pq.read_table(path, page_checksum_verification=True)
    refused(lake, before, path, "in.parquet")


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_pages_with_good_checksums_are_read(lake, version):
    path = lake.folder / "in.parquet"
    write_parquet(paged(), path, **PAGES, data_page_version=version)
    lake.store(path, name="t")
    assert_same(paged(), lake.get("t"))


def test_a_page_without_a_checksum_is_refused_where_it_is_no_text(lake, before):
    """Every bit of eight bytes of plain text: no letter stays one."""
    path = lake.folder / "in.parquet"
    options = {**PAGES, "write_page_checksum": False, "compression": "none"}
    write_parquet(paged(), path, **options)
    damage(path, "text", 0xFF)
    refused(lake, before, path, "in.parquet")


def test_a_damaged_file_is_not_appended(lake):
    """The columns fit, so that only the page is wrong."""
    lake.store_table(paged(), "t")
    shown = lake.json("show", "t")
    path = lake.folder / "in.parquet"
    write_parquet(paged(), path, **PAGES, compression="none")
    damage(path, "text", 0xFF)
    assert "in.parquet" in lake.refuse("store", path, "--name", "t", "--append", code=FAILURE)
    assert lake.json("show", "t") == shown
    assert_same(paged(), lake.get("t"))
    lake.run("fsck")


# --- floats


NANS = {
    pa.float64(): (
        np.uint64,
        [
            *(0x7FF8000000000000, 0x7FF8000000000001, 0xFFF8000000000000, 0x7FF0000000000001),
            *(0xFFF0000000000001, 0xFFFFFFFFFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 0x7FF80000DEADBEEF),
            *(0x0000000000000000, 0x8000000000000000, 0x3FF0000000000000, 0xFFF0000000000000),
        ],
    ),
    pa.float32(): (
        np.uint32,
        [
            *(0x7FC00000, 0x7FC00001, 0xFFC00000, 0x7F800001, 0xFF800001, 0xFFFFFFFF, 0x7FFFFFFF),
            *(0x00000000, 0x80000000, 0x3F800000, 0xFF800000),
        ],
    ),
    pa.float16(): (
        np.uint16,
        [0x7E00, 0x7E01, 0xFE00, 0x7C01, 0xFFFF, 0x7FFF, 0x0000, 0x8000, 0x3C00, 0xFC00],
    ),
}


def odd_floats(kind: pa.DataType, many: bool) -> pa.Table:
    """Every payload of the list in random order; where `many`, also many different ones."""
    unsigned, bits = NANS[kind]
    random = np.random.default_rng(kind.bit_width)
    values = random.choice(np.array(bits, unsigned), 20_000)
    if many:
        # A NaN is any value with all bits of the exponent set, but for the infinities.
        payloads = random.integers(1, 1 << 10, 20_000).astype(unsigned)
        values = np.concatenate([values, np.array(bits[0], unsigned) | payloads])
    array = pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])
    return pa.table({"x": array, "row": pa.array(range(len(values)), pa.int32())})


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("kind", NANS, ids=str)
def test_nan_payloads_and_signed_zeros_keep_their_bits(lake, kind, many):
    """They are values of a cut column too: all columns of a new name are."""
    table = odd_floats(kind, many)
    stored = lake.store_table(table, "t")
    assert_same(table, lake.get("t"))
    assert_same(table, pq.read_table(lake.get_file("t", "parquet")), loose=True)
    again = lake.store_table(table, "t")
    assert (again["cid"], again["new_bytes"]) == (stored["cid"], 0)
    if kind != pa.float16():
        # The writer of the file takes all NaNs for one where it makes a dictionary.
        path = lake.folder / "in.parquet"
        write_parquet(table, path, use_dictionary=False)
        assert lake.store(path, name="other")["cid"] == stored["cid"]


@pytest.mark.parametrize("kind", NANS, ids=str)
def test_another_payload_or_sign_is_another_table(lake, kind):
    unsigned, bits = NANS[kind]
    cids = set()
    for one in bits:
        array = pa.Array.from_buffers(kind, 1, [None, pa.py_buffer(np.array([one], unsigned))])
        cids.add(lake.store_table(pa.table({"x": array}), "t")["cid"])
    assert len(cids) == len(bits)


def test_odd_floats_within_lists_and_structs_keep_their_bits(lake):
    inner = odd_floats(pa.float64(), True)["x"].combine_chunks()
    inner = inner if isinstance(inner, pa.Array) else inner.chunk(0)
    offsets = pa.array([*range(0, len(inner), 7), len(inner)], pa.int32())
    lists = pa.ListArray.from_arrays(offsets, inner)
    structs = pa.StructArray.from_arrays([inner.slice(0, len(lists))], ["x"])
    table = pa.table({"lists": lists, "structs": structs})
    stored = lake.store_table(table, "t")
    assert_same(table, lake.get("t"))
    assert lake.store_table(table, "u")["cid"] == stored["cid"]
