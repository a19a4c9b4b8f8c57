"""Queries under pressure: many at once, little memory, ended in the middle, cancelled.

Everything runs over one table of a million rows in a server with a small memory limit, so that
what sorts, groups and joins has to spill. Answers are those of DuckDB. Times are compared only with
other times of the same run.
"""

import statistics
import time
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from answers import difference, equal_answers, rows_of
from driver import SUCCESS, Lake, write_parquet
from server import Server

ROWS = 1_000_000
MIB = 1 << 20
# Much less than what sorting, grouping or joining all rows takes.
MEMORY = 64 * MIB
# The program, its runtime and what is not counted come on top of what queries work in.
PEAK_MOST = 8 * MEMORY
QUERIES_AT_ONCE = 50
# Cheap queries may wait for a part of the heavy ones beside them, not for all.
WAIT_MOST = 0.5
# Of some milliseconds' work, on a machine that does much else.
SOON_S = 2.0
QUIET_S = 2.0
BUSY_MOST = 0.25

SORT = (
    "SELECT id, s FROM (SELECT id, s, row_number() OVER (ORDER BY s DESC, id) AS r FROM t)"
    " WHERE r % 20011 = 0"
)
GROUP = (
    "SELECT count(*), sum(c), max(m) FROM"
    " (SELECT s, count(*) AS c, max(x) AS m FROM t GROUP BY s)"
)
JOIN = "SELECT count(*), sum(a.x), max(b.s) FROM t a JOIN t b ON a.s = b.s AND a.id <= b.id"
DISTINCT = "SELECT count(DISTINCT s) FROM t"
# What counts the different values of two columns holds them all, and does not spill.
TWICE_DISTINCT = "SELECT count(DISTINCT s), count(DISTINCT s || x) FROM t"
CHEAP = "SELECT id, s FROM t WHERE id = {}"
HEAVY = [SORT, GROUP, JOIN, DISTINCT]
# These run for minutes: nobody waits for them.
LONG_JOIN = (
    "SELECT sum(a.x * b.x + a.id % 7) FROM t a"
    " JOIN (SELECT g, x FROM t WHERE id < 200000) b ON a.g = b.g"
)
LONG_SORT = (
    "SELECT max(r) FROM (SELECT row_number() OVER (ORDER BY a.s, b.id) AS r FROM t a"
    " CROSS JOIN (SELECT id FROM t WHERE id < 50) b)"
)


def table(rows: int = ROWS) -> pa.Table:
    """Rows whose texts are long, mostly different, and scattered."""
    numbers = range(rows)
    scattered = [number * 7919 % rows for number in numbers]
    return pa.table(
        {
            "id": pa.array(numbers, pa.int64()),
            "s": [f"{number // 2:09} and what makes it longer {number % 2}" for number in scattered],
            "x": pa.array([number % 100_003 for number in scattered], pa.int64()),
            "g": pa.array([number % 10 for number in numbers], pa.int32()),
        }
    )


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> tuple[Lake, Path]:
    """A lake with the table, and the file that it came from."""
    lake = Lake(tmp_path_factory.mktemp("guarded"))
    path = write_parquet(table(), lake.folder / "t.parquet")
    lake.store(path, name="t")
    return lake, path


@pytest.fixture
def spills(tmp_path) -> Path:
    """An empty folder for temporary files."""
    folder = tmp_path / "spills"
    folder.mkdir()
    return folder


def small(spills: Path) -> dict[str, str]:
    """Settings of a process with little memory that spills into a folder of its own."""
    return {
        "CIDLAKE_MEMORY_BYTES_MAX": str(MEMORY),
        "CIDLAKE_THREADS": "2",
        "TMPDIR": str(spills),
    }


def by_duckdb(path: Path, *queries: str) -> list[list[tuple]]:
    with duckdb.connect() as connection:
        connection.execute(f"CREATE VIEW t AS SELECT * FROM read_parquet('{path}')")
        return [connection.execute(query).fetchall() for query in queries]


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def spilled(folder: Path) -> list[Path]:
    """The files with rows: beside them is one that says that somebody works here."""
    return [path for path in files(folder) if path.name != "lock"]


