"""One table by way of every input format, however the file is laid out: one CID.

Tables are random and each seed always gives the same one. `test_identity.py` shows the same on one
table, and what makes a different one.
"""

import csv
import decimal
import json
import random
import string

import pyarrow as pa
import pyarrow.ipc as ipc
import pytest

from driver import write_parquet
from sameness import assert_same

SEEDS = range(20)
# This seed has a table of several parts; the others have up to a few thousand rows.
LARGE = 0
LARGE_ROWS = 500_000

# Types that text is read as without being told: the schema on which all formats agree.
AGREED = {"int": pa.int64(), "float": pa.float64(), "text": pa.string(), "flag": pa.bool_()}
LETTERS = string.ascii_letters + " ,;\"'\\\n\t|äß文🦆"


def value(rng: random.Random, kind: str):
    """A value that CSV and JSON write so that it comes back as it was."""
    if kind == "int":
        return rng.choice([rng.randint(-9, 9), rng.randint(-(2**63), 2**63 - 1)])
    if kind == "float":
        scaled = rng.uniform(-1, 1) * 10 ** rng.randint(0, 9)
        return rng.choice([-0.0, 0.5, rng.gauss(0, 1), scaled])
    if kind == "flag":
        return rng.random() < 0.5
    # It neither is empty, which CSV cannot tell from null, nor looks like anything but text.
    return "w" + "".join(rng.choices(LETTERS, k=rng.randint(0, 20)))


def column(rng: random.Random, kind: str, rows: int) -> list:
    """Random values with nulls; few or many different ones; the last shows the type."""
    different = rng.choice([1, 7, 300, rows])
    pool = [value(rng, kind) for _ in range(min(different, rows))]
    nulls = rng.choice([0, 0, 0.1, 0.9])
    values = pool if different == rows else rng.choices(pool, k=rows)
    values = [None if rng.random() < nulls else one for one in values]
    return [*values[1:], {"int": -1, "float": 0.5, "text": "w", "flag": True}[kind]]


def agreed_table(seed: int) -> pa.Table:
    """A random table of agreed types. Its rows are never all null: text has no such line."""
    rng = random.Random(seed)
    rows = LARGE_ROWS if seed == LARGE else rng.choice([1, 2, rng.randint(3, 300), 5000])
    kinds = rng.choices(list(AGREED), k=rng.randint(1, 5))
    columns = {
        f"{kind} {n}": pa.array(column(rng, kind, rows), AGREED[kind])
        for n, kind in enumerate(kinds)
    }
    if seed == LARGE:
        columns["wide"] = pa.array([f"w{rng.getrandbits(320):080x}" for _ in range(rows)])
    return pa.table({"row": pa.array(range(rows), pa.int64()), **columns})


def rich_table(seed: int) -> pa.Table:
    """The agreed table and columns of types that text does not tell."""
    rng = random.Random(seed + 1000)
    table = agreed_table(seed if seed != LARGE else 1)
    rows = table.num_rows
    numbers = [rng.choice([None, rng.randint(0, 100)]) for _ in range(rows)]
    amounts = [None if one is None else decimal.Decimal(one).scaleb(-2) for one in numbers]
    strings = [None if one is None else bytes([one]) * (one % 4) for one in numbers]
    lists = [rng.choice([None, [], numbers[: rng.randint(0, 5)]]) for _ in range(rows)]
    structs = [rng.choice([None, {"a": number, "b": "x"}]) for number in numbers]
    extra = {
        "small": pa.array(numbers, pa.uint8()),
        "time": pa.array(numbers, pa.int64()).cast(pa.timestamp("us")),
        "amount": pa.array(amounts, pa.decimal128(9, 2)),
        "bytes": pa.array(strings, pa.binary()),
        "list": pa.array(lists, pa.list_(pa.int32())),
        "struct": pa.array(structs, pa.struct([("a", pa.int16()), ("b", pa.string())])),
    }
    for name, array in extra.items():
        table = table.append_column(name, array)
    return table


def as_csv(table: pa.Table, path, rng: random.Random):
    """What Python writes, with either end of line, and all texts in quotes or only some."""
    quoting = rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC])
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=quoting, lineterminator=rng.choice(["\n", "\r\n"]))
        writer.writerow(table.column_names)
        for record in table.to_pylist():
            flags = {True: "true", False: "false"}
            writer.writerow(flags[x] if isinstance(x, bool) else x for x in record.values())
    return path


