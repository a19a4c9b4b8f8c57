"""Threads, signals, processes that are forked, processes beside each other."""

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import cidlake

TABLE = pa.table({"n": range(1000)})
# Of a table `base` with a column `n` of the numbers below 4000.
ENDLESS = "SELECT count(*) AS n FROM base a, base b, base c WHERE a.n * b.n * c.n = 7"
LARGE = "SELECT a.n * 4000 + b.n AS n FROM base a, base b"
LARGE_ROWS = 16_000_000


@pytest.fixture
def lake(lake: cidlake.Lake) -> cidlake.Lake:
    """A lake with the table `base`."""
    lake.store(pa.table({"n": range(4000)}), "base")
    return lake


def in_child(work: Callable[[], None]) -> None:
    """Runs `work` in a process that is forked here; fails where it fails or hangs."""
    gc.collect()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException as error:
            print(f"in the child: {error!r}", file=sys.stderr, flush=True)
        finally:
            os._exit(status)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            assert os.waitstatus_to_exitcode(status) == 0
            return
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise AssertionError("the child hangs")


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_goes_on_with_the_lake(lake: cidlake.Lake) -> None:
    lake.store(TABLE, "t")
    table, answer = lake.get("t"), lake.sql("SELECT sum(n) AS n FROM t")

    def child() -> None:
        assert answer.to_pylist() == [{"n": 499500}]
        assert len(table.to_pylist()) == 1000
        lake.store(pa.table({"n": [1]}), "of_the_child")
        lake.close()

    in_child(child)
    assert lake.get("of_the_child").to_pylist() == [{"n": 1}]
    # The parent's files and locks are its own still.
    lake.store(pa.table({"n": [2]}), "t", append=True)
    in_child(lambda: None)
    assert lake.store(pa.table({"n": [3]}), "t", append=True).rows == 1002


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_stream_that_the_parent_reads_is_not_the_childs(lake: cidlake.Lake) -> None:
    large = lake.sql(LARGE)
    reader = large.to_reader()
    reader.read_next_batch()

    def child() -> None:
        assert sum(batch.num_rows for batch in large.to_reader()) == LARGE_ROWS
        try:
            for _ in reader:
                pass
        except Exception as error:
            assert "forked" in str(error), error
        else:
            raise AssertionError("rows of the parent were read")

    in_child(child)
    assert sum(batch.num_rows for batch in reader) > 10_000_000


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_pools_of_processes_share_a_lake(lake: cidlake.Lake, method: str) -> None:
    lake.store(TABLE, "t")
    context = multiprocessing.get_context(method)
    with context.Pool(3) as pool:
        results = pool.starmap(_work, [(lake, index) for index in range(6)])
    assert results == [499500 + index for index in range(6)]
    names = {dataset.name for dataset in lake.datasets()}
    assert names == {"base", "t", *(f"w{index}" for index in range(6))}


def _work(lake: cidlake.Lake, index: int) -> int:
    lake.store(pa.table({"n": [index]}), f"w{index}")
    total = lake.sql(f"SELECT (SELECT sum(n) FROM t) + (SELECT sum(n) FROM w{index}) AS n")
    return int(total.to_pylist()[0]["n"])


def test_threads_share_a_lake_and_others_run_meanwhile(lake: cidlake.Lake) -> None:
    lake.store(TABLE, "t")
    errors: list[BaseException] = []

    def work(index: int) -> None:
        try:
            for _ in range(5):
                lake.store(pa.table({"n": [index]}), "t", append=True)
                lake.sql("SELECT count(*) FROM t").to_pylist()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert lake.show("t").rows == 1040

    ticks = 0
    done = threading.Event()

    def long() -> None:
        with pytest.raises(cidlake.UnavailableError):
            lake.sql(ENDLESS, timeout=1)
        done.set()

    thread = threading.Thread(target=long)
    thread.start()
    while not done.is_set():
        ticks += 1
        time.sleep(0.001)
    thread.join()
    assert ticks > 100


def interrupt_after(seconds: float) -> threading.Timer:
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    return timer


