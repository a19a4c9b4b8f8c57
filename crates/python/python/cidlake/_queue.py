"""What a lake does with its operation queue: the part of ``Lake`` that is about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from . import _dicts, _given, _progress
from ._native import Lake as NativeLake


class Queue:
    """Work that is queued in the lake's log and done by whoever has time, now or later.

    An operation is tried again where an attempt failed, with longer and longer waits, and taken up by
    somebody else where its process ended.
    """

    __slots__ = ()

    _native: NativeLake
    _progress: bool | _progress.Show | None

    def enqueue(
        self,
        kind: str,
        params: Mapping[str, Any] | None = None,
        *,
        key: str | None = None,
        attempts: int | None = None,
        delay: float = 0.0,
    ) -> _dicts.Queued:
        """Queues an operation; when this returns it is durable. ``work`` does it, here or elsewhere.

        Args:
            kind: what is to be done: ``"verify"`` checks what is stored, with ``full=True`` every
                block; ``"compact"`` writes many small parts as few, of the dataset ``name`` or of all
                that need it; ``"gc"`` gives back the room of what nothing keeps; ``"seal"`` makes a
                checkpoint, indexes, and copies of the log that can be queried.
            params: with what; types are kept.
            key: what tells it from others that mean the same: while one with this key is known, it is
                not queued again.
            attempts: how often it is tried before it is given up; 6 times by default.
            delay: how many seconds it waits at least.

        Returns:
            The operation, and ``unchanged``: whether it was known by its key.

        Raises:
            UsageError: nobody does operations of this kind.
            InvalidError: parameters that the kind does not take.
            UnavailableError: the disk is full, or the lake's folder is gone.

        Example:
            >>> import cidlake
            >>> lake = cidlake.Lake()
            >>> _ = lake.enqueue("gc", key="nightly 2026-01-31")
            >>> lake.enqueue("gc", key="nightly 2026-01-31")["unchanged"]
            True
        """
        attempts = _given.count(attempts, "attempts", least=1)
        given = _given.params(params)
        answer = self._native.enqueue(kind, given, key, attempts, _given.delay(delay))
        return _dicts.queued(*answer)

    def operations(
        self,
        *,
        status: str | Sequence[str] | None = None,
        kind: str | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[_dicts.Operation]:
        """Lists operations in the order in which they were queued.

        Args:
            status: only those that are ``"pending"``, ``"processing"``, ``"completed"``, ``"failed"``,
                ``"retrying"`` or ``"dead"``; or a list of these.
            kind: only those of this kind.
            after: only those that were queued after the one with this ``id``.
            limit: the most to list, up to 10,000.

        Raises:
            UsageError: a status that there is not, or an ``after`` that is no number.

        Example:
            >>> import cidlake
            >>> lake = cidlake.Lake()
            >>> _ = lake.enqueue("verify", {"full": True})
            >>> lake.operations(status="pending")[-1]["params"]
            {'full': True}
        """
        limit = _given.count(limit, "operations")
        answers = self._native.operations(_given.names(status) or [], kind, after, limit)
        return [_dicts.operation(answer) for answer in answers]

    def operation(self, id: str) -> _dicts.Operation:
        """Says everything about one operation.

        Raises:
            NotFoundError: it is not known, or no longer.
            UsageError: it is no number.

        Example:
            >>> import cidlake
            >>> lake = cidlake.Lake()
            >>> lake.operation(lake.enqueue("verify")["id"])["attempts_max"]
            6
        """
        return _dicts.operation(self._native.operation(id))

    def retry_operation(self, id: str) -> _dicts.Operation:
        """Lets an operation be tried again that failed, is dead, or waits for another attempt: at once,
        and as often as at first. Returns it.

        Raises:
            NotFoundError: it is not known, or no longer.
            ConflictError: it is in another status.

        Example:
            >>> import cidlake
            >>> lake = cidlake.Lake()
            >>> queued = lake.enqueue("compact", {"name": "nothing"})
            >>> _ = lake.work(kinds=["compact"], schedule=False)
            >>> lake.operation(queued["id"])["error_kind"]
            'not_found'
            >>> lake.retry_operation(queued["id"])["status"]
            'pending'
        """
        return _dicts.operation(self._native.retry_operation(id))

    def drop_operation(self, id: str) -> _dicts.Operation:
        """Takes an operation out of the queue, and returns what it was. A key that it had is free again.

        Raises:
            NotFoundError: it is not known, or no longer.
            ConflictError: somebody is at it.

        Example:
            >>> import cidlake
            >>> lake = cidlake.Lake()
            >>> queued = lake.enqueue("seal", delay=3600)
            >>> lake.drop_operation(queued["id"])["status"]
            'pending'
        """
        return _dicts.operation(self._native.drop_operation(id))

    def work(
        self,
        *,
        kinds: str | Sequence[str] | None = None,
        schedule: bool = True,
        watch: bool = False,
        limit: int | None = None,
    ) -> _dicts.Worked:
        """Runs operations that are due, one after the other, until there is none.

        Several workers may run at once, in this process and in others; each operation has one of them
        at a time. Ctrl-C ends this after the operation that it is at, and is raised then; a second one
        at once.

        Args:
            kinds: only operations of these kinds.
            schedule: whether to queue first what the settings say, such as ``verify_every_seconds``.
            watch: whether to wait for more when nothing is due, until Ctrl-C.
            limit: the most attempts to make.

        Returns:
            How many operations came to which end. What fails in one is noted with it, as ``error``, and
            is not raised.

        Raises:
            UsageError: a kind that nobody does.
            UnavailableError: the disk is full, or the lake's folder is gone.

        Example:
            >>> import cidlake
            >>> lake = cidlake.Lake()
            >>> _ = lake.enqueue("seal")
            >>> lake.work(kinds=["seal"], schedule=False)["completed"]
            1
        """
        limit = _given.count(limit, "attempts")
        chosen = _given.names(kinds) or []
        with _progress.shown(self._progress) as show:
            answer = self._native.work(chosen, schedule, watch, limit, show)
        return cast(_dicts.Worked, answer)

    def wal_status(self) -> _dicts.WalStatus:
        """Says what the log and the operation queue in it hold.

        Raises:
            UnavailableError: the lake cannot be read.

        Example:
            >>> import cidlake
            >>> cidlake.Lake().wal_status()["dead"]
            0
        """
        return cast(_dicts.WalStatus, self._native.wal_status())