def wait_for(what, seconds: float = 60.0) -> bool:
    """Waits until `what` is true; returns whether it became so in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.01)
    return False


def assert_answer(have: list[tuple], want: list[tuple], query: str):
    assert equal_answers(have, want, ordered=False), f"{query}\n{difference(have, want, False)}"


# --- little memory


@pytest.mark.parametrize("query", HEAVY, ids=["sort", "group", "join", "distinct"])
def test_what_exceeds_the_memory_limit_still_answers(stored, spills, query):
    lake, path = stored
    with Server(lake, **small(spills)) as server:
        have = server.query(query).rows()
    assert_answer(have, by_duckdb(path, query)[0], query)
    assert files(spills) == []


def test_what_cannot_spill_is_refused_and_what_comes_next_is_not(stored, spills):
    lake, _ = stored
    with Server(lake, **small(spills)) as server:
        call = server.query(TWICE_DISTINCT)
        assert call.done.wait(60), "it is neither answered nor refused"
        content = call.answer["result"]["structuredContent"]
        assert content["error_type"] == "unavailable" and content["hint"], content
        assert server.query(CHEAP.format(5)).rows()[0][0] == 5
        server.query(GROUP).result()
    assert files(spills) == []


def test_what_is_sorted_under_little_memory_was_spilled(stored, spills):
    """Else the limit would prove nothing."""
    lake, _ = stored
    with Server(lake, **small(spills)) as server:
        call = server.query(SORT)
        assert wait_for(lambda: call.done.is_set() or spilled(spills)), "it does neither"
        assert spilled(spills), "it ended, and nothing was spilled"
        call.result()


def test_memory_stays_near_its_limit(stored, spills):
    lake, _ = stored
    settings = {**small(spills), "CIDLAKE_CACHE_BYTES_MAX": str(16 * MIB)}
    with Server(lake, **settings) as server:
        for query in (SORT, GROUP):
            server.query(query).result()
        peak = server.peak_bytes()
    assert peak < PEAK_MOST, f"{peak / MIB:.0f} MiB"


# --- many at once


def test_fifty_queries_at_once_all_answer_and_cheap_ones_soon(stored, spills):
    lake, path = stored
    cheap = [CHEAP.format(number * 19_997) for number in range(QUERIES_AT_ONCE - 2 * len(HEAVY))]
    queries = [query for pair in zip(HEAVY, HEAVY) for query in pair] + cheap
    wanted = by_duckdb(path, *HEAVY, *cheap)
    expected = dict(zip([*HEAVY, *cheap], wanted))
    with Server(lake, **small(spills)) as server:
        server.query(cheap[0]).result()
        began = time.monotonic()
        calls = [(query, server.query(query)) for query in queries]
        for query, call in calls:
            assert_answer(call.rows(), expected[query], query)
        total = time.monotonic() - began
    waited = statistics.median(call.seconds for query, call in calls if query in cheap)
    assert waited < WAIT_MOST * total, f"cheap ones took {waited:.2f} s, all of them {total:.2f} s"
    assert files(spills) == []


@pytest.mark.parametrize("query", [LONG_JOIN, LONG_SORT], ids=["join", "sort"])
def test_what_runs_for_minutes_leaves_room_for_others(stored, spills, query):
    lake, _ = stored
    with Server(lake, **small(spills)) as server:
        long = server.query(query)
        assert wait_for(lambda: server.cpu_seconds() > 1.0), "it does not work at all"
        calls = [server.query(CHEAP.format(number)) for number in range(5)]
        assert [call.rows()[0][0] for call in calls] == list(range(5))
        assert not long.done.is_set(), f"it ended before the others: {long.answer}"
        server.kill()
    waited = statistics.median(call.seconds for call in calls)
    assert waited < SOON_S, f"they took {waited:.2f} s"


def test_first_writes_at_once_all_work(lake):
    """Neither the lake nor the user's key is there when they begin."""
    with Server(lake, "--allow-write") as server:
        calls = [server.store(f"t{number}", [{"n": number}]) for number in range(20)]
        assert [call.result()["num_rows"] for call in calls] == [1] * len(calls)
    assert len(lake.names()) == len(calls)
    lake.run("fsck", "--full")


