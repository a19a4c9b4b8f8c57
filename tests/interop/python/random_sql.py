"""Random tables and random SELECT statements: a seed in, Arrow tables and text out.

It is pure: nothing is run or stored here, and one seed always gives the same. Expressions are trees
that know of what kind their value is, so that every statement is valid, and they are made only of
what means one thing in every engine: no division of whole numbers, no NaN or negative zero, no text
of moments, and floating-point numbers that are small multiples of powers of two, whose sums are
exact in any order. Every piece can name smaller ones, for finding the least statement that still
fails. What an answer ought to be is not known here: `test_random_sql.py` asks another engine.
"""

import datetime
import decimal
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pyarrow as pa

EXACT = ("int", "float", "edge", "decimal", "text", "date", "moment", "bool")
NUMBERS = ("int", "float", "decimal")
WORDS = ["", "a", "b", "Zürich", "東京", "naïve café", "O'Neil", "100%", "x_y", "🦆", " A a ", "b\\"]
GROUPS = ["", "north", "süd", "北", None, "O'Neil", "a b"]
FIRST_DAY = datetime.date(1995, 1, 1)
DAYS = 6000
KEYS = 500
SAMPLES = 40
DIRECTIONS = ("ASC NULLS FIRST", "ASC NULLS LAST", "DESC NULLS FIRST", "DESC NULLS LAST")


# --- tables


@dataclass(frozen=True)
class Spec:
    """What a random table is like: in how many commits it comes, and by what it is partitioned."""

    name: str
    rows: int
    commits: int = 1
    partition_by: str | None = None


SPECS = (
    Spec("big", 20_000, commits=4),
    Spec("mid", 2_000, commits=2, partition_by="g"),
    Spec("small", 200),
    Spec("none", 0),
)
COLUMNS = {
    "id": "int",  # unique and sorted
    "k": "int",  # to join on
    "n": "int",  # skewed: small numbers are frequent
    "big": "int",
    "f": "float",
    "e": "edge",  # with infinities
    "d": "decimal",
    "g": "text",  # few values
    "s": "text",
    "u": "text",  # unique and scattered
    "day": "date",  # nearly sorted
    "at": "moment",
    "b": "bool",
}
TYPES = {
    "id": pa.int64(),
    "k": pa.int32(),
    "n": pa.int32(),
    "big": pa.int64(),
    "f": pa.float64(),
    "e": pa.float64(),
    "d": pa.decimal128(12, 2),
    "g": pa.string(),
    "s": pa.string(),
    "u": pa.string(),
    "day": pa.date32(),
    "at": pa.timestamp("us"),
    "b": pa.bool_(),
}


def random_table(rng: random.Random, rows: int) -> pa.Table:
    """A table with all columns; each but `id` and `u` has nulls."""

    def column(make, nulls: float = 0.05):
        return [None if rng.random() < nulls else make(row) for row in range(rows)]

    def day(row: int) -> datetime.date:
        near = row * (DAYS - 100) // max(rows, 1) + rng.randrange(100)
        return FIRST_DAY + datetime.timedelta(days=near)

    def moment(_: int) -> datetime.datetime:
        start = datetime.datetime.combine(FIRST_DAY, datetime.time())
        return start + datetime.timedelta(days=rng.randrange(DAYS), seconds=rng.randrange(86_400))

    values = {
        "id": column(lambda row: row * 3, nulls=0),
        "k": column(lambda _: rng.randrange(KEYS)),
        "n": column(lambda _: int(rng.paretovariate(0.7)) % 1000 * rng.choice((1, 1, -1))),
        "big": column(lambda _: rng.randint(-(2**35), 2**35)),
        "f": column(lambda _: rng.randint(-8000, 8000) / 8),
        "e": column(lambda _: rng.choice((math.inf, -math.inf, 0.0, rng.randrange(50) / 4))),
        "d": column(lambda _: decimal.Decimal(rng.randint(-99_999, 99_999)) / 100),
        "g": [rng.choice(GROUPS) for _ in range(rows)],
        "s": column(lambda _: rng.choice(WORDS) + rng.choice(WORDS) + str(rng.randrange(30))),
        "u": column(lambda _: f"{rng.getrandbits(96):024x}", nulls=0),
        "day": column(day),
        "at": column(moment),
        "b": column(lambda _: rng.random() < 0.3, nulls=0.2),
    }
    return pa.table({name: pa.array(values[name], TYPES[name]) for name in COLUMNS})


def commits(rng: random.Random, spec: Spec) -> list[pa.Table]:
    """The table in the pieces in which it is stored, of sizes that differ much."""
    table = random_table(rng, spec.rows)
    cuts = sorted(rng.randrange(1, spec.rows) for _ in range(spec.commits - 1))
    ends = [0, *cuts, spec.rows]
    return [table.slice(start, end - start) for start, end in zip(ends, ends[1:])]


# --- pieces of statements


@dataclass(frozen=True)
class Node:
    """A piece of SQL: text with a hole `{}` for each of its parts, and the kind of its value."""

    text: str
    kind: str
    parts: tuple = ()

    def __str__(self) -> str:
        first, *rest = self.text.split("{}") if self.parts else [self.text]
        pairs = zip(self.parts, rest, strict=True)
        return first + "".join(f"{part}{text}" for part, text in pairs)

    def smaller(self) -> Iterator["Node"]:
        """The parts that can stand for the whole, then the whole with a smaller part."""
        yield from (part for part in self.parts if part.kind == self.kind)
        for index, part in enumerate(self.parts):
            for less in part.smaller():
                yield replace(self, parts=(*self.parts[:index], less, *self.parts[index + 1 :]))


