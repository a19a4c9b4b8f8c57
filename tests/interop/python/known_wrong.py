"""What the engine, DataFusion 55, answers wrongly or refuses, and random statements leave out.

Every form has the least statement that shows it, over the tables of `random_sql.py`, and says of a
random statement whether it has the form; where it does not say that, the form is never made.
`test_random_sql.py` asks whether each is still wrong: the day one is right, its line goes, and with
it the reason to leave the form out.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from random_sql import Both, Node, Query, Select, With, pieces

LISTED = re.compile(r" IN \(\{\}")
AGGREGATES = re.compile(r"(count|sum|min|max|avg)\((?!.* OVER )")
CAST_INSIDE = re.compile(r"(count|sum|min|max|avg)\((DISTINCT )?CAST\(\w+\.\w+ AS \w+\)")
RANKS = re.compile(r"(row_number|rank|dense_rank)\(\)")


@dataclass(frozen=True)
class Known:
    """One form, and a statement whose answer is not that of DuckDB."""

    name: str
    reason: str
    statement: str
    has: Callable[[Query], bool] | None = None


def known_form(query: Query) -> str | None:
    """The name of a form that a statement has and should not."""
    return next((known.name for known in KNOWN if known.has and known.has(query)), None)


# --- what a statement has


def extreme_of_infinity(query: Query) -> bool:
    return any(
        node.text in ("min({})", "max({})") and node.kind == "edge"
        for select in selects(query)
        if select.group
        for node in nodes(select)
    )


def unknown_member(query: Query) -> bool:
    return any(select.where and member_below(select.where, "AND") for select in selects(query))


def member_below(node: Node, above: str) -> bool:
    """Whether a value is looked for in a subquery where null is not as good as false."""
    if " IN (SELECT" in node.text:
        return above == "NOT" or (above == "OR" and "NOT IN" in node.text)
    below = {"({} AND {})": above, "({} OR {})": "OR" if above == "AND" else above}
    return any(member_below(part, below.get(node.text, "NOT")) for part in node.parts)


def order_by_twins(query: Query) -> bool:
    return any(
        isinstance(piece, Both)
        and piece.word == "UNION ALL"
        and piece.order
        and any(has_twins(side.columns) for side in (piece.left, piece.right))
        for piece in pieces(query)
    )


def has_twins(columns: tuple[Node, ...]) -> bool:
    return len(set(map(str, columns))) < len(columns)


def list_of_case(query: Query) -> bool:
    return any(LISTED.search(node.text) and "CASE" in str(node.parts[1]) for node in nodes(query))


def average_of_rank(query: Query) -> bool:
    texts = [node.text for node in nodes(query)]
    return any(map(RANKS.match, texts)) and any(text.startswith("avg(") for text in texts)


def impossible_of_total(query: Query) -> bool:
    return any(select.where for select in over_totals(query))


def part_of_total(query: Query) -> bool:
    return any(" FILTER (" in str(column) for one in over_totals(query) for column in one.columns)


def unnamed_cast(query: Query) -> bool:
    return any(CAST_INSIDE.search(str(node)) for node in nodes(query))


def over_totals(query: Query) -> list[Select]:
    """What selects from aggregates that have a row even of nothing."""
    found = [select for select in selects(query) if any(map(is_total, select.source.parts))]
    named = [piece for piece in pieces(query) if isinstance(piece, With) and is_total(piece.inner)]
    return found + [select for one in named for select in selects(one.body)]


def is_total(query: Query | Node) -> bool:
    return (
        isinstance(query, Select)
        and all(node.kind == "groups" for node in query.group)
        and any(AGGREGATES.match(column.text) for column in query.columns)
    )


def selects(query: Query) -> list[Select]:
    return [piece for piece in pieces(query) if isinstance(piece, Select)]


def nodes(query: Query) -> Iterator[Node]:
    return (piece for piece in pieces(query) if isinstance(piece, Node))


KNOWN = (
    Known(
        "extreme of infinity",
        "Groups start min and max at the largest and the least finite number.",
        "SELECT n % 2, max(e) FROM small WHERE e = CAST('-inf' AS DOUBLE) GROUP BY n % 2",
        extreme_of_infinity,
    ),
    Known(
        "unknown member",
        "[NOT] IN (SELECT …) is false and never null where it is no conjunct of WHERE.",
        "SELECT count(*) FROM small WHERE k NOT IN (SELECT k FROM mid) OR n = 1",
        unknown_member,
    ),
    Known(
        "order by twins",
        "A part of UNION ALL with one column twice is not seen to be sorted by both.",
        "SELECT d AS a, d AS b FROM big UNION ALL SELECT d AS a, d AS b FROM mid ORDER BY a, b",
        order_by_twins,
    ),
    Known(
        "list of case",
        "A list is constant if it is so for no rows, as CASE is where a literal follows its THEN.",
        "SELECT count(*) FROM small WHERE n IN (CASE WHEN b THEN 1 ELSE k END, 5)",
        list_of_case,
    ),
    Known(
        "average of rank",
        "A rank is unsigned; beside a signed number it is a decimal, and so is its average.",
        "SELECT avg(CASE WHEN id > 0 THEN r ELSE id END)"
        " FROM (SELECT id, rank() OVER (ORDER BY id) AS r FROM small WHERE id < 9) w",
        average_of_rank,
    ),
    Known(
        "impossible of total",
        "A condition that cannot hold goes below an aggregate that has a row even of nothing.",
        "SELECT 1 FROM (SELECT count(*) AS n FROM small) w WHERE n = 100 AND n = 7",
        impossible_of_total,
    ),
    Known(
        "part of total",
        "Where one aggregate of one row is known beforehand, one with FILTER looks for it in vain.",
        "SELECT sum(c) FILTER (WHERE c > 1), min(5) FROM (SELECT count(k) AS c FROM small) w",
        part_of_total,
    ),
    Known(
        "unnamed cast",
        "A cast is no part of a name, and then the aggregates with and without it have the same.",
        "SELECT sum(id) AS a, sum(CAST(id AS DOUBLE)) AS b FROM small",
        unnamed_cast,
    ),
    Known(
        "overflow",
        "Whole numbers wrap around. (Random ones stay small.)",
        "SELECT max(id) + 9223372036854775807 FROM small",
    ),
    Known(
        "merged column",
        "USING of an outer join takes the left column, not the one that is not null.",
        "SELECT count(k) FROM none RIGHT JOIN mid USING (k)",
    ),
)
