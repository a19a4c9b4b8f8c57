"""What the methods of a lake return: plain, frozen data classes.

CIDs are text, sizes are bytes, and moments are aware ``datetime`` in UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from . import _html
from ._result import Result

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def moment(milliseconds: int) -> datetime:
    """Returns the moment so long after the Unix epoch."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


@dataclass(frozen=True)
class Upserted:
    """What became of rows that were put in by their keys."""

    rows_updated: int
    """Rows that took the place of others."""
    rows_inserted: int
    """Rows whose keys were new."""
    rows_unchanged: int
    """Rows that were there as they are."""


@dataclass(frozen=True)
class Stored:
    """A version that was stored."""

    name: str | None
    """The dataset, where it has a name."""
    cid: str
    """The CID of the content: a function of the rows alone."""
    commit: str
    """The CID of the version."""
    rows: int
    """Rows of the whole dataset."""
    columns: int
    """Columns of the dataset."""
    parts: int
    """Parquet files of the dataset."""
    bytes: int
    """Bytes of the content."""
    new_bytes: int
    """Bytes that were not in the lake before."""
    unchanged: bool
    """Whether the dataset was exactly this already."""
    key: list[str]
    """The columns that identify a row."""
    partition_by: list[str]
    """The columns whose values are folders."""
    metadata: dict[str, str]
    """Free words about the dataset."""
    upserted: Upserted | None
    """What became of rows that were put in by their keys."""


@dataclass(frozen=True)
class Dataset:
    """A dataset in the list of all."""

    name: str
    """Its name."""
    cid: str
    """The CID of its content."""
    commit: str
    """The CID of its newest version."""
    rows: int
    """Its rows."""
    columns: int
    """Its columns."""
    parts: int
    """Its Parquet files."""
    bytes: int
    """Bytes of its content."""
    updated: datetime
    """When the newest version was made."""
    operation: str
    """What the newest version did."""
    partition_by: list[str]
    """The columns whose values are folders."""
    metadata: dict[str, str]
    """Free words about it."""
    conflicts: int
    """How many other versions were made at the same time as the newest and are kept."""


class Datasets(list[Dataset]):
    """A list of datasets, which a notebook shows as a table."""

    _COLUMNS = ("name", "rows", "columns", "bytes", "updated", "cid")

    def _cells(self) -> list[list[str | None]]:
        return [
            [
                dataset.name,
                f"{dataset.rows:,}",
                f"{dataset.columns:,}",
                f"{dataset.bytes:,}",
                dataset.updated.strftime("%Y-%m-%d %H:%M:%S"),
                dataset.cid,
            ]
            for dataset in self
        ]

    def _repr_html_(self) -> str:
        caption = f"{len(self)} dataset{'' if len(self) == 1 else 's'}"
        return _html.table(self._COLUMNS, self._cells(), caption)


@dataclass(frozen=True)
class Column:
    """A column of a table, with what its version knows of it."""

    name: str
    """Its name."""
    type: str
    """Its Arrow type, as text."""
    nulls: int | None
    """How many values are null, where that is known."""
    min: str | None
    """The least value as text, where that is known."""
    max: str | None
    """The greatest value as text, where that is known."""
    bytes: int | None
    """Its bytes, compressed."""


@dataclass(frozen=True)
class Part:
    """One Parquet file of a table."""

    cid: str
    """Its CID."""
    rows: int
    """Its rows."""
    bytes: int
    """Its bytes."""
    folders: list[str]
    """The folders that it is in, from the top down."""


