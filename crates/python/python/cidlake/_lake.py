"""A lake of tables as Python has it: ``Lake``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from . import _answers, _dicts, _frames, _given, _native, _progress
from ._errors import UsageError
from ._given import Path
from ._queue import Queue
from ._result import Result

Progress = bool | _progress.Show | None


class Lake(Queue):
    """A content-addressed lake of tables in a folder.

    Several processes may have one lake open at the same time, and a process that is forked goes on
    with it. Methods may be called from any thread; other threads run meanwhile, and Ctrl-C is heard.

    Args:
        path: the folder; by default ``$CIDLAKE_HOME``, else the user's data folder.
        create: whether to make a lake where there is none.
        memory: working memory of statements, in bytes; 512 MiB by default.
        cache: verified blocks kept in memory, in bytes; 192 MiB by default.
        timeout: longest run of one statement, in seconds; 300 by default.
        threads: worker threads; by default one for each core.
        key_file: the file with the key that signs; by default that of the user.
        progress: how long work is shown: by default with tqdm, where it is installed and somebody
            looks; ``True`` and ``False`` say so; a function is called with phase, done, total (or
            ``None``) and unit.

    Raises:
        NotFoundError: there is no lake and ``create`` is false.
        UnavailableError: the folder cannot be used, or its format is newer than this package.
        CorruptError: its log is damaged.

    Example:
        >>> import cidlake
        >>> with cidlake.Lake() as lake:
        ...     lake.sql("SELECT 1 AS n").to_pylist()
        [{'n': 1}]
    """

    __slots__ = ("_arguments", "_native", "_progress", "__weakref__")

    def __init__(
        self,
        path: Path | None = None,
        *,
        create: bool = True,
        memory: int | None = None,
        cache: int | None = None,
        timeout: float | None = None,
        threads: int | None = None,
        key_file: Path | None = None,
        progress: Progress = None,
    ) -> None:
        self._native = _native.Lake(
            _given.absolute(path),
            create,
            memory,
            cache,
            _given.milliseconds(timeout),
            threads,
            _given.absolute(key_file),
        )
        self._progress: Progress = progress
        self._arguments: dict[str, Any] = {
            "memory": memory,
            "cache": cache,
            "timeout": timeout,
            "threads": threads,
            "key_file": _given.absolute(key_file),
        }

    @property
    def path(self) -> str:
        """The lake's folder."""
        return os.fspath(self._native.path)

    @property
    def closed(self) -> bool:
        """Whether the lake was closed."""
        return self._native.closed_

    def close(self) -> None:
        """Leaves the lake; further calls raise ``UsageError``. What was stored is safe without it.

        Example:
            >>> import cidlake
            >>> lake = cidlake.Lake()
            >>> lake.close()
            >>> lake.closed
            True
        """
        self._native.close()

    def __enter__(self) -> Lake:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<cidlake.Lake at {self.path}{' (closed)' if self.closed else ''}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_reopened, (self.path, self._arguments))

    def store(
        self,
        df: Any,
        name: str | None = None,
        *,
        append: bool = False,
        upsert: bool = False,
        partition_by: str | Sequence[str] | None = None,
        key: str | Sequence[str] | None = None,
        metadata: Mapping[str, str] | None = None,
        message: str | None = None,
        index: bool | None = None,
        progress: Progress = None,
    ) -> _answers.Stored:
        """Stores a table, as a new version of the dataset ``name``.

        Args:
            df: a DataFrame of pandas or polars, a table, batch, reader or dataset of pyarrow, a
                relation of DuckDB, a ``Result``, anything with ``__arrow_c_stream__``; or the path of
                a Parquet, CSV, JSON or Arrow file, of a folder of such, or a list of paths.
            name: the dataset; without one the table is had by its CID.
            append: whether to put the rows behind those that the dataset has.
            upsert: whether rows take the places of those that have their keys.
            partition_by: columns whose values become folders; by default those that it has.
            key: columns that identify a row; by default those that it has, ``[]`` for none.
            metadata: free words, which are no part of the content's CID.
            message: what this version is, in a sentence.
            index: whether the index of a DataFrame of pandas becomes columns; by default as in
                ``to_parquet``: all but a range, which is noted.
            progress: as for the lake.

        Returns:
            The version: its CIDs, rows and bytes.

        Raises:
            InvalidError: it is no table, or has a column that cannot be stored; the message names it.
            UsageError: a bad name, or both ``append`` and ``upsert``.
            NotFoundError: appending to a dataset that is not there, or storing a file that is not.
            UnavailableError: the disk is full, or the lake's folder is gone.

        Example:
            >>> import cidlake, pandas
            >>> lake = cidlake.Lake()
            >>> people = pandas.DataFrame({"name": ["Ada", "Alan"], "born": [1815, 1912]})
            >>> lake.store(people, name="people", metadata={"source": "memory"}).rows
            2
        """
        if append and upsert:
            raise UsageError(
                "rows are either appended or put in by their keys", "give append or upsert"
            )
        arriving = _frames.arriving(df, index)
        asked = {
            "label": arriving.label,
            "rows_total": arriving.total,
            "name": name,
            "mode": "append" if append else "upsert" if upsert else "overwrite",
            "key": _given.names(key),
            "partition_by": _given.names(partition_by),
            "metadata": _given.metadata(metadata),
            "message": message,
        }
        with _progress.shown(self._shown(progress)) as show:

            def put(rows: Any) -> dict[str, Any]:
                return self._native.store(rows, arriving.paths, asked, show)

            # What ends a result is raised as what it was.
            answer = df.read_by(put) if isinstance(df, Result) else put(arriving.rows)
        return _answers.stored(answer)

    def get(
        self,
        ref: str,
        *,
        columns: str | Sequence[str] | None = None,
        filter: str | Sequence[Any] | None = None,
        limit: int | None = None,
    ) -> Result:
        """Returns a table, in the order and the types in which it was stored.

        Args:
            ref: a name, a version (``name~1``, ``name@TAG``, ``name@2026-01-31``) or a CID.
            columns: the columns to return, in their order; all by default.
            filter: the rows to return: a condition in SQL, or a list of ``(column, operator, value)``
                that must all hold, or a list of such lists of which one must hold.
            limit: no more rows than this.

        Raises:
            NotFoundError: an unknown name or CID.
            InvalidError: an unknown column, or a filter that cannot be understood.
            UsageError: a malformed reference.

        Example:
            >>> import cidlake
            >>> lake = cidlake.Lake()
            >>> people = lake.get("people", columns=["name"], filter=[("born", "<", 1900)])
            >>> people.to_pylist()
            [{'name': 'Ada'}]
        """
        if limit is not None and limit < 0:
            raise UsageError(f"a limit of {limit} rows is none", "give a number of rows")
        condition, conditions = _given.filter(filter)
        return Result(self._native.get(ref, _given.names(columns), condition, conditions, limit))

    def sql(
        self,
        query: str,
        params: Sequence[Any] | Mapping[str, Any] | None = None,
        *,
        write: bool = False,
        timeout: float | None = None,
    ) -> Result:
        """Runs one SQL statement over the lake.

        Datasets are tables by their names, versions and CIDs in double quotes. The statement runs at
        once, so that what is wrong with it is raised here.

        Args:
            query: the statement.
            params: values of ``$1`` or ``?`` in turn, or of ``$name`` by name.
            write: whether it may write: CREATE TABLE … AS, INSERT and DELETE, a version each.
            timeout: its longest run in seconds; never more than the lake allows.

        Raises:
            InvalidError: the statement is wrong, or writes without ``write``.
            NotFoundError: an unknown table.
            ConflictError: what it writes was changed since it was read.
            UnavailableError: time or memory is over.
            TypeError: a parameter of a type that has no counterpart in SQL.

        Example:
            >>> import cidlake
            >>> lake = cidlake.Lake()
            >>> lake.sql("SELECT name FROM people WHERE born > $1", [1900]).to_pylist()
            [{'name': 'Alan'}]
        """
        return Result(self._native.sql(query, params, write, _given.milliseconds(timeout)))

    def datasets(self) -> _answers.Datasets:
        """Lists the datasets, by name.

        Raises:
            UnavailableError: the lake cannot be read.

        Example:
            >>> import cidlake
            >>> [dataset.name for dataset in cidlake.Lake().datasets()]
            ['people']
        """
        return _answers.datasets(self._native.datasets())

    def find(
        self, *conditions: _given.Condition, all_versions: bool = False, limit: int | None = None
    ) -> list[_dicts.Found]:
        """Finds versions by what is known of them; no rows are read.

        Without a condition it finds the newest version of every dataset. A CID alone finds whatever
        has it: versions, parts of newest versions, pins and blocks.

        Args:
            conditions: what must all hold, each a text such as ``"rows > 1000"`` or a list such as
                ``["name", "in", ["a", "b"]]``. Fields: ``name``, ``namespace``, ``cid``, ``commit``,
                ``rows``, ``bytes``, ``parts``, ``columns``, ``depth``, ``time``, ``operation``,
                ``author``, ``message``, ``logical_hash``, ``column``, ``type``, ``key``,
                ``partition``, ``tag``, ``metadata`` and ``metadata.KEY``. Operators: ``=``, ``!=``,
                ``<``, ``<=``, ``>``, ``>=``, ``in``, ``contains``, ``starts_with``, ``ends_with``,
                ``is_null``, ``is_not_null``. A word alone is part of a name, or a CID.
            all_versions: whether older versions are looked at, too.
            limit: the most to find.

        Returns:
            What fits, by name and of each the newest first.

        Raises:
            UsageError: a condition that cannot be understood.
            CorruptError: a version cannot be read.

        Example:
            >>> import cidlake
            >>> lake = cidlake.Lake()
            >>> [found["name"] for found in lake.find("rows > 1", ["column", "=", "born"])]
            ['people']
        """
        limit = _given.count(limit, "things to find")
        answers = self._native.find(_given.conditions(conditions), all_versions, limit)
        return [_dicts.found(answer) for answer in answers]

    def show(self, ref: str) -> _answers.Shown:
        """Says everything about a name, a version or a CID.

        Raises:
            NotFoundError: it is not here.
            UsageError: a malformed reference.

        Example:
            >>> import cidlake
            >>> [column.name for column in cidlake.Lake().show("people").columns]
            ['name', 'born']
        """
        return _answers.shown(self._native.show(ref))

    def log(self, ref: str, *, limit: int = 20, start: str | None = None) -> _answers.Log:
        """Lists the versions of a dataset, newest first.

        Args:
            ref: the dataset, or a version of it to begin with.
            limit: the most versions to list.
            start: the version to begin with: a reference, a commit, ``~1`` or ``@TAG``.

        Raises:
            NotFoundError: it is not here.
            UsageError: it is no table.

        Example:
            >>> import cidlake
            >>> [version.operation for version in cidlake.Lake().log("people")]
            ['create']
        """
        return _answers.log(self._native.log(ref, limit, start))

    def diff(
        self,
        a: str,
        b: str,
        *,
        key: str | Sequence[str] | None = None,
        samples: int = 10,
        progress: Progress = None,
    ) -> _answers.Difference:
        """Says how the version ``b`` differs from the version ``a``; costs what differs.

        Args:
            a: the first version, as a reference.
            b: the second.
            key: columns that tell rows apart; by default the key that both have, ``[]`` for none.
            samples: the most rows of each kind to return, up to 10,000.
            progress: as for the lake.

        Raises:
            NotFoundError: one of them is not here.
            InvalidError: a key that one of them lacks, or that does not tell its rows apart.

        Example:
            >>> import cidlake
            >>> cidlake.Lake().diff("people", "people").same
            True
        """
        if samples < 0:
            raise UsageError(f"{samples} samples are none", "give a number of rows")
        with _progress.shown(self._shown(progress)) as show:
            answer = self._native.diff(a, b, _given.names(key), samples, show)
        return _answers.difference(answer)

    def drop(self, name: str) -> _answers.Dropped:
        """Frees a name. Its versions are there by their CIDs until garbage is collected.

        Raises:
            NotFoundError: there is no such dataset.

        Example:
            >>> import cidlake
            >>> lake = cidlake.Lake()
            >>> _ = lake.sql("CREATE TABLE gone AS SELECT 1 AS n", write=True)
            >>> lake.drop("gone").name
            'gone'
        """
        return _answers.Dropped(**self._native.drop(name))

    def add(
        self, source: Path | bytes, *, name: str = "bytes", progress: Progress = None
    ) -> _answers.Added:
        """Adds a file, a folder or bytes, with the CID that IPFS tools compute for it, and keeps it.

        Args:
            source: a path, or the bytes themselves.
            name: what to call bytes.
            progress: as for the lake.

        Raises:
            NotFoundError: the path is not there.
            InvalidError: it is neither file nor folder.

        Example:
            >>> import cidlake
            >>> cidlake.Lake().add(b"hello").cid
            'bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq'
        """
        with _progress.shown(self._shown(progress)) as show:
            if isinstance(source, (bytes, bytearray, memoryview)):
                answer = self._native.add(None, bytes(source), name, show)
            else:
                answer = self._native.add(os.fspath(source), None, "", show)
        return _answers.Added(**answer)

    def cat(self, ref: str, *, start: int = 0, end: int | None = None) -> bytes:
        """Returns a file's bytes, every block of them verified.

        Args:
            ref: a CID, with a path behind it where it is a folder; a dataset also by name.
            start: the first byte.
            end: the byte behind the last; by default the end of the file.

        Raises:
            NotFoundError: it is not here.
            InvalidError: it is a folder.

        Example:
            >>> import cidlake
            >>> lake = cidlake.Lake()
            >>> lake.cat(lake.add(b"hello").cid, start=1, end=3)
            b'el'
        """
        if start < 0 or (end is not None and end < start):
            raise UsageError(
                f"there are no bytes from {start} to {end}", "count from 0, and end behind start"
            )
        return self._native.cat(ref, start, end)

    def export(
        self, ref: str, path: Path, *, history: bool = False, progress: Progress = None
    ) -> _answers.Exported:
        """Writes a table, or anything else that a CID means, as an archive that IPFS tools read (CAR).

        Args:
            ref: a name, a version or a CID.
            path: the file to write; nothing is left there on failure.
            history: whether older versions go with it.
            progress: as for the lake.

        Raises:
            NotFoundError: it is not here.
            CorruptError: a block is damaged or missing.

        Example:
            >>> import cidlake, tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     cidlake.Lake().export("people", folder + "/people.car").blocks > 0
            True
        """
        with _progress.shown(self._shown(progress)) as show:
            answer = self._native.export(ref, os.path.abspath(os.fspath(path)), history, show)
        return _answers.Exported(**answer)

    def _shown(self, progress: Progress) -> Progress:
        return self._progress if progress is None else progress

    def _repr_html_(self) -> str:
        return self.datasets()._repr_html_()


def _reopened(path: str, arguments: dict[str, Any]) -> Lake:
    return Lake(path, create=False, **arguments)
