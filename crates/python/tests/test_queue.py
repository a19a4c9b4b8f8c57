"""The operation queue: what is queued, what a worker does with it, and what is refused."""

import datetime as dt
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow as pa
import pytest

import cidlake

FIGURES = {"scheduled": 0, "completed": 0, "retrying": 0, "failed": 0, "lost": 0}


def test_an_operation_is_queued_and_done(lake: cidlake.Lake) -> None:
    lake.store(pa.table({"n": [1, 2]}), "t")
    queued = lake.enqueue("verify", {"full": True}, attempts=3)
    assert (queued["status"], queued["unchanged"], queued["params"]) == ("pending", False, {"full": True})
    assert (queued["attempts"], queued["attempts_max"], queued["completed"]) == (0, 3, None)
    assert queued["due"] == queued["queued"]
    assert abs(dt.datetime.now(dt.timezone.utc) - queued["queued"]) < dt.timedelta(hours=1)
    assert lake.work(schedule=False) == {**FIGURES, "completed": 1}
    done = lake.operation(queued["id"])
    assert (done["status"], done["attempts"], done["worker"], done["due"]) == ("completed", 1, None, None)
    assert done["completed"] == done["updated"] and done["completed"] >= done["queued"]
    assert done["result"] is not None and "sound" in done["result"]
    assert done["result_bytes"] is not None and done["result_bytes"] > 0
    assert done.keys() == cidlake.Operation.__annotations__.keys()


def test_a_key_is_queued_once(lake: cidlake.Lake) -> None:
    first = lake.enqueue("gc", key="tonight")
    second = lake.enqueue("gc", key="tonight")
    assert (first["unchanged"], second["unchanged"]) == (False, True)
    assert first["id"] == second["id"]
    assert lake.drop_operation(first["id"])["key"] == "tonight"
    assert not lake.enqueue("gc", key="tonight")["unchanged"]


def test_operations_are_listed(lake: cidlake.Lake) -> None:
    ids = [lake.enqueue(kind, delay=delay)["id"] for kind, delay in [("gc", 0), ("seal", 3600), ("gc", 0)]]
    assert lake.work(kinds="gc", schedule=False, limit=1)["completed"] == 1

    def listed(**how: object) -> list[str]:
        return [operation["id"] for operation in lake.operations(**how)]

    assert listed() == ids
    assert listed(status="completed") == ids[:1]
    assert listed(status=["completed", "pending"], kind="gc") == [ids[0], ids[2]]
    assert listed(after=ids[0], limit=1) == ids[1:2]
    assert listed(kind="nothing") == listed(limit=0) == []
    # What is delayed is not due.
    assert lake.work(schedule=False) == {**FIGURES, "completed": 1}
    waiting = lake.operation(ids[1])
    assert waiting["status"] == "pending" and waiting["due"] is not None
    assert waiting["due"] - waiting["queued"] >= dt.timedelta(seconds=3599)


def test_what_fails_says_why_and_can_be_tried_again(lake: cidlake.Lake) -> None:
    id = lake.enqueue("compact", {"name": "later"})["id"]
    assert lake.work(schedule=False) == {**FIGURES, "failed": 1}
    failed = lake.operation(id)
    assert (failed["status"], failed["error_kind"]) == ("failed", "not_found")
    assert failed["error"] is not None and "later" in failed["error"]
    lake.store(pa.table({"n": [1]}), "later")
    assert lake.retry_operation(id)["status"] == "pending"
    assert lake.work(schedule=False) == {**FIGURES, "completed": 1}
    assert lake.operation(id)["status"] == "completed"
    assert lake.drop_operation(id)["status"] == "completed"
    with pytest.raises(cidlake.NotFoundError, match=id):
        lake.operation(id)


def test_the_schedule_is_that_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("VERIFY", "GC", "SEAL"):
        # A span that is over in 2033.
        monkeypatch.setenv(f"CIDLAKE_{kind}_EVERY_SECONDS", "1000000000")
    monkeypatch.setenv("CIDLAKE_COMPACT_EVERY_SECONDS", "0")
    with cidlake.Lake(tmp_path / "scheduled") as lake:
        assert lake.work(limit=2) == {**FIGURES, "scheduled": 3, "completed": 2}
        assert lake.work() == {**FIGURES, "completed": 1}
        assert {operation["kind"] for operation in lake.operations()} == {"gc", "seal", "verify"}


def test_another_process_does_what_is_queued_here(lake: cidlake.Lake) -> None:
    id = lake.enqueue("seal")["id"]
    script = (
        "import sys, cidlake\n"
        "with cidlake.Lake(sys.argv[1]) as lake:\n"
        "    assert lake.work(schedule=False)['completed'] == 1\n"
    )
    subprocess.run([sys.executable, "-c", script, lake.path], check=True)
    assert lake.operation(id)["status"] == "completed"