@dataclass(frozen=True)
class Shown:
    """Everything that is known of one reference. What it does not have is ``None``."""

    name: str | None
    """The name that led to it."""
    cid: str
    """The CID of the content."""
    commit: str | None
    """The CID of the version."""
    kind: str
    """``"table"``, ``"file"``, ``"directory"`` or ``"block"``."""
    rows: int | None
    """Rows of the table."""
    bytes: int | None
    """Bytes of the content."""
    columns: list[Column]
    """The columns."""
    parts: list[Part]
    """The Parquet files, in row order."""
    metadata: dict[str, str]
    """Free words about it."""
    operation: str | None
    """What the version did."""
    parents: list[str]
    """The versions that it grew from."""
    author: str | None
    """The id of the key that signed it."""
    time: datetime | None
    """When it was made."""
    message: str | None
    """What its author said."""
    profile: str | None
    """The rules by which its rows became bytes."""
    logical_hash: str | None
    """A digest of the values in order: equal for equal tables, however they are stored."""
    key: list[str]
    """The columns that identify a row."""
    cut_columns: list[str]
    """The columns whose values decide where files end; none means all."""
    partition_by: list[str]
    """The columns whose values are folders."""
    conflicts: list[str]
    """Versions made at the same time and kept beside it."""
    tags: list[str]
    """The tags that the dataset has for it."""

    def _repr_html_(self) -> str:
        rows: list[list[str | None]] = [
            [column.name, column.type, _text(column.nulls), column.min, column.max]
            for column in self.columns
        ]
        name = self.name or self.kind
        size = "" if self.rows is None else f", {self.rows:,} rows"
        caption = f"{name}{size}, {self.cid}"
        return _html.table(("column", "type", "nulls", "min", "max"), rows, caption)


@dataclass(frozen=True)
class Version:
    """One version in the log of a dataset."""

    commit: str
    """The CID of the version."""
    parent: str | None
    """The version that it grew from."""
    cid: str
    """The CID of its content."""
    depth: int
    """How many versions stand before it."""
    back: int | None
    """How many stand behind it, up to the newest: ``name~BACK`` means it."""
    time: datetime
    """When it was made."""
    author: str
    """The id of the key that signed it."""
    operation: str
    """What it did."""
    message: str | None
    """What its author said."""
    rows: int
    """Its rows."""
    rows_before: int | None
    """Rows of the version before it."""
    bytes: int
    """Bytes of its content."""
    parts: int
    """Its Parquet files."""
    metadata_changed: bool
    """Whether its metadata is another than that of the version before."""
    tags: list[str]
    """The tags that the dataset has for it."""


class Log(list[Version]):
    """Versions of a dataset, newest first, which a notebook shows as a table.

    Attributes:
        name: the dataset, where the log is that of a name.
        end: what comes behind the last one: ``"more"``, ``"first"``, ``"expired"`` or ``"missing"``.
        next: the next version, where there are more; give it as ``start`` to go on.
    """

    def __init__(
        self, versions: Iterable[Version], name: str | None, end: str, next: str | None
    ) -> None:
        super().__init__(versions)
        self.name: str | None = name
        self.end: str = end
        self.next: str | None = next

    def _repr_html_(self) -> str:
        rows: list[list[str | None]] = [
            [
                _text(version.back),
                version.time.strftime("%Y-%m-%d %H:%M:%S"),
                version.operation,
                f"{version.rows:,}",
                version.message or "",
                " ".join(version.tags),
                version.commit,
            ]
            for version in self
        ]
        columns = ("back", "time", "operation", "rows", "message", "tags", "commit")
        return _html.table(columns, rows, self.name or "")


@dataclass(frozen=True)
class Side:
    """One of two versions that were compared."""

    reference: str
    """What it was asked for by."""
    name: str | None
    """The dataset, where it was asked for by a name."""
    commit: str
    """The CID of the version."""
    cid: str
    """The CID of its content."""
    rows: int
    """Its rows."""
    parts: int
    """Its Parquet files."""


@dataclass(frozen=True)
class ColumnDifference:
    """A column that differs."""

    name: str
    """Its name."""
    change: str
    """``"added"``, ``"removed"``, ``"retyped"`` or ``"moved"``."""
    before: str | None
    """Its type in the first version."""
    after: str | None
    """Its type in the second version."""


