"""SQL answers what DuckDB answers on the same files, and refuses what is no query."""

import datetime
import decimal
import math

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from driver import FAILURE, NOT_FOUND, USAGE, Lake, write_parquet
from sameness import assert_same

COVID = [
    "SELECT count(*) FROM covid",
    "SELECT count(*), count(fips), count(DISTINCT state), min(date), max(date) FROM covid",
    "SELECT state, sum(cases), max(deaths) FROM covid GROUP BY state ORDER BY state",
    "SELECT date, sum(deaths) FROM covid WHERE state = 'Texas' GROUP BY date ORDER BY date"
    " LIMIT 40",
    "SELECT count(*) FROM covid WHERE cases BETWEEN 10 AND 20 AND deaths > 0",
    "SELECT count(*) FROM covid WHERE fips IS NULL",
    "SELECT state, county, max(cases) AS most FROM covid GROUP BY state, county"
    " HAVING max(cases) > 200000 ORDER BY most DESC, state, county",
    "SELECT DISTINCT state FROM covid WHERE state LIKE 'New%' ORDER BY 1",
    "SELECT a.state, a.n - b.n FROM (SELECT state, count(*) AS n FROM covid GROUP BY state) a"
    " JOIN (SELECT state, count(fips) AS n FROM covid GROUP BY state) b ON a.state = b.state"
    " ORDER BY 1",
    "SELECT state, date, row_number() OVER (PARTITION BY state ORDER BY date) AS r FROM"
    " (SELECT DISTINCT state, date FROM covid) WHERE state < 'B' ORDER BY state, date LIMIT 50",
    "SELECT avg(cases), stddev_samp(deaths) FROM covid WHERE date > '2020-06-01'",
    "SELECT upper(county), length(county) FROM covid WHERE state = 'Guam' ORDER BY date, county"
    " LIMIT 5",
]
HITS = [
    'SELECT count(*) FROM hits WHERE "AdvEngineID" <> 0',
    'SELECT sum("AdvEngineID"), count(*), avg("ResolutionWidth") FROM hits',
    'SELECT count(DISTINCT "UserID"), count(DISTINCT "SearchPhrase") FROM hits',
    'SELECT min("EventDate"), max("EventDate") FROM hits',
    'SELECT "RegionID", count(*) AS c FROM hits GROUP BY "RegionID" ORDER BY c DESC, 1 LIMIT 10',
    'SELECT "URL", count(*) AS c FROM hits GROUP BY "URL" ORDER BY c DESC, 1 LIMIT 10',
    "SELECT count(*) FROM hits WHERE \"URL\" LIKE '%google%'",
    'SELECT "WatchID", "ClientIP", "Title" FROM hits ORDER BY "WatchID", "ClientIP" LIMIT 20',
]


def rounded(value):
    """Floats to 12 digits, since engines add in their own order; decimals as numbers."""
    if isinstance(value, float) and math.isfinite(value):
        return float(f"{value:.12g}")
    if isinstance(value, decimal.Decimal):
        return rounded(float(value)) if value % 1 else int(value)
    return value


def rows(table: pa.Table) -> list[tuple]:
    return [tuple(map(rounded, row)) for row in zip(*(column.to_pylist() for column in table))]


def compare(lake, query: str, views: dict[str, str]):
    """Runs the query in both engines; the order of rows counts."""
    with duckdb.connect() as connection:
        for name, files in views.items():
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{files}')")
        want = [tuple(map(rounded, row)) for row in connection.execute(query).fetchall()]
    have = rows(lake.sql(query))
    assert have == want and want, query


@pytest.fixture(scope="module")
def real(data, tmp_path_factory):
    """A lake with both real tables, and where DuckDB finds them."""
    lake = Lake(tmp_path_factory.mktemp("real"))
    lake.store(*sorted((data / "covid19_nyt").glob("*.parquet")), name="covid")
    lake.store(data / "clickbench_nano_hits.parquet", name="hits")
    return lake, {
        "covid": data / "covid19_nyt/*.parquet",
        "hits": data / "clickbench_nano_hits.parquet",
    }


@pytest.mark.parametrize("query", COVID + HITS)
def test_answers_on_real_tables_are_those_of_duckdb(real, query):
    """Q2."""
    compare(real[0], query, real[1])


SMALL = pa.table(
    {
        "k": ["a", "b", None, "a", "b", "c"],
        "n": pa.array([1, None, 3, 4, 5, 6], pa.int64()),
        "f": [1.5, 2.5, None, -0.5, 0.0, 1e10],
        "moment": pa.array(
            [datetime.datetime(2026, 1, day) for day in range(1, 7)], pa.timestamp("us")
        ),
        "d": pa.array([decimal.Decimal(n) / 4 for n in range(6)], pa.decimal128(10, 2)),
    }
)
ON_SMALL = [
    "SELECT k, count(*), count(n), sum(n), min(f) FROM t GROUP BY k ORDER BY k NULLS LAST",
    "SELECT count(*) FROM t WHERE n > 1 AND k = 'b'",
    "SELECT n FROM t WHERE moment >= TIMESTAMP '2026-01-03' ORDER BY n DESC NULLS LAST",
    "SELECT sum(d), avg(d) FROM t",
    "WITH x AS (SELECT k, n FROM t WHERE n IS NOT NULL) SELECT * FROM x ORDER BY n",
    "SELECT x.n, y.n FROM t x LEFT JOIN t y ON x.n = y.n + 1 ORDER BY 1 NULLS LAST, 2",
    "SELECT coalesce(k, '-'), CASE WHEN n > 3 THEN 'big' ELSE 'small' END FROM t ORDER BY moment",
    "SELECT n FROM t UNION ALL SELECT n + 10 FROM t ORDER BY 1 NULLS FIRST",
]


