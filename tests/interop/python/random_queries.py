"""Makes random statements of the pieces of `random_sql.py`. Pure: a seed in, a statement out.

A scope says which columns there are, by the text that names them, and of what kind each is. What is
made is valid in both engines that are compared; where one of them has no such thing, it is not made
here, and what is known to be wrong in ours is left out (`known_wrong.py`). How much rows multiply is
bounded by the choice of what is joined on what.
"""

import datetime
import decimal
import math
import random

from known_wrong import known_form
from random_sql import (
    COLUMNS,
    DAYS,
    DIRECTIONS,
    EXACT,
    FIRST_DAY,
    GROUPS,
    KEYS,
    NUMBERS,
    WORDS,
    Both,
    Node,
    Query,
    Select,
    With,
    literal,
    quoted,
)

Scope = list[Node]
LIKES = ["%a%", "Z_rich%", "%京%", "_", "%", "", "%🦆", "%1_", "O'%", "%x_y%", "% %"]
ORDERED = ("int", "float", "decimal", "text", "date", "moment")
COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")
# Tables to join, and the columns on which few enough rows meet.
PAIRS = [
    ("big", "small", "k"),
    ("small", "big", "k"),
    ("big", "mid", "id"),
    ("mid", "mid", "k"),
    ("mid", "small", "k"),
    ("small", "small", "g"),
    ("mid", "big", "u"),
    ("small", "none", "k"),
    ("none", "mid", "k"),
]
JOINS = ("JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN")
GROUPINGS = ("ROLLUP ({}, {})", "CUBE ({}, {})", "GROUPING SETS (({}), ({}))")
FRAMES = (
    "",
    " ROWS BETWEEN 3 PRECEDING AND CURRENT ROW",
    " ROWS BETWEEN 1 PRECEDING AND 2 FOLLOWING",
)
BASE = ("big", "big", "mid", "mid", "small", "none")


