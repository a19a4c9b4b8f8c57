"""CIDs and archives, checked by an independent reader: each block is what its CID says."""

import hashlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import content
from driver import DAMAGED, FAILURE, NOT_FOUND, USAGE, Lake
from sameness import assert_same

MIB = 1 << 20
ROWS = 300_000
TABLE = pa.table(
    {
        "id": pa.array(range(ROWS), pa.int64()),
        "noise": [hashlib.sha256(row.to_bytes(8)).hexdigest() for row in range(ROWS)],
    }
)


def noise(length: int, seed: int = 0) -> bytes:
    """Bytes that do not compress and that a seed determines."""
    blocks = range(seed * 1_000_000, seed * 1_000_000 + length // 32 + 1)
    return b"".join(hashlib.sha256(n.to_bytes(8)).digest() for n in blocks)[:length]


@pytest.mark.parametrize("length", [0, 1, MIB - 1, MIB])
def test_a_small_file_is_one_raw_leaf(lake, length):
    path = lake.folder / "file.bin"
    path.write_bytes(noise(length))
    added = lake.json("add", path)
    assert added["cid"] == content.make_cid(content.RAW, noise(length))
    assert (added["name"], added["bytes"]) == ("file.bin", length)
    assert lake.cat(added["cid"]) == noise(length)
    assert lake.json("add", path)["new_bytes"] == 0


@pytest.mark.parametrize("length", [MIB + 1, 5 * MIB + 12_345])
def test_a_large_file_is_a_dag_of_raw_leaves(lake, length):
    path = lake.folder / "file.bin"
    path.write_bytes(noise(length))
    cid = lake.json("add", path)["cid"]
    assert content.codec_of(cid) == content.DAG_PB
    roots, blocks = exported(lake, cid)
    assert roots == [cid]
    assert content.file_bytes(blocks, cid) == noise(length) == lake.cat(cid)
    assert len(blocks) == 1 + -(-length // MIB)


def test_several_paths_and_folders(lake):
    folder = lake.folder / "docs"
    (folder / "inner").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"a")
    (folder / "inner" / "ü.bin").write_bytes(noise(2 * MIB))
    (folder / ".hidden").write_bytes(b"no")
    added = lake.json("add", folder, folder / "a.txt")
    assert [one["name"] for one in added] == ["docs", "a.txt"]
    root = added[0]["cid"]
    _, blocks = exported(lake, root)
    entries = content.folder(blocks, root)
    assert list(entries) == ["a.txt", "inner"]
    inner = content.folder(blocks, entries["inner"])
    assert content.file_bytes(blocks, inner["ü.bin"]) == noise(2 * MIB)
    listed = lake.json("ls", root)
    assert [(one["name"], one["cid"]) for one in listed] == list(entries.items())
    assert lake.json("ls", f"{root}/inner")[0]["size"] == 2 * MIB
    assert lake.cat(f"{root}/inner/ü.bin") == noise(2 * MIB)


def test_every_cid_of_a_table_is_a_real_one(lake):
    """I1, I5: CIDs parse and verify, and the archive holds the table and its head commit."""
    stored = lake.store_table(TABLE, "t")
    assert content.codec_of(stored["commit"]) == content.DAG_CBOR
    roots, blocks = exported(lake, "t")
    assert roots == [stored["cid"], stored["commit"]]
    parts = lake.parts("t")
    tables = []
    for part in parts:
        data = content.file_bytes(blocks, part["cid"])
        assert len(data) == part["bytes"] and data == lake.cat(part["cid"])
        is_leaf = content.codec_of(part["cid"]) == content.RAW
        assert is_leaf == (len(data) <= MIB)
        tables.append(pq.read_table(pa.BufferReader(data)))
    assert_same(TABLE, pa.concat_tables(tables), loose=True)
    assert any(content.codec_of(part["cid"]) == content.DAG_PB for part in parts)


def test_parts_of_a_large_table_stand_in_the_order_of_their_names(lake):
    table = pa.concat_tables([TABLE] * 12)
    stored = lake.store_table(table, "t")
    parts = [part["cid"] for part in lake.parts("t")]
    assert len(parts) > 1
    _, blocks = exported(lake, "t")

    def files(cid: str) -> list[str]:
        """Files below a folder, by the order of their names."""
        node = dict(content.fields(blocks[cid])) if content.codec_of(cid) == content.DAG_PB else {}
        kind = dict(content.fields(node[1]))[1] if 1 in node else None
        if kind != 1:
            return [cid]
        entries = sorted(content.folder(blocks, cid).items())
        return [file for _, child in entries for file in files(child)]

    assert files(stored["cid"]) == parts


def test_an_archive_is_the_table_elsewhere(lake, tmp_path):
    stored = lake.store_table(TABLE, "t")
    lake.store_table(TABLE.slice(5), "t")
    lake.run("export", "t", "-o", "all.car", "--history")
    (tmp_path / "elsewhere").mkdir()
    other = Lake(tmp_path / "elsewhere")
    imported = other.json("import", lake.folder / "all.car", "--name", "copy")
    assert imported["names"] == ["copy"]
    assert_same(TABLE.slice(5), other.get("copy"))
    assert_same(TABLE, other.get("copy~1"))
    assert_same(TABLE, other.get(stored["cid"]))
    assert other.json("import", lake.folder / "all.car", "--name", "copy")["new_bytes"] == 0
    other.run("fsck")


def test_a_damaged_archive_is_refused_and_leaves_nothing(lake, tmp_path):
    lake.store_table(TABLE.slice(0, 1000), "t")
    lake.run("export", "t", "-o", "good.car")
    good = (lake.folder / "good.car").read_bytes()
    _, blocks = content.read_car(good)
    (tmp_path / "elsewhere").mkdir()
    other = Lake(tmp_path / "elsewhere")
    wrong = tmp_path / "wrong.car"
    for block in blocks.values():
        at = good.index(block) + len(block) // 2
        wrong.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        other.refuse("import", wrong, "--name", "t", code=DAMAGED)
    for length in (0, 10, len(good) // 2, len(good) - 1):
        wrong.write_bytes(good[:length])
        other.refuse("import", wrong, "--name", "t", code=(FAILURE, DAMAGED))
    wrong.write_bytes(noise(1000))
    other.refuse("import", wrong, "--name", "t", code=(FAILURE, DAMAGED))
    other.refuse("get", "t", code=NOT_FOUND)


def test_packs_are_archives_too(lake):
    """I6: whatever is called .car is one, here CARv2 around a CARv1 payload."""
    lake.store_table(TABLE, "t")
    packs = list(lake.path.rglob("*.car"))
    assert packs
    found = {}
    for pack in packs:
        data = pack.read_bytes()
        assert data[:11] == bytes.fromhex("0aa16776657273696f6e02")
        start, size = (int.from_bytes(data[at : at + 8], "little") for at in (27, 35))
        _, blocks = read_payload(data[start : start + size] if size else data[start:])
        found |= blocks
    assert all(part["cid"] in found for part in lake.parts("t"))


def read_payload(payload: bytes):
    """A CARv1 whose root is the empty identity block, which the strict reader knows nothing of."""
    length, at = content.varint(payload, 0)
    return [], content.read_car(EMPTY_HEADER + payload[at + length :])[1]


EMPTY_HEADER = bytes.fromhex("11a265726f6f7473806776657273696f6e01")


@pytest.mark.parametrize("reference", ["bafkreigarbage", "bafy", "Qm123", "z!z", ""])
def test_malformed_cids_are_usage_errors(lake, reference):
    lake.store_table(TABLE.slice(0, 1), "t")
    lake.refuse("cat", reference, code=USAGE)


def exported(lake: Lake, reference: str):
    """Roots and verified blocks of what `export` writes."""
    answer = lake.json("export", reference, "-o", "x.car")
    data = (lake.folder / "x.car").read_bytes()
    assert answer["bytes"] == len(data)
    roots, blocks = content.read_car(data)
    assert answer["blocks"] == len(blocks)
    return roots, blocks
