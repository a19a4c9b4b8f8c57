"""Bad input of every kind: a clear error with its exit code, nothing half stored, no panic."""

import hashlib

import pyarrow as pa
import pytest

from driver import (
    DAMAGED,
    FAILURE,
    NOT_FOUND,
    SUCCESS,
    USAGE,
    Lake,
    read_arrow,
    strict_json,
    write_arrow,
    write_parquet,
)
from sameness import assert_same

TABLE = pa.table({"id": list(range(500)), "text": [f"row {row * 37 % 101}" for row in range(500)]})

BAD_NAMES = [
    "../evil",
    "../../x",
    "/etc/x",
    "a/b",
    "a\\b",
    "..",
    ".",
    "",
    "a.b.c",
    "a b",
    "UPPER",
    "1st",
    "ünïcödé",
    "x" * 65,
    "datasets",
    "system",
    "main.datasets",
    "information_schema",
    "bafkrei",
    "a;drop",
    "a\nb",
    "-",
    "name@1",
    "name~1",
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_bad_names_are_refused_and_never_paths(lake, name):
    """N1."""
    source = write_parquet(TABLE, lake.folder / "t.parquet")
    lake.store(source, name="good")
    files = everything_outside(lake)
    lake.refuse("store", source, f"--name={name}", code=USAGE)
    lake.refuse("rename", "good", "--", name, code=USAGE)
    assert everything_outside(lake) == files
    assert lake.names() == ["good"]


def everything_outside(lake: Lake) -> list:
    """Every path beside the lake, two folders up."""
    around = lake.folder.parent
    return sorted(path for path in around.rglob("*") if lake.path not in [path, *path.parents])


def test_good_names_do_not_alias(lake):
    """N2: similar names are different datasets."""
    names = ["a_b", "a-b", "a.b", "a__b", "_a", "a" * 64]
    for row, name in enumerate(names):
        lake.store_table(TABLE.slice(row, 1), name)
    for row, name in enumerate(names):
        assert_same(TABLE.slice(row, 1), lake.get(name))


def test_absent_things_are_not_found(lake):
    lake.store_table(TABLE, "t")
    absent = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
    for arguments in [
        ("get", "nothing"),
        ("get", "t~1"),
        ("get", absent),
        ("show", "nothing"),
        ("show", absent),
        ("drop", "nothing"),
        ("rename", "nothing", "other"),
        ("cat", absent),
        ("ls", absent),
        ("export", "nothing", "-o", "x.car"),
        ("store", "absent.parquet", "--name", "x"),
        ("add", "absent.bin"),
        ("import", "absent.car"),
    ]:
        lake.refuse(*arguments, code=NOT_FOUND)
    assert not (lake.folder / "x.car").exists()
    Lake(lake.folder, lake.folder / "no-lake").refuse("get", "t", code=NOT_FOUND)


def test_wrong_use_is_told_apart(lake):
    lake.store_table(TABLE, "t")
    for arguments in [("frobnicate",), ("get",), ("get", "t", "--no-such"), ("get", "A B")]:
        lake.refuse(*arguments, code=USAGE)
    for arguments in [
        ("get", "t", "--columns", "id,absent"),
        ("get", "t", "--where", "absent = 1"),
        ("get", "t", "--where", "id ="),
        ("get", "t", "--where", "id = 1; DROP TABLE t"),
        ("rename", "t", "t"),
    ]:
        lake.refuse(*arguments, code=FAILURE)
    assert "absent" in lake.refuse("get", "t", "--columns", "id,absent", code=FAILURE)


@pytest.mark.parametrize("extension, write", [("parquet", write_parquet), ("arrow", write_arrow)])
def test_truncated_and_foreign_files_are_refused(lake, extension, write):
    good = write(TABLE, lake.folder / f"good.{extension}").read_bytes()
    bad = lake.folder / f"bad.{extension}"
    cuts = [good[: len(good) * part // 16] for part in range(16)]
    foreign = [b"PK\x03\x04" + good[4:], b"\x7fELF" * 100, bytes(1000), good[:4] * 50]
    for content in [*cuts, *foreign]:
        bad.write_bytes(content)
        errors = lake.refuse(
            "store", bad, "--name", "t", "--input-format", extension, code=FAILURE
        )
        assert bad.name in errors
    assert lake.names() == []


@pytest.mark.parametrize("extension, write", [("parquet", write_parquet), ("arrow", write_arrow)])
def test_flipped_bytes_of_input_never_panic(lake, extension, write):
    """Damage may go unseen where the format has no checksum, but it never brings anything down."""
    good = write(TABLE, lake.folder / f"good.{extension}").read_bytes()
    bad = lake.folder / f"bad.{extension}"
    for step in range(60):
        at = len(good) * step // 60
        bad.write_bytes(good[:at] + bytes([good[at] ^ 0xFF]) + good[at + 1 :])
        lake.run("store", bad, "--name", "t", code=(SUCCESS, FAILURE))


def test_a_store_that_fails_leaves_nothing_listed(lake):
    """N4: the second of two files is bad; an existing dataset stays as it was."""
    good = write_parquet(TABLE, lake.folder / "good.parquet")
    bad = lake.folder / "bad.parquet"
    bad.write_bytes(good.read_bytes()[:-20])
    lake.refuse("store", good, bad, "--name", "t", code=FAILURE)
    assert lake.names() == []
    lake.store(good, name="t")
    lake.refuse("store", bad, "--name", "t", "--append", code=FAILURE)
    lake.refuse("store", good, bad, "--name", "t", code=FAILURE)
    assert lake.names() == ["t"]
    assert_same(TABLE, lake.get("t"))
    lake.run("fsck")


def test_other_columns_are_not_appended(lake):
    lake.store_table(TABLE, "t")
    other = write_parquet(TABLE.rename_columns(["id", "words"]), lake.folder / "other.parquet")
    lake.refuse("store", other, "--name", "t", "--append", code=FAILURE)
    assert_same(TABLE, lake.get("t"))


def test_a_flipped_byte_is_an_error_and_never_a_wrong_row(lake):
    """I4: anywhere in the lake's files, one byte at a time."""
    noise = [hashlib.sha256(row.to_bytes(8)).hexdigest() for row in range(500)]
    table = TABLE.append_column("noise", pa.array(noise))
    lake.store_table(table, "t")
    part = lake.parts("t")[0]["cid"]
    refused = 0
    for path in sorted(path for path in lake.path.rglob("*") if path.is_file()):
        good = path.read_bytes()
        for step in range(min(40, len(good))):
            at = len(good) * step // min(40, len(good))
            path.write_bytes(good[:at] + bytes([good[at] ^ 0x10]) + good[at + 1 :])
            try:
                refused += not answers(lake, table)
            finally:
                path.write_bytes(good)
    assert refused > 20, "most of the bytes are data"
    assert_same(table, lake.get("t"))
    lake.run("fsck")
    pack = next(path for path in lake.path.rglob("*.car"))
    good, inside = pack.read_bytes(), lake.cat(part)
    at = good.index(inside) + len(inside) // 2
    pack.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
    assert part in lake.refuse("get", "t", code=DAMAGED)
    done = lake.run("fsck", "--full", code=DAMAGED)
    assert part in (done.stdout + done.stderr).decode()


def answers(lake: Lake, table: pa.Table) -> bool:
    """Whether the table is had; if it is, it must be right."""
    out = lake.folder / "flipped.arrow"
    out.unlink(missing_ok=True)
    done = lake.run("get", "t", "-o", out, code=(SUCCESS, FAILURE, NOT_FOUND, DAMAGED))
    if done.returncode == SUCCESS:
        assert_same(table, read_arrow(out))
    else:
        assert not out.exists(), "a failed retrieval leaves no file"
    return done.returncode == SUCCESS


def test_a_lake_of_a_newer_format_is_refused(lake):
    lake.store_table(TABLE, "t")
    settings = lake.path / "lake.toml"
    text = settings.read_text()
    assert "format_version = 1" in text
    settings.write_text(text.replace("format_version = 1", "format_version = 2"))
    assert "2" in lake.refuse("get", "t", code=FAILURE)
    source = lake.folder / "in-t.arrow"
    lake.refuse("store", source, "--name", "x", code=FAILURE)
    settings.write_text(text)
    assert_same(TABLE, lake.get("t"))


def test_errors_for_programs_are_json(lake):
    lake.store_table(TABLE, "t")
    error = strict_json(lake.refuse("get", "nothing", "--error-format", "json", code=NOT_FOUND))
    assert error["error"]["kind"] == "not_found" and error["error"]["exit_code"] == NOT_FOUND