# --- ended in the middle


def assert_whole(lake: Lake, names: list[str]):
    """The lake opens, nothing is damaged, and what was stored before is there."""
    assert lake.names() == names
    lake.run("fsck", "--full")
    count = lake.sql("SELECT count(*) AS n, sum(id) AS s FROM t")
    assert rows_of(count) == [(ROWS, ROWS * (ROWS - 1) // 2)]


def test_a_query_that_is_killed_leaves_nothing_behind(stored, spills):
    lake, _ = stored
    server = Server(lake, **small(spills))
    call = server.query(SORT)
    assert wait_for(lambda: call.done.is_set() or spilled(spills)), "it neither ended nor spilled"
    server.kill()
    assert spilled(spills), "it was killed too late to leave spilled rows"
    # A later run clears away what one that was killed could not.
    with Server(lake, **small(spills)) as later:
        later.query("SELECT count(*) FROM t").result()
        later.query(SORT).result()
    assert files(spills) == []
    assert_whole(lake, ["t"])


def test_a_table_whose_making_is_killed_is_not_there(lake, spills):
    path = write_parquet(table(), lake.folder / "t.parquet")
    lake.store(path, name="t")
    before = lake.size()
    server = Server(lake, "--allow-write", **small(spills))
    server.query("CREATE TABLE copy AS SELECT s || s AS s, x * 3 AS x, id FROM t ORDER BY x, id")
    grown = before + 2 * MIB
    assert wait_for(lambda: lake.size() > grown or spilled(spills)), "nothing was written"
    server.kill()
    assert_whole(lake, ["t"])
    lake.run("gc")
    assert_whole(lake, ["t"])
    again = "CREATE TABLE copy AS SELECT s, x FROM t WHERE id < 10"
    with Server(lake, "--allow-write", **small(spills)) as later:
        assert later.query(again).result()["data"][0]["rows"] == 10
        # What may spill clears away what one that was killed could not.
        later.query(GROUP).result()
    assert_whole(lake, ["copy", "t"])
    assert files(spills) == []


# --- cancelled


def busy_share(server: Server) -> float:
    """Which share of one processor the server takes over some time."""
    before, began = server.cpu_seconds(), time.monotonic()
    time.sleep(QUIET_S)
    return (server.cpu_seconds() - before) / (time.monotonic() - began)


@pytest.mark.parametrize("query", [LONG_JOIN, LONG_SORT], ids=["join", "sort"])
def test_a_call_that_is_cancelled_stops_working(stored, spills, query):
    lake, _ = stored
    with Server(lake, **small(spills)) as server:
        call = server.query(query)
        assert wait_for(lambda: server.cpu_seconds() > 1.0), "it does not work at all"
        assert not call.done.is_set(), f"it ended before it could be cancelled: {call.answer}"
        server.cancel(call)
        assert wait_for(lambda: busy_share(server) < BUSY_MOST, 20), "it works on"
        assert server.query(CHEAP.format(5)).rows()[0][0] == 5
        assert wait_for(lambda: not spilled(spills), 20), "what it spilled stays"


def test_a_client_that_goes_away_ends_the_work(stored, spills):
    lake, _ = stored
    server = Server(lake, **small(spills))
    server.query(LONG_JOIN)
    assert wait_for(lambda: server.cpu_seconds() > 1.0), "it does not work at all"
    server.process.stdin.close()
    assert wait_for(lambda: server.process.poll() is not None, 20), "it works on"
    assert server.process.returncode == SUCCESS