class Queries:
    """Random statements from one source of chance; `samples` are values that columns have."""

    def __init__(self, rng: random.Random, samples: dict[str, list]):
        self.rng, self.samples = rng, samples
        self.aliases = 0

    def alias(self) -> str:
        self.aliases += 1
        return f"t{self.aliases}"

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    # --- values

    def literal(self, kind: str) -> Node:
        day = FIRST_DAY + datetime.timedelta(days=self.rng.randrange(DAYS))
        make = {
            "int": lambda: self.rng.choice((0, 1, 7, -3, 100, self.rng.randrange(KEYS))),
            "float": lambda: self.rng.randint(-1000, 1000) / 8,
            "edge": lambda: self.rng.choice((0.5, 0.0, 7.25, math.inf)),
            "decimal": lambda: decimal.Decimal(self.rng.randint(-9999, 9999)) / 100,
            "text": lambda: self.rng.choice(WORDS + [word or "" for word in GROUPS]),
            "date": lambda: day,
            "moment": lambda: datetime.datetime(day.year, day.month, day.day, 12, 30),
            "bool": lambda: self.chance(0.5),
        }[kind]
        return literal(kind, make())

    def near(self, column: Node) -> Node:
        """A literal to compare a column with: often a value that the column has."""
        known = self.samples.get(str(column).partition(".")[2])
        if known and self.chance(0.7):
            return literal(column.kind, self.rng.choice(known))
        return self.literal(column.kind)

    def column(self, scope: Scope, kind: str) -> Node | None:
        known = [node for node in scope if node.kind == kind]
        return self.rng.choice(known) if known else None

    def value(self, scope: Scope, kind: str, depth: int = 2) -> Node:
        """An expression of a kind; a column where chance or depth says so."""
        if depth <= 0 or self.chance(0.4):
            column = self.column(scope, kind)
            return column if column and self.chance(0.9) else self.literal(kind)
        forms = COMMON + FORMS[kind]
        text, kinds = self.rng.choice(forms)
        parts = [
            self.condition(scope, depth - 1)
            if wanted == "condition"
            else self.value(scope, kind if wanted == "same" else wanted, depth - 1)
            for wanted in kinds
        ]
        return Node(self.filled(text), kind, tuple(parts))

    def filled(self, text: str) -> str:
        """Puts a small number where a form has one."""
        return text.replace("#", str(self.rng.randint(2, 9))) if "#" in text else text

    # --- conditions

    def condition(self, scope: Scope, depth: int = 2, queries: bool = False) -> Node:
        if depth > 0 and self.chance(0.45):
            text, count = self.rng.choice(
                [("({} AND {})", 2), ("({} OR {})", 2), ("(NOT {})", 1), ("({} AND {})", 2)]
            )
            parts = tuple(self.condition(scope, depth - 1, queries) for _ in range(count))
            return Node(text, "bool", parts)
        if queries and self.chance(0.25):
            return self.subquery_condition(scope)
        return self.rng.choice(
            [self.comparison, self.comparison, self.between, self.listed, self.like, self.null]
        )(scope)

    def kind(self, scope: Scope, among=EXACT) -> str:
        known = sorted({node.kind for node in scope} & set(among))
        return self.rng.choice(known) if known else self.rng.choice(among)

    def compared(self, scope: Scope, among=EXACT) -> tuple[Node, Node]:
        """A plain column and a literal near it, as often as two expressions of a kind."""
        kind = self.kind(scope, among)
        column = self.column(scope, kind)
        if column and self.chance(0.6):
            return column, self.near(column)
        return self.value(scope, kind, 1), self.value(scope, kind, 1)

    def comparison(self, scope: Scope) -> Node:
        operator = self.rng.choice((*COMPARISONS, "IS DISTINCT FROM", "IS NOT DISTINCT FROM"))
        return Node(f"({{}} {operator} {{}})", "bool", self.compared(scope))

    def between(self, scope: Scope) -> Node:
        value, low = self.compared(scope, ORDERED)
        high = self.near(value)
        word = self.rng.choice(("BETWEEN", "BETWEEN", "NOT BETWEEN"))
        return Node(f"({{}} {word} {{}} AND {{}})", "bool", (value, low, high))

    def listed(self, scope: Scope) -> Node:
        value, first = self.compared(scope, ORDERED)
        more = [str(self.near(value)) for _ in range(self.rng.randrange(6))]
        more += ["NULL"] if self.chance(0.2) else []
        word = self.rng.choice(("IN", "IN", "NOT IN"))
        return Node(f"({{}} {word} ({', '.join(['{}', *more])}))", "bool", (value, first))

    def like(self, scope: Scope) -> Node:
        word = self.rng.choice(("LIKE", "LIKE", "NOT LIKE"))
        pattern = quoted(self.rng.choice(LIKES))
        return Node(f"({{}} {word} {pattern})", "bool", (self.value(scope, "text", 1),))

    def null(self, scope: Scope) -> Node:
        kind = self.kind(scope)
        words = ["IS NULL", "IS NOT NULL"]
        words += ["IS TRUE", "IS NOT FALSE", "IS UNKNOWN"] if kind == "bool" else []
        return Node(f"({{}} {self.rng.choice(words)})", "bool", (self.value(scope, kind, 1),))

    def subquery_condition(self, scope: Scope) -> Node:
        alias = self.alias()
        table = self.rng.choice(("small", "mid", "none", "small"))
        inside = table_scope(alias)
        where = self.condition(inside, 1)
        kind = self.kind(scope, ("int", "text"))
        outside = self.column(scope, kind) or self.literal(kind)
        key = Node(f"{alias}.{'k' if kind == 'int' else 's'}", kind)
        word = self.rng.choice(("EXISTS", "NOT EXISTS", "IN", "NOT IN", "scalar", "alone"))
        if word in ("EXISTS", "NOT EXISTS"):
            both = Node("{} = {} AND {}", "on", (key, outside, where))
            return Node(f"({word} (SELECT 1 FROM {table} {alias} WHERE {{}}))", "bool", (both,))
        if word in ("IN", "NOT IN"):
            return Node(
                f"({{}} {word} (SELECT {key} FROM {table} {alias} WHERE {{}}))",
                "bool",
                (outside, where),
            )
        if word == "scalar":
            return Node(
                f"({{}} {self.rng.choice(COMPARISONS)} {{}})",
                "bool",
                (self.value(scope, "int", 1), self.scalar(scope)),
            )
        return Node(
            f"({{}} > (SELECT avg({alias}.n) FROM {table} {alias} WHERE {{}}))",
            "bool",
            (self.value(scope, "int", 1), where),
        )

    def scalar(self, scope: Scope) -> Node:
        """A subquery with one value, for the row of the outer query where that has a key."""
        alias = self.alias()
        function = self.rng.choice(("max({}.n)", "count(*)", "sum({}.n)", "min({}.id)"))
        where = self.condition(table_scope(alias), 1)
        outside = next((node for node in scope if str(node).endswith(".k")), None)
        aggregate = function.replace("{}", alias)
        start = f"(SELECT {aggregate} FROM small {alias} WHERE "
        if outside and self.chance(0.8):
            return Node(f"{start}{alias}.k = {outside} AND {{}})", "int", (where,))
        return Node(f"{start}{{}})", "int", (where,))

    # --- what is selected from

    def source(self, depth: int) -> tuple[Node, Scope, Scope]:
        """A source, its scope, and the columns that make its rows differ, where there are such."""
        if depth > 0 and self.chance(0.15):
            inner, alias = self.select(depth - 1), self.alias()
            scope = [Node(f"{alias}.c{index}", kind) for index, kind in enumerate(inner.kinds)]
            return Node(f"({{}}) {alias}", "source", (inner,)), scope, []
        if self.chance(0.4):
            return self.joined()
        alias = self.alias()
        table = Node(f"{self.rng.choice(BASE)} {alias}", "source")
        return table, table_scope(alias), [Node(f"{alias}.id", "int")]

    def joined(self) -> tuple[Node, Scope, Scope]:
        left, right, key = self.rng.choice(PAIRS)
        a, b = self.alias(), self.alias()
        both = table_scope(a) + table_scope(b)
        on = Node(f"{a}.{key} = {b}.{key}", "bool")
        if self.chance(0.3):
            on = Node("{} AND {}", "bool", (on, self.condition(both, 1)))
        text = f"{left} {a} {self.rng.choice(JOINS)} {right} {b} ON {{}}"
        rows = [Node(f"{a}.id", "int"), Node(f"{b}.id", "int")]
        if self.chance(0.2):
            c = self.alias()
            join = self.rng.choice(("JOIN", "LEFT JOIN"))
            text += f" {join} small {c} ON {b}.id = {c}.id"
            both += table_scope(c)
        return Node(text, "source", (on,)), both, rows

    # --- whole statements

    def select(self, depth: int = 1) -> Select:
        """A SELECT without an order of its own."""
        source, scope, rows = self.source(depth)
        where = self.condition(scope, 2, queries=bool(rows)) if self.chance(0.7) else None
        pick = self.rng.random()
        if pick < 0.45:
            return self.aggregate(source, scope, where)
        if pick < 0.62 and rows:
            return self.window(source, scope, rows, where)
        kinds = [self.kind(scope) for _ in range(self.rng.randint(1, 4))]
        columns = [self.value(scope, kind) for kind in kinds]
        if rows and self.chance(0.15):
            columns.append(self.scalar(scope))
        return Select(tuple(columns), source, where, distinct=self.chance(0.25))

    def aggregate(self, source: Node, scope: Scope, where: Node | None) -> Select:
        group = tuple(self.grouping(scope) for _ in range(self.rng.choice((0, 1, 1, 2))))
        columns = [self.aggregated(scope) for _ in range(self.rng.randint(1, 3))]
        having = None
        if self.chance(0.3):
            compared = self.aggregated(scope, inexact=False)
            having = Node(
                f"({{}} {self.rng.choice(COMPARISONS)} {{}})",
                "bool",
                (compared, self.literal(compared.kind)),
            )
        columns = (*group, *columns)
        if len(group) == 2 and group[0] != group[1] and self.chance(0.3):
            form = self.rng.choice(GROUPINGS)
            group = (Node(form, "groups", group),)
        return Select(columns, source, where, group, having)

    def grouping(self, scope: Scope) -> Node:
        few = [node for node in scope if str(node).endswith((".g", ".b"))]
        if few and self.chance(0.6):
            return self.rng.choice(few)
        column = self.column(scope, self.kind(scope))
        if column is None:
            # A bare number would mean a column by its place.
            return Node("CAST(1 AS BIGINT)", "int")
        text = {"int": "({} % 7)", "date": "extract(year FROM {})"}.get(column.kind)
        return Node(text, "int", (column,)) if text and self.chance(0.5) else column

    def aggregated(self, scope: Scope, inexact: bool = True) -> Node:
        word = self.rng.choice(("count", "distinct", "sum", "min", "max", "rows", "some", "avg"))
        kind = self.kind(scope, NUMBERS if word in ("sum", "some", "avg") else EXACT)
        if word == "avg" and inexact:
            averaged = self.value(scope, self.kind(scope, ("int", "float")), 1)
            return Node("avg({})", "inexact", (averaged,))
        if word in ("rows", "avg"):
            return Node("count(*)", "int")
        value = self.value(scope, kind, 1)
        if word == "some":
            return Node("sum({}) FILTER (WHERE {})", kind, (value, self.condition(scope, 1)))
        form = "count(DISTINCT {})" if word == "distinct" else f"{word}({{}})"
        return Node(form, "int" if word in ("count", "distinct") else kind, (value,))

    def window(self, source: Node, scope: Scope, rows: Scope, where: Node | None) -> Select:
        functions = [self.windowed(scope, rows) for _ in range(self.rng.randint(1, 2))]
        return Select((*rows, *functions), source, where)

    def windowed(self, scope: Scope, rows: Scope) -> Node:
        kind, number_kind = self.kind(scope), self.kind(scope, NUMBERS)
        value, number = self.value(scope, kind, 1), self.value(scope, number_kind, 1)
        by = self.value(scope, self.kind(scope), 1)
        partition = f"PARTITION BY {self.grouping(scope)} " if self.chance(0.7) else ""
        direction = self.rng.choice(DIRECTIONS)
        ranked = f"OVER ({partition}ORDER BY {{}} {direction})"
        total = ", ".join(f"{row} {direction}" for row in rows)
        order = f"OVER ({partition}ORDER BY {{}} {direction}, {total}"
        framed = f"{order}{self.rng.choice(FRAMES)})"
        return self.rng.choice(
            [
                Node(f"row_number() {order})", "int", (by,)),
                Node(f"rank() {ranked}", "int", (by,)),
                Node(f"dense_rank() {ranked}", "int", (by,)),
                Node(f"sum({{}}) {framed}", number.kind, (number, by)),
                Node(f"count({{}}) {framed}", "int", (value, by)),
                Node(f"max({{}}) {framed}", kind, (value, by)),
                Node(f"lag({{}}, {self.rng.randint(1, 3)}) {order})", kind, (value, by)),
                Node(f"lead({{}}) {order})", kind, (value, by)),
            ]
        )

    def both(self) -> Both:
        kinds = [self.kind([], EXACT) for _ in range(self.rng.randint(1, 3))]
        word = self.rng.choice(("UNION", "UNION ALL", "EXCEPT", "INTERSECT"))
        return Both(word, self.of_kinds(kinds), self.of_kinds(kinds))

    def of_kinds(self, kinds: list[str]) -> Select:
        source, scope, _ = self.source(0)
        where = self.condition(scope, 1) if self.chance(0.6) else None
        return Select(tuple(self.value(scope, kind, 1) for kind in kinds), source, where)

    def statement(self) -> Query:
        """A whole statement that has nothing known to be wrong."""
        while known_form(query := self.any_statement()):
            pass
        return query

    def any_statement(self) -> Query:
        """A whole statement, often with an order and a limit."""
        pick = self.rng.random()
        if pick < 0.15:
            return self.ordered(self.both())
        if pick < 0.3:
            return self.named()
        return self.ordered(self.select())

    def named(self) -> With:
        inner = self.both() if self.chance(0.3) else self.select(0)
        scope = [Node(f"w.c{index}", kind) for index, kind in enumerate(inner.kinds)]
        where = self.condition(scope, 1) if self.chance(0.5) else None
        if self.chance(0.5):
            body = self.aggregate(Node("w", "source"), scope, where)
        else:
            columns = tuple(self.value(scope, self.kind(scope), 1) for _ in range(2))
            body = Select(columns, Node("w", "source"), where)
        if self.chance(0.3):
            body = Both("UNION ALL", body, body)
        return With(inner, self.ordered(body))

    def ordered(self, query: Select | Both) -> Select | Both:
        if self.chance(0.5):
            return query
        order = tuple(self.rng.choice(DIRECTIONS) for _ in range(3))
        limit = ""
        if self.chance(0.7) and "inexact" not in query.kinds:
            limit = f" LIMIT {self.rng.choice((0, 1, 5, 40, 1000))}"
            limit += f" OFFSET {self.rng.choice((1, 17))}" if self.chance(0.3) else ""
        return type(query)(**{**vars(query), "order": order, "limit": limit})