def as_ndjson(table: pa.Table, path, rng: random.Random):
    """One object a line; behind the first line nulls may be left out."""
    escaped, spare = rng.random() < 0.5, rng.random() < 0.5
    with open(path, "w", encoding="utf-8") as file:
        for row, record in enumerate(table.to_pylist()):
            if spare and row:
                record = {name: one for name, one in record.items() if one is not None}
            file.write(json.dumps(record, ensure_ascii=escaped) + "\n")
    return path


def as_arrow(table: pa.Table, path, rng: random.Random):
    """A stream or a file, by the name, of batches of random lengths, and encoded in some way."""
    table = encoded(table, rng)
    opened = ipc.new_stream if path.suffix == ".arrows" else ipc.new_file
    compression = rng.choice([None, "lz4", "zstd"])
    with opened(path, table.schema, options=ipc.IpcWriteOptions(compression=compression)) as out:
        at = 0
        while at < table.num_rows:
            length = rng.choice([1, 7, 1024, 100_000]) if table.num_rows < 10_000 else 77_777
            for batch in table.slice(at, length).combine_chunks().to_batches():
                out.write_batch(batch)
            at += length
    return path


def encoded(table: pa.Table, rng: random.Random) -> pa.Table:
    """The same values with texts in another of the types that Arrow has for them."""
    for index, field in enumerate(table.schema):
        if field.type == pa.string():
            kind = rng.choice([pa.string(), pa.large_string(), pa.string_view(), None])
            texts = table.column(index)
            texts = texts.combine_chunks().dictionary_encode() if kind is None else texts.cast(kind)
            table = table.set_column(index, field.name, texts)
    return table


def as_parquet(table: pa.Table, path, rng: random.Random):
    """Any row groups, pages, encodings, compression and version of the format."""
    return write_parquet(
        table,
        path,
        row_group_size=rng.choice([10, 1000, 1 << 20]) if table.num_rows < 10_000 else 100_001,
        use_dictionary=rng.random() < 0.5,
        compression=rng.choice(["none", "snappy", "gzip", "zstd", "lz4", "brotli"]),
        data_page_version=rng.choice(["1.0", "2.0"]),
        data_page_size=rng.choice([100, 1 << 20]) if table.num_rows < 10_000 else 1 << 20,
        store_schema=rng.random() < 0.5,
        write_statistics=rng.random() < 0.5,
    )


TEXT = [(as_csv, "csv"), (as_ndjson, "ndjson")]
BINARY = [(as_arrow, "arrows"), (as_arrow, "arrow"), (as_parquet, "parquet")]


def cids(lake, table: pa.Table, seed: int, ways: list) -> dict[str, str]:
    """The CID of the table by each way, and that of Parquet in both of its kinds."""
    rng = random.Random(seed + 2000)
    found = {}
    for number, (write, extension) in enumerate(ways):
        path = write(table, lake.folder / f"in-{number}.{extension}", rng)
        found[path.name] = lake.store(path, name="t")["cid"]
    for use_dictionary in (True, False):
        path = lake.folder / f"dictionary-{use_dictionary}.parquet"
        write_parquet(table, path, use_dictionary=use_dictionary, row_group_size=1 << 20)
        found[path.name] = lake.store(path, name="t")["cid"]
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_one_table_by_every_format_has_one_cid(lake, seed):
    table = agreed_table(seed)
    found = cids(lake, table, seed, [*TEXT, *BINARY, *BINARY])
    assert len(set(found.values())) == 1, found
    assert_same(table, lake.get("t"))
    if seed == LARGE:
        assert len(lake.parts("t")) > 1, "a table of one part shows no row group"


@pytest.mark.parametrize("seed", SEEDS)
def test_one_table_of_richer_types_by_arrow_and_parquet_has_one_cid(lake, seed):
    table = rich_table(seed)
    found = cids(lake, table, seed, [*BINARY, *BINARY])
    assert len(set(found.values())) == 1, found
    assert_same(table, lake.get("t"))


def test_seeds_give_different_tables_and_always_the_same():
    """Without this, one table twenty times would pass."""
    seeds = [seed for seed in SEEDS if seed != LARGE]
    tables = [agreed_table(seed) for seed in seeds]
    assert all(table.equals(agreed_table(seed)) for seed, table in zip(seeds, tables))
    assert len({table.schema.to_string() for table in tables}) > 10
    assert sum(table.num_rows > 1000 for table in tables) > 2