@dataclass(frozen=True)
class Select:
    """One SELECT. Where it orders, it does so by all of its columns: rows left open are equal.

    A column keeps its name, c0, c1 and so on, where one before it goes.
    """

    columns: tuple[Node, ...]
    source: Node
    where: Node | None = None
    group: tuple[Node, ...] = ()
    having: Node | None = None
    distinct: bool = False
    order: tuple[str, ...] = ()
    limit: str = ""
    gone: frozenset[int] = frozenset()
    kind: str = "query"

    def __str__(self) -> str:
        pairs = zip(self.columns, self.names, strict=True)
        columns = ", ".join(f"{node} AS {name}" for node, name in pairs)
        text = f"SELECT {'DISTINCT ' if self.distinct else ''}{columns} FROM {self.source}"
        text += f" WHERE {self.where}" if self.where else ""
        text += f" GROUP BY {', '.join(map(str, self.group))}" if self.group else ""
        text += f" HAVING {self.having}" if self.having else ""
        return text + ordering(self.order, self.names) + self.limit

    @property
    def kinds(self) -> list[str]:
        return [node.kind for node in self.columns]

    @property
    def names(self) -> list[str]:
        total = len(self.columns) + len(self.gone)
        return [f"c{index}" for index in range(total) if index not in self.gone]

    def smaller(self) -> Iterator["Select"]:
        for plainer in ({"limit": ""}, {"order": (), "limit": ""}, {"distinct": False}):
            if any(getattr(self, name) != value for name, value in plainer.items()):
                yield replace(self, **plainer)
        for name in ("where", "having"):
            if node := getattr(self, name):
                yield replace(self, **{name: None})
                yield from (replace(self, **{name: less}) for less in node.smaller())
        for index, name in enumerate(self.names if len(self.columns) > 1 else ()):
            rest = self.columns[:index] + self.columns[index + 1 :]
            yield replace(self, columns=rest, gone=self.gone | {int(name[1:])})
        for index in range(len(self.group)):
            yield replace(self, group=self.group[:index] + self.group[index + 1 :])
        for name in ("columns", "group"):
            nodes = getattr(self, name)
            for index, node in enumerate(nodes):
                for less in node.smaller():
                    yield replace(self, **{name: (*nodes[:index], less, *nodes[index + 1 :])})
        yield from (replace(self, source=less) for less in self.source.smaller())


@dataclass(frozen=True)
class Both:
    """Two SELECTs of the same kinds of columns, put together by UNION or another such word."""

    word: str
    left: Select
    right: Select
    order: tuple[str, ...] = ()
    limit: str = ""
    kind: str = "query"

    def __str__(self) -> str:
        text = f"{self.left} {self.word} {self.right}"
        return text + ordering(self.order, self.left.names) + self.limit

    @property
    def kinds(self) -> list[str]:
        return self.left.kinds

    def smaller(self) -> Iterator["Both | Select"]:
        yield from (self.left, self.right)
        if self.order:
            yield replace(self, order=(), limit="")
        yield from (replace(self, left=less) for less in self.left.smaller())
        yield from (replace(self, right=less) for less in self.right.smaller())


@dataclass(frozen=True)
class With:
    """A query over a query that has a name."""

    inner: Select | Both
    body: Select | Both
    kind: str = "query"

    def __str__(self) -> str:
        return f"WITH w AS ({self.inner}) {self.body}"

    @property
    def order(self) -> tuple[str, ...]:
        return self.body.order

    def smaller(self) -> Iterator["With | Select | Both"]:
        yield from (self.inner, self.body)
        yield from (replace(self, inner=less) for less in self.inner.smaller())
        yield from (replace(self, body=less) for less in self.body.smaller())


Query = Select | Both | With


def pieces(piece: Query | Node) -> Iterator[Query | Node]:
    """A statement or a part of one, and all parts below it."""
    yield piece
    match piece:
        case Node():
            below = piece.parts
        case Select():
            below = (*piece.columns, piece.source, piece.where, *piece.group, piece.having)
        case Both():
            below = (piece.left, piece.right)
        case With():
            below = (piece.inner, piece.body)
    for part in below:
        if part:
            yield from pieces(part)


def ordering(order: tuple[str, ...], names: list[str]) -> str:
    """An order by all columns, whose directions repeat where there are more."""
    if not order:
        return ""
    terms = (f"{name} {order[index % len(order)]}" for index, name in enumerate(names))
    return f" ORDER BY {', '.join(terms)}"


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def literal(kind: str, value) -> Node:
    """A value as SQL writes it."""
    forms = {
        "float": lambda: f"{value!r}e0",
        "edge": lambda: f"CAST('{value}' AS DOUBLE)",
        "decimal": lambda: f"CAST('{value}' AS DECIMAL(12,2))",
        "text": lambda: quoted(value),
        "date": lambda: f"DATE '{value}'",
        "moment": lambda: f"TIMESTAMP '{value}'",
    }
    return Node(forms[kind]() if kind in forms else str(value).upper(), kind)


def samples(tables: list[pa.Table]) -> dict[str, list]:
    """Some values of each column, for conditions to name."""
    found = {name: [] for name in COLUMNS}
    for table in tables:
        for name in COLUMNS:
            few = table.column(name).slice(table.num_rows // 3, SAMPLES).to_pylist()
            found[name] += [value for value in few if value is not None]
    return found