def table_scope(alias: str) -> Scope:
    return [Node(f"{alias}.{name}", kind) for name, kind in COLUMNS.items()]


# Forms of expressions: text with holes, and of what kind each part is.
COMMON = [
    ("CASE WHEN {} THEN {} ELSE {} END", ("condition", "same", "same")),
    ("CASE WHEN {} THEN {} END", ("condition", "same")),
    ("COALESCE({}, {})", ("same", "same")),
    ("NULLIF({}, {})", ("same", "same")),
    ("greatest({}, {})", ("same", "same")),
    ("least({}, {})", ("same", "same")),
]
FORMS = {
    "int": [
        ("({} + {})", ("int", "int")),
        ("({} - {})", ("int", "int")),
        ("({} * #)", ("int",)),
        ("({} % #)", ("int",)),
        ("abs({})", ("int",)),
        ("CAST({} AS BIGINT)", ("int",)),
        ("CAST({} AS INTEGER)", ("bool",)),
        ("length({})", ("text",)),
        ("strpos({}, 'a')", ("text",)),
        ("extract(year FROM {})", ("date",)),
        ("extract(month FROM {})", ("moment",)),
        ("extract(hour FROM {})", ("moment",)),
    ],
    "float": [
        ("({} + {})", ("float", "float")),
        ("({} - {})", ("float", "float")),
        ("({} * 0.5e0)", ("float",)),
        ("({} / 4e0)", ("float",)),
        ("abs({})", ("float",)),
        ("CAST({} AS DOUBLE)", ("int",)),
    ],
    "edge": [("greatest({}, {})", ("edge", "float"))],
    "decimal": [
        ("({} + {})", ("decimal", "decimal")),
        ("({} - {})", ("decimal", "decimal")),
        ("({} * CAST('#' AS DECIMAL(2,0)))", ("decimal",)),
        ("abs({})", ("decimal",)),
    ],
    "text": [
        ("upper({})", ("text",)),
        ("lower({})", ("text",)),
        ("substr({}, #, 3)", ("text",)),
        ("left({}, #)", ("text",)),
        ("({} || {})", ("text", "text")),
        ("concat({}, {})", ("text", "text")),
        ("replace({}, 'a', 'ö')", ("text",)),
        ("CAST({} AS VARCHAR)", ("int",)),
        ("CAST({} AS VARCHAR)", ("date",)),
    ],
    "date": [
        ("CAST({} AS DATE)", ("moment",)),
        ("CAST({} + INTERVAL '# days' AS DATE)", ("date",)),
    ],
    "moment": [
        ("CAST({} AS TIMESTAMP)", ("date",)),
        ("date_trunc('month', {})", ("moment",)),
        ("date_trunc('hour', {})", ("moment",)),
        ("({} + INTERVAL '# hours')", ("moment",)),
    ],
    "bool": [("({} = {})", ("int", "int")), ("{}", ("condition",))],
}
