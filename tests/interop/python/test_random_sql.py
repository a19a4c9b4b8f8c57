"""Random statements over random tables answer what DuckDB answers over the same rows.

One seed gives the tables and all statements. A difference, or a statement that fails here and runs
there, is made smaller as long as it stays one, and then shown with both answers and the seed.
`CIDLAKE_SEED` repeats a run and `CIDLAKE_QUERIES` says how many statements; what DuckDB refuses is
left out, and must be little; what DataFusion is known to get wrong is in `known_wrong.py`, and must
still be wrong. What is random is in `random_sql.py` and `random_queries.py`, when
answers are equal in `answers.py`.
"""

import os
import random
from dataclasses import dataclass, field
from functools import cache

import duckdb
import pyarrow as pa
import pytest

from answers import difference, equal_answers, rows_of
from driver import FAILURE, SUCCESS, Lake, read_arrow, write_parquet
from known_wrong import KNOWN, known_form
from random_queries import Queries
from random_sql import SPECS, Spec, commits, samples

QUERIES = int(os.environ.get("CIDLAKE_QUERIES", "300"))
SEED = int(os.environ.get("CIDLAKE_SEED", "20261"))
BATCHES = 10
# Statements that DuckDB may refuse, as a share of all.
REFUSED_MOST = 0.05
# How many smaller statements are tried at most.
ATTEMPTS = 300
# Statements among which every known form is.
RAW = 10_000
FAILED = "ours failed"


@dataclass
class Outcome:
    """The rows of a statement, or why there are none."""

    rows: list[tuple] = field(default_factory=list)
    error: str | None = None


@cache
def tables() -> list[list[pa.Table]]:
    """All tables, each in the pieces in which it is stored."""
    rng = random.Random(SEED)
    return [commits(rng, spec) for spec in SPECS]


class Engines:
    """The same tables in a lake and in DuckDB."""

    def __init__(self, lake: Lake):
        self.lake, self.duckdb = lake, duckdb.connect()
        # Plans, and so what is wrong in them, differ by the number of threads.
        lake.environment["CIDLAKE_THREADS"] = "2"
        # An optimizer can be wrong as well: without it, what a statement means is taken literally.
        self.duckdb.execute("PRAGMA disable_optimizer")
        for spec, pieces in zip(SPECS, tables()):
            self.store(spec, pieces)

    def store(self, spec: Spec, pieces: list[pa.Table]):
        files = []
        for number, piece in enumerate(pieces):
            files.append(write_parquet(piece, self.lake.folder / f"{spec.name}-{number}.parquet"))
            partition = ["--partition-by", spec.partition_by] if spec.partition_by else []
            self.lake.store(files[-1], *(["--append"] if number else partition), name=spec.name)
        listed = ", ".join(f"'{file}'" for file in files)
        self.duckdb.execute(f"CREATE TABLE {spec.name} AS SELECT * FROM read_parquet([{listed}])")

    def ours(self, sql: str) -> Outcome:
        done = self.lake.run("--format", "arrow", "sql", sql, code=(SUCCESS, FAILURE))
        if done.returncode == FAILURE:
            return Outcome(error=done.stderr.decode())
        return Outcome(rows_of(read_arrow(pa.BufferReader(done.stdout))))

    def theirs(self, sql: str) -> Outcome:
        try:
            return Outcome(self.duckdb.execute(sql).fetchall())
        except duckdb.Error as error:
            return Outcome(error=str(error))

    def differ(self, query) -> str | None:
        """How both answers differ; `None` where they do not, or where DuckDB has none."""
        theirs = self.theirs(str(query))
        if theirs.error:
            return None
        ours = self.ours(str(query))
        if ours.error:
            return f"{FAILED}: {ours.error}"
        ordered = bool(query.order)
        if equal_answers(ours.rows, theirs.rows, ordered):
            return None
        return difference(ours.rows, theirs.rows, ordered)


def shrunk(query, still_differs):
    """The smallest statement, of those that are tried, that still differs, and not as is known."""
    attempts, tried = 0, set()
    smaller = iter(query.smaller())
    while attempts < ATTEMPTS and (less := next(smaller, None)) is not None:
        if str(less) in tried or known_form(less):
            continue
        tried.add(str(less))
        attempts += 1
        if still_differs(less):
            query, smaller = less, iter(less.smaller())
    return query


@pytest.fixture(scope="module")
def engines(tmp_path_factory) -> Engines:
    return Engines(Lake(tmp_path_factory.mktemp("random")))


def statements(batch: int, count: int = -(-QUERIES // BATCHES)) -> list:
    """The first statements of a batch, which do not depend on how many follow."""
    rng, known = random.Random(SEED * BATCHES + batch), samples(sum(tables(), []))
    return [Queries(rng, known).statement() for _ in range(count)]


@pytest.mark.parametrize("batch", range(BATCHES))
def test_random_statements_answer_what_duckdb_answers(engines, batch):
    for query in statements(batch):
        found = engines.differ(query)
        if found is None:
            continue
        failed = found.startswith(FAILED)

        def alike(less) -> bool:
            text = engines.differ(less)
            return text is not None and text.startswith(FAILED) == failed

        least = shrunk(query, alike)
        pytest.fail(
            f"{engines.differ(least)}\nby: {least}\nmade smaller from: {query}\n"
            f"again: CIDLAKE_SEED={SEED} CIDLAKE_QUERIES={QUERIES} pytest -k '[{batch}]'"
        )


def test_duckdb_refuses_few_of_the_statements(engines):
    """Else nothing would be compared."""
    queries = [query for batch in range(BATCHES) for query in statements(batch)]
    refused = [query for query in queries if engines.theirs(f"EXPLAIN {query}").error]
    assert len(refused) <= REFUSED_MOST * len(queries), "\n".join(map(str, refused[:5]))


def test_statements_that_differ_are_made_smaller():
    """What does not matter goes, what does stays."""
    query = max(statements(0, 100), key=lambda query: len(str(query)))
    word = next(word for word in str(query).split() if word.startswith("("))
    least = shrunk(query, lambda less: word in str(less).split())
    assert word in str(least).split() and 2 * len(str(least)) < len(str(query))


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name)
def test_what_is_known_to_be_wrong_still_is(engines, known):
    theirs, ours = engines.theirs(known.statement), engines.ours(known.statement)
    right = bool(ours.error) == bool(theirs.error) and equal_answers(ours.rows, theirs.rows, False)
    assert not right, (
        f"{known.statement} is answered as DuckDB answers it: take {known.name!r} out of"
        " known_wrong.py, and have random statements make it again"
    )


def test_every_known_form_would_be_made():
    """Else it need not be left out, or is not seen."""
    queries = Queries(random.Random(SEED), samples(sum(tables(), [])))
    made = {known_form(queries.any_statement()) for _ in range(RAW)}
    assert {known.name for known in KNOWN if known.has} <= made


@pytest.mark.parametrize(
    "query",
    [
        "SELECT g FROM small EXCEPT ALL SELECT g FROM small WHERE n > 1",
        "SELECT g FROM small INTERSECT ALL SELECT g FROM mid WHERE id < 60",
        "SELECT n FROM big WHERE b IN (SELECT b FROM small EXCEPT ALL SELECT b FROM mid)",
    ],
)
def test_set_operations_that_count_rows_are_refused(engines, query):
    """DataFusion would answer, and wrongly."""
    error = engines.ours(query).error
    assert error and " ALL" in error, error