def test_ctrl_c_ends_a_worker_that_waits_after_its_operation(lake: cidlake.Lake) -> None:
    for _ in range(20):
        lake.enqueue("verify", {"full": True})
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        lake.work(schedule=False, watch=True)
    timer.join()
    assert time.monotonic() - started < 20
    status = lake.wal_status()
    assert status["processing"] == 0
    assert status["completed"] + status["pending"] == status["queued_total"] == 20
    # Nobody goes on in the background.
    id = lake.enqueue("verify")["id"]
    assert lake.operation(id)["status"] == "pending"
    assert lake.work(schedule=False)["completed"] == status["pending"] + 1


def test_a_worker_in_a_thread_and_who_queues_beside_it(lake: cidlake.Lake) -> None:
    ids = [lake.enqueue("verify")["id"] for _ in range(12)]
    summaries: list[cidlake.Worked] = []
    threads = [
        threading.Thread(target=lambda: summaries.append(lake.work(schedule=False))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(summary["completed"] for summary in summaries) == len(ids)
    assert [operation["attempts"] for operation in lake.operations()] == [1] * len(ids)


def test_the_log_tells_of_itself(lake: cidlake.Lake) -> None:
    before = lake.wal_status()
    assert before.keys() == cidlake.WalStatus.__annotations__.keys()
    assert (before["queued_total"], before["lag_ms"]) == (0, None)
    lake.store(pa.table({"n": [1]}), "t")
    lake.add(b"hello")
    lake.enqueue("seal")
    status = lake.wal_status()
    assert status["records"] > before["records"] and status["last_lsn"] > before["last_lsn"]
    assert (status["deltas"] - before["deltas"], status["pins"], status["pending"]) == (1, 1, 1)
    assert status["lag_ms"] is not None and status["lag_ms"] >= 0
    assert status["records_behind"] > 0
    lake.work(schedule=False)
    after = lake.wal_status()
    assert (after["pending"], after["completed"], after["dead"]) == (0, 1, 0)
    assert after["checkpoint_lsn"] > before["checkpoint_lsn"]


def test_what_cannot_be_queued_or_changed_is_refused(lake: cidlake.Lake) -> None:
    pending = lake.enqueue("gc", delay=3600)["id"]
    cases = [
        (lambda: lake.enqueue("verfy"), cidlake.UsageError, "verfy"),
        (lambda: lake.enqueue("verify", {"ful": True}), cidlake.InvalidError, "verify"),
        (lambda: lake.enqueue("verify", {"full": "yes"}), cidlake.InvalidError, "verify"),
        (lambda: lake.enqueue("compact", {"name": "a/b"}), cidlake.UsageError, "a/b"),
        (lambda: lake.enqueue("gc", {"now": object()}), cidlake.UsageError, "object"),
        (lambda: lake.enqueue("gc", {1: 2}), cidlake.UsageError, "1"),
        (lambda: lake.enqueue("gc", "now"), cidlake.UsageError, "str"),
        (lambda: lake.enqueue("gc", key=""), cidlake.InvalidError, "key"),
        (lambda: lake.enqueue("gc", attempts=0), cidlake.UsageError, "0"),
        (lambda: lake.enqueue("gc", delay=-1), cidlake.UsageError, "-1"),
        (lambda: lake.operations(status="lost"), cidlake.UsageError, "lost"),
        (lambda: lake.operations(after="x"), cidlake.UsageError, "x"),
        (lambda: lake.operations(limit=-1), cidlake.UsageError, "-1"),
        (lambda: lake.operation("x"), cidlake.UsageError, "x"),
        (lambda: lake.operation("999999"), cidlake.NotFoundError, "999999"),
        (lambda: lake.retry_operation("999999"), cidlake.NotFoundError, "999999"),
        (lambda: lake.drop_operation("999999"), cidlake.NotFoundError, "999999"),
        (lambda: lake.retry_operation(pending), cidlake.ConflictError, "pending"),
        (lambda: lake.work(kinds=["verfy"]), cidlake.UsageError, "verfy"),
        (lambda: lake.work(limit=-1), cidlake.UsageError, "-1"),
    ]
    for call, kind, named in cases:
        with pytest.raises(kind, match=named) as raised:
            call()
        assert raised.value.kind == kind.kind
    with pytest.raises(cidlake.UsageError, match="did you mean verify"):
        lake.enqueue("verfy")
    assert [operation["id"] for operation in lake.operations()] == [pending]
