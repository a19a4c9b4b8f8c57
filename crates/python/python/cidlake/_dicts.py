"""Answers that are plain dicts: what ``find`` finds, operations of the queue, and figures of the log.

Their words are those of the program's JSON. CIDs are text, and moments are aware ``datetime`` in UTC.
What an answer does not have is ``None``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict, cast

from ._answers import moment


class Found(TypedDict):
    """Something that fits what was looked for."""

    kind: str
    """``"version"``, ``"part"``, ``"pin"`` or ``"block"``."""
    name: str | None
    """The dataset that it is of, or what a pin is called."""
    cid: str
    """Its CID; of a version that of its content."""
    commit: str | None
    """The CID of the version."""
    newest: bool
    """Whether it is the newest version of its dataset, or part of it."""
    rows: int | None
    """Its rows."""
    bytes: int | None
    """Its bytes."""
    parts: int | None
    """Its Parquet files."""
    columns: int | None
    """Its columns."""
    time: datetime | None
    """When it was made."""
    operation: str | None
    """What the version did."""
    tags: list[str]
    """The tags that the dataset has for it."""


class Operation(TypedDict):
    """An operation of the queue: work that outlives who asked for it."""

    id: str
    """Its number."""
    kind: str
    """What is to be done: ``"verify"``, ``"compact"``, ``"gc"`` or ``"seal"``."""
    status: str
    """``"pending"``, ``"processing"``, ``"completed"``, ``"failed"``, ``"retrying"`` or ``"dead"``."""
    key: str | None
    """What tells it from others that mean the same."""
    params: dict[str, Any]
    """With what it is to be done."""
    attempts: int
    """How many attempts were begun."""
    attempts_max: int
    """How many there may be."""
    queued: datetime
    """When it was queued."""
    updated: datetime
    """When it changed last."""
    completed: datetime | None
    """When it was completed."""
    due: datetime | None
    """When it is tried next, where it waits."""
    worker: str | None
    """Who is at it."""
    lease_until: datetime | None
    """Until when, unless that is prolonged."""
    error: str | None
    """Why the last attempt failed."""
    error_kind: str | None
    """What kind of failure that was: the ``kind`` of an exception."""
    result: str | None
    """What became of it, for people."""
    result_cid: str | None
    """What it made or dealt with."""
    result_bytes: int | None
    """How much, in bytes."""


class Queued(Operation):
    """An operation that was to be queued."""

    unchanged: bool
    """Whether one with its key was known already, which this is."""


class Worked(TypedDict):
    """What a worker did."""

    scheduled: int
    """Operations that the schedule queued."""
    completed: int
    """Operations that are done."""
    retrying: int
    """Attempts that failed, and are made again."""
    failed: int
    """Operations that failed for good."""
    lost: int
    """Operations that somebody else had when the attempt was over."""


class WalStatus(TypedDict):
    """The log, and the operation queue that is in it."""

    segments: int
    """Its files."""
    bytes: int
    """Their bytes."""
    records: int
    """Records in them."""
    last_lsn: int
    """The newest record."""
    deltas: int
    """Changes of the catalog among the records."""
    pins: int
    """Roots that are pinned."""
    checkpoint_lsn: int
    """The newest record that a checkpoint covers; 0 without one."""
    records_behind: int
    """Records that came since."""
    sealed: int
    """Copies of closed segments that can be queried."""
    unsealed: int
    """Closed segments without a copy."""
    dirty: bool
    """Whether a writer is in a commit, or ended in one."""
    pending: int
    """Operations that wait for their first attempt."""
    processing: int
    """Operations that somebody is at, or was when he ended."""
    completed: int
    """Operations that are done and still remembered."""
    failed: int
    """Operations that cannot succeed."""
    retrying: int
    """Operations that are tried again."""
    dead: int
    """Operations of which every attempt failed."""
    queued_total: int
    """Operations that were ever queued."""
    abandoned: int
    """Operations whose lease is over, and which nobody has taken up since."""
    lag_ms: int | None
    """How long an operation has been due that nobody has begun, in milliseconds; the longest."""


def found(answer: Mapping[str, Any]) -> Found:
    """Makes the dict of the native one; so do the functions below."""
    return cast(Found, _with_moments(answer, "time"))


def operation(answer: Mapping[str, Any]) -> Operation:
    moments = ("queued", "updated", "completed", "due", "lease_until")
    known = {**answer, "params": json.loads(answer["params"])}
    return cast(Operation, _with_moments(known, *moments))


def queued(answer: Mapping[str, Any], is_new: bool) -> Queued:
    return {**operation(answer), "unchanged": not is_new}


def _with_moments(answer: Mapping[str, Any], *words: str) -> dict[str, Any]:
    moments = {word: moment(answer[word]) for word in words if answer[word] is not None}
    return {**answer, **moments}