@pytest.mark.parametrize("read", ["sql", "to_arrow", "to_polars", "to_pylist", "alone"])
def test_ctrl_c_stops_a_statement(lake: cidlake.Lake, read: str) -> None:
    # The first rows come at once, the last ones in a minute.
    slow = " UNION ALL ".join([LARGE] * 50)
    result = None if read == "sql" else lake.sql(slow)
    timer = interrupt_after(0.3)
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        if result is None:
            lake.sql(ENDLESS)
        elif read == "alone":
            # pyarrow raises an error of its own; the interrupt follows as soon as Python runs again.
            try:
                pa.table(result)
            finally:
                time.sleep(0)
        else:
            getattr(result, read)()
    timer.join()
    assert time.monotonic() - started < 20
    assert lake.sql("SELECT 1 AS n").to_pylist() == [{"n": 1}]


def test_ctrl_c_is_heard_between_batches(lake: cidlake.Lake) -> None:
    lake.sql("CREATE TABLE many AS SELECT a.n * 4000 + b.n AS n FROM base a, base b", write=True)
    reader = lake.sql("SELECT * FROM many UNION ALL SELECT * FROM many UNION ALL SELECT * FROM many").to_reader()
    timer = interrupt_after(0.05)
    read = 0
    with pytest.raises(KeyboardInterrupt):
        while True:
            read += reader.read_next_batch().num_rows
    timer.join()
    assert read < 3 * LARGE_ROWS


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO kept SELECT count(*) FROM base a, base b, base c WHERE a.n * b.n * c.n = 7",
        "CREATE TABLE made AS SELECT count(*) AS n FROM base a, base b, base c WHERE a.n * b.n * c.n = 7",
    ],
)
def test_ctrl_c_ends_a_statement_that_writes(lake: cidlake.Lake, statement: str) -> None:
    lake.store(pa.table({"n": [1]}), "kept")
    timer = interrupt_after(0.3)
    with pytest.raises(KeyboardInterrupt):
        lake.sql(statement, write=True)
    timer.join()
    before = [(dataset.name, dataset.rows) for dataset in lake.datasets()]
    assert before == [("base", 4000), ("kept", 1)]
    time.sleep(1)
    assert [(dataset.name, dataset.rows) for dataset in lake.datasets()] == before


def test_a_second_ctrl_c_leaves_a_source_that_hangs(lake: cidlake.Lake) -> None:
    hangs = threading.Event()

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"n": [1]})
        hangs.wait(20)

    reader = pa.RecordBatchReader.from_batches(pa.schema([("n", pa.int64())]), batches())
    timers = [interrupt_after(0.3), interrupt_after(0.8)]
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        lake.store(reader, "t")
    for timer in timers:
        timer.join()
    assert time.monotonic() - started < 10
    hangs.set()
    assert lake.store(TABLE, "u").rows == 1000
    assert [dataset.name for dataset in lake.datasets()] == ["base", "u"]


def test_ctrl_c_ends_a_store_and_nothing_is_stored(lake: cidlake.Lake) -> None:
    generator = np.random.default_rng(1)

    def batches() -> Iterator[pa.RecordBatch]:
        for _ in range(10_000):
            yield pa.record_batch({"n": generator.integers(0, 1 << 60, 100_000)})

    reader = pa.RecordBatchReader.from_batches(pa.schema([("n", pa.int64())]), batches())
    timer = interrupt_after(0.5)
    with pytest.raises(KeyboardInterrupt):
        lake.store(reader, "t")
    timer.join()
    assert [dataset.name for dataset in lake.datasets()] == ["base"]
    assert lake.store(TABLE, "t").rows == 1000


def test_a_process_that_is_killed_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    script = (
        "import sys, pyarrow as pa, cidlake\n"
        "lake = cidlake.Lake(sys.argv[1])\n"
        "for n in range(1000):\n"
        "    lake.store(pa.table({'n': [n]}), 't', append=n > 0)\n"
        "    print(n, flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "lake")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    last = -1
    for line in process.stdout:
        last = int(line)
        if last >= 20:
            process.kill()
            break
    last = max([last, *(int(line) for line in process.stdout if line.strip())])
    process.wait()
    process.stdout.close()
    with cidlake.Lake(tmp_path / "lake") as lake:
        stored = lake.get("t").to_arrow()["n"].to_pylist()
    assert stored == list(range(len(stored)))
    assert len(stored) > last