@pytest.mark.parametrize("query", ON_SMALL)
def test_answers_on_a_small_table_are_those_of_duckdb(lake, query):
    path = write_parquet(SMALL, lake.folder / "t.parquet")
    lake.store(path, name="t")
    compare(lake, query, {"t": path})


def test_cids_versions_and_the_list_of_datasets_are_tables(lake):
    old = lake.store_table(SMALL, "t")
    lake.store_table(SMALL.slice(2), "t")
    lake.store_table(SMALL, "ns.other")
    count = "SELECT count(*) AS n FROM"
    for table, expected in [
        ("t", 4),
        ('"t~1"', 6),
        (f'"{old["cid"]}"', 6),
        (f'"{old["commit"]}"', 6),
        ("ns.other", 6),
    ]:
        assert lake.sql(f"{count} {table}").to_pylist() == [{"n": expected}], table
    listed = lake.sql("SELECT name, COUNT(*) AS n FROM datasets GROUP BY name ORDER BY name")
    assert [row["n"] for row in listed.to_pylist()] == [1, 1]
    tables = lake.sql("SELECT table_name FROM information_schema.tables WHERE table_schema = 'main'")
    assert "t" in {row["table_name"] for row in tables.to_pylist()}
    # Datasets are listed by namespace and name: those of the default one first.
    assert sorted(lake.names()) == [row["name"] for row in listed.to_pylist()]


@pytest.mark.parametrize(
    "where",
    ["n > 3", "k = 'a' AND f < 1", "k IS NULL", "moment < TIMESTAMP '2026-01-04'", "d = 0.5"],
)
def test_filters_give_the_same_rows_every_time(lake, where):
    """Q4: the second answer is the first, also beside unfiltered reads."""
    path = write_parquet(SMALL, lake.folder / "t.parquet")
    lake.store(path, name="t")
    want = duckdb.sql(f"SELECT moment FROM read_parquet('{path}') WHERE {where}").fetchall()
    for _ in range(2):
        have = lake.get("t", "--where", where)
        assert [(moment,) for moment in have["moment"].to_pylist()] == want
        assert_same(SMALL, lake.get("t"))
    assert lake.get("t", "--where", where, "--limit", "1", "--columns", "n").shape == (1, 1)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT nosuchcol FROM t",
        "SELECT * FROM t WHERE !!!",
        "SELEC 1",
        "",
        "DROP TABLE t",
        "DELETE FROM t",
        "INSERT INTO t VALUES ('a')",
        "UPDATE t SET n = 1",
        "CREATE TABLE x AS SELECT * FROM t",
        "CREATE VIEW x AS SELECT * FROM t",
        "CREATE EXTERNAL TABLE x STORED AS PARQUET LOCATION '{file}'",
        "COPY t TO '{file}.copy'",
        "COPY (SELECT 1) TO '{file}.copy' STORED AS CSV",
        "SET datafusion.execution.target_partitions = 1",
        "/* x */ DROP TABLE t",
        "SELECT * FROM t; DROP TABLE t",
        "SELECT 1 / 0",
        "SELECT CAST('x' AS INT)",
        "EXPLAIN ANALYZE DROP TABLE t",
    ],
)
def test_what_is_no_query_is_refused(lake, query):
    """Q1: invalid and forbidden statements are errors, and change nothing."""
    path = write_parquet(SMALL, lake.folder / "t.parquet")
    lake.store(path, name="t")
    before = sorted(file for file in lake.folder.iterdir())
    # An empty query may also be called a wrong use of the command.
    lake.refuse("sql", query.format(file=path), code=FAILURE if query else (FAILURE, USAGE))
    assert sorted(file for file in lake.folder.iterdir()) == before
    assert_same(SMALL, lake.get("t"))


def test_several_statements_answer_one_after_another(lake):
    """From the line or standard input, up to the first that fails."""
    lake.store_table(SMALL, "t")
    script = "SELECT count(*) AS n FROM t; -- ;\nSELECT ';' AS s;"
    answers = b'{"n":6}\n{"s":";"}\n'
    assert lake.run("--format", "ndjson", "sql", script).stdout == answers
    assert lake.run("--format", "ndjson", "sql", stdin=script.encode()).stdout == answers
    script += " SELECT nosuch FROM t; SELECT 1 AS never"
    done = lake.run("--format", "ndjson", "sql", stdin=script.encode(), code=FAILURE)
    assert done.stdout == answers and b"statement 3" in done.stderr


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM nosuchtable",
        "SELECT * FROM '{file}'",
        'SELECT * FROM "{file}"',
        "SELECT * FROM read_parquet('{file}')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM 'file:///etc/passwd'",
        "SELECT * FROM 'https://example.org/x.parquet'",
    ],
)
def test_no_table_is_a_file(lake, query):
    path = write_parquet(SMALL, lake.folder / "t.parquet")
    lake.store(path, name="t")
    lake.refuse("sql", query.format(file=path), code=(FAILURE, NOT_FOUND))


def test_an_answer_is_parquet_where_that_is_asked_for(lake):
    lake.store_table(SMALL, "t")
    done = lake.run("--format", "parquet", "sql", "SELECT k, n FROM t ORDER BY moment")
    assert_same(SMALL.select(["k", "n"]), pq.read_table(pa.BufferReader(done.stdout)), loose=True)
