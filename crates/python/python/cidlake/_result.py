"""Rows that a lake returned: ``Result``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from . import _html, _pandas
from ._errors import UsageError

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

    from ._native import Result as NativeResult

_T = TypeVar("_T")

# How many rows are shown of an answer that somebody looks at.
_ROWS_SHOWN = 10


class Result:
    """Rows that a lake returned, to be read as often as one likes.

    Anything that takes Arrow takes a result: ``polars.DataFrame(result)``, ``pyarrow.table(result)``,
    DuckDB by the name of the variable. Rows come batch by batch, as they are and without copies.

    Of a table the rows are read each time, of the version that was meant the first time. The answer of
    a statement is kept where it is up to 64 MiB; a larger one is computed again, over the same
    versions, so that only functions such as ``random()`` may give others.

    Example:
        >>> import cidlake
        >>> lake = cidlake.Lake()
        >>> result = lake.sql("SELECT 1 AS n, 'a' AS s")
        >>> result.to_pylist()
        [{'n': 1, 's': 'a'}]
        >>> result.schema
        {'n': 'Int64', 's': 'Utf8'}
    """

    __slots__ = ("_native",)

    def __init__(self, native: NativeResult) -> None:
        self._native = native

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return [name for name, _ in self._native.columns]

    @property
    def schema(self) -> dict[str, str]:
        """The Arrow type of each column, as text."""
        return dict(self._native.columns)

    @property
    def version(self) -> str | None:
        """The CID of the version that the rows are of; ``None`` for the answer of a statement."""
        return self._native.version

    @property
    def seconds(self) -> float:
        """How long the statement took inside the lake, in seconds; 0 for a table."""
        return self._native.seconds

    def __len__(self) -> int:
        """How many rows there are; reads them where they are not kept."""
        return self._native.count()

    def __arrow_c_schema__(self) -> object:
        """The schema, through Arrow's PyCapsule interface."""
        return self._native.c_schema()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The rows, through Arrow's PyCapsule interface; a new stream each time.

        Raises:
            Error: what keeps the rows from being read again. What ends a stream before its end is
                raised by whoever reads it; the methods of this class raise it as an ``Error``.
        """
        return self._native.c_stream(requested_schema, True)

    def to_arrow(self) -> pyarrow.Table:
        """All rows as a table of pyarrow, which must be installed.

        Raises:
            Error: what ended the reading; ``UsageError`` without pyarrow.

        Example:
            >>> import cidlake
            >>> cidlake.Lake().sql("SELECT 1 AS n").to_arrow().num_rows
            1
        """
        arrow = _needed("pyarrow")
        table: pyarrow.Table = self.read_by(lambda stream: arrow.table(stream))
        return table

    def to_reader(self) -> pyarrow.RecordBatchReader:
        """The rows batch by batch, as a reader of pyarrow, which must be installed.

        Raises:
            Error: what keeps the rows from being read; ``UsageError`` without pyarrow.

        Example:
            >>> import cidlake
            >>> sum(batch.num_rows for batch in cidlake.Lake().sql("SELECT 1 AS n").to_reader())
            1
        """
        reader: pyarrow.RecordBatchReader = _needed("pyarrow").RecordBatchReader.from_stream(self)
        return reader

    def to_pandas(self, **options: Any) -> pandas.DataFrame:
        """All rows as a DataFrame of pandas. What was stored from pandas has the types and the index
        that it had.

        Args:
            options: those of ``pyarrow.Table.to_pandas``, such as ``types_mapper``; with any, they alone
                say which types there are, and nothing is restored.

        Raises:
            Error: what ended the reading; ``UsageError`` without pandas and pyarrow.

        Example:
            >>> import cidlake
            >>> cidlake.Lake().sql("SELECT 1 AS n").to_pandas()
               n
            0  1
        """
        _needed("pandas")
        return _pandas.of_table(self.to_arrow(), options)

    def to_polars(self) -> polars.DataFrame:
        """All rows as a DataFrame of polars, which must be installed.

        Raises:
            Error: what ended the reading; ``UsageError`` without polars.

        Example:
            >>> import cidlake
            >>> cidlake.Lake().sql("SELECT 1 AS n").to_polars()["n"].to_list()
            [1]
        """
        library = _needed("polars")
        frame: polars.DataFrame = self.read_by(lambda stream: library.DataFrame(stream))
        return frame

    def to_pylist(self) -> list[dict[str, Any]]:
        """All rows as dicts of Python's own values; needs nothing installed, and is slow for many.

        Raises:
            InvalidError: two columns of one name, or a type that Python lacks, such as an interval.
            Error: what ended the reading.

        Example:
            >>> import cidlake
            >>> cidlake.Lake().sql("SELECT DATE '2026-01-31' AS day").to_pylist()
            [{'day': datetime.date(2026, 1, 31)}]
        """
        return self._native.to_pylist()

    def __repr__(self) -> str:
        rows, more = self._native.preview(_ROWS_SHOWN)
        columns = self.columns
        shown = [[_html.shortened("null" if cell is None else cell) for cell in row] for row in rows]
        widths = [
            max([len(name), *(len(row[index]) for row in shown)])
            for index, name in enumerate(columns)
        ]
        lines = ["  ".join(map(str.ljust, cells, widths)).rstrip() for cells in [columns, *shown]]
        return "\n".join([*lines, self._size(len(rows), more)])

    def _repr_html_(self) -> str:
        rows, more = self._native.preview(_ROWS_SHOWN)
        return _html.table(self.columns, rows, self._size(len(rows), more))

    def _size(self, shown: int, more: bool) -> str:
        total = self._native.rows
        if total is None and not more:
            total = shown
        columns = len(self.columns)
        width = f"{columns} column{'' if columns == 1 else 's'}"
        if total is None:
            return f"[the first {shown} rows of {width}]"
        height = f"{total:,} row{'' if total == 1 else 's'}"
        return f"[{height} of {width}{', the first shown' if more else ''}]"

    def read_by(self, read: Callable[[Any], _T]) -> _T:
        """Reads a stream by ``read``; an error that ended it is raised as what it was."""
        try:
            return read(_Stream(self._native))
        except BaseException as error:
            failure = self._native.take_failure()
            if failure is None:
                raise
            raise failure from error


class _Stream:
    """A result for a reader whose errors are looked after here."""

    __slots__ = ("_native",)

    def __init__(self, native: NativeResult) -> None:
        self._native = native

    def __arrow_c_schema__(self) -> object:
        return self._native.c_schema()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._native.c_stream(requested_schema, False)


def _needed(library: str) -> Any:
    import importlib

    try:
        return importlib.import_module(library)
    except ImportError as error:
        raise UsageError(
            f"this needs {library}, which is not installed", f"pip install {library}"
        ) from error