@dataclass(frozen=True, eq=False)
class Difference:
    """How the version ``b`` differs from the version ``a``. Of rows, the first of each kind are told."""

    same: bool
    """Whether nothing differs."""
    a: Side
    """The first version."""
    b: Side
    """The second."""
    columns: list[ColumnDifference]
    """Columns that differ."""
    metadata: dict[str, tuple[str | None, str | None]]
    """Words of the metadata that differ: before and after."""
    roles: dict[str, tuple[list[str], list[str]]]
    """Columns of a kind (``key``, ``cut``, ``partition``) that are other ones: before and after."""
    key: list[str]
    """The columns that told rows apart; none where rows were compared whole."""
    rows_removed: int
    """Rows that only ``a`` has."""
    rows_added: int
    """Rows that only ``b`` has."""
    rows_changed: int
    """Rows whose key both have, with other values."""
    columns_changed: dict[str, int]
    """In how many of these a column changed."""
    removed: Result
    """The first rows that only ``a`` has."""
    removed_times: list[int]
    """How much more often ``a`` has each of them."""
    added: Result
    """The first rows that only ``b`` has."""
    added_times: list[int]
    """How much more often ``b`` has each of them."""
    changed_before: Result
    """The first changed rows, as ``a`` has them."""
    changed_after: Result
    """The same rows, as ``b`` has them."""
    changed_columns: list[list[str]]
    """Which columns changed in each of them."""
    parts_differing: int
    """Parquet files that only one of them has."""
    rows_read: int
    """Rows that had to be read to tell."""

    def _repr_html_(self) -> str:
        rows: list[list[str | None]] = [
            ["rows removed", f"{self.rows_removed:,}"],
            ["rows added", f"{self.rows_added:,}"],
            ["rows changed", f"{self.rows_changed:,}"],
        ]
        rows += [[f"column {column.change}", column.name] for column in self.columns]
        rows += [["metadata changed", word] for word in self.metadata]
        caption = f"{self.a.reference} → {self.b.reference}"
        return _html.table(("what", ""), rows, caption)


@dataclass(frozen=True)
class Dropped:
    """A name that was freed."""

    name: str
    """The name."""
    commit: str
    """The version that it meant; readable by this CID until garbage is collected."""
    tags: list[str]
    """The tags that ended with it."""


@dataclass(frozen=True)
class Added:
    """A file or folder that was added."""

    cid: str
    """Its CID."""
    name: str
    """Its name."""
    bytes: int
    """Its bytes."""
    new_bytes: int
    """Bytes that were not in the lake before."""


@dataclass(frozen=True)
class Exported:
    """An archive that was written."""

    cid: str
    """The CID of the content in it."""
    commit: str | None
    """The version, where a table was exported."""
    blocks: int
    """Blocks in it."""
    bytes: int
    """Its bytes."""
    path: str
    """Where it is."""


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def stored(answer: Mapping[str, Any]) -> Stored:
    """Makes the class of the native answer; so do all functions below."""
    upserted = answer["upserted"]
    return Stored(**{**answer, "upserted": None if upserted is None else Upserted(**upserted)})


def datasets(answer: Iterable[Mapping[str, Any]]) -> Datasets:
    return Datasets(Dataset(**{**one, "updated": moment(one["updated"])}) for one in answer)


def shown(answer: Mapping[str, Any]) -> Shown:
    time = answer["time"]
    return Shown(
        **{
            **answer,
            "time": None if time is None else moment(time),
            "columns": [Column(**column) for column in answer["columns"]],
            "parts": [Part(**part) for part in answer["parts"]],
        }
    )


def log(answer: Mapping[str, Any]) -> Log:
    versions = (Version(**{**one, "time": moment(one["time"])}) for one in answer["entries"])
    return Log(versions, answer["name"], answer["end"], answer["next"])


def difference(answer: Mapping[str, Any]) -> Difference:
    rows = ("removed", "added", "changed_before", "changed_after")
    return Difference(
        **{
            **answer,
            **{kind: Result(answer[kind]) for kind in rows},
            "a": Side(**answer["a"]),
            "b": Side(**answer["b"]),
            "columns": [ColumnDifference(**column) for column in answer["columns"]],
        }
    )
