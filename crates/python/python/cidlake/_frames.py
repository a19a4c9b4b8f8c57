"""What may be stored, and as what the native half takes it: objects that offer Arrow streams, or paths.

Libraries are told by the module of a class, so that none is imported that the caller has not.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from . import _pandas
from ._errors import InvalidError


@dataclass(frozen=True)
class Arriving:
    """Rows on their way in."""

    rows: Any
    """An object with ``__arrow_c_stream__`` or ``__arrow_c_array__``; ``None`` where paths are stored."""
    paths: list[str]
    """Files and folders to store."""
    label: str
    """What messages call the rows."""
    total: int | None = None
    """How many there are, where that is known."""


def arriving(frame: Any, index: bool | None = None) -> Arriving:
    """Says how ``frame`` is to be stored; ``index`` is whether with its index, where pandas has one.

    Raises:
        InvalidError: it is no table, or has a column that a table cannot have.
    """
    if isinstance(frame, (str, os.PathLike)):
        return Arriving(None, [_path(frame)], "")
    if isinstance(frame, (list, tuple)) and frame and all(map(_is_path, frame)):
        return Arriving(None, [_path(path) for path in frame], "")
    library, kind = _library(frame)
    if library == "pandas":
        return _of_pandas(frame, kind, index)
    if library == "polars":
        return _of_polars(frame, kind)
    if library == "pyarrow" and hasattr(frame, "scanner"):
        return Arriving(frame.scanner().to_reader(), [], "the pyarrow dataset")
    if library == "pyarrow" and not hasattr(frame, "schema"):
        raise InvalidError(f"a {kind} is a column, not a table", "store pyarrow.table({'name': array})")
    if hasattr(frame, "__arrow_c_stream__") or hasattr(frame, "__arrow_c_array__"):
        rows = getattr(frame, "num_rows", None)
        total = rows if isinstance(rows, int) else None
        return Arriving(frame, [], f"the {library} {kind}", total)
    raise _no_table(frame, kind)


def _library(frame: Any) -> tuple[str, str]:
    """Returns which library an object is of, also by inheritance, and the name of its class there."""
    for kind in type(frame).__mro__:
        library = kind.__module__.partition(".")[0]
        if library in ("pandas", "polars", "pyarrow"):
            return library, kind.__name__
    return type(frame).__module__.partition(".")[0], type(frame).__name__


def _is_path(value: Any) -> bool:
    return isinstance(value, (str, os.PathLike))


def _path(value: Any) -> str:
    path = os.fspath(value)
    return os.fsdecode(path)


def _no_table(frame: Any, kind: str) -> InvalidError:
    if isinstance(frame, Iterator):
        return InvalidError(
            f"a {kind} cannot be stored: nothing says which columns it will yield",
            "store pyarrow.RecordBatchReader.from_batches(schema, batches), or a DataFrame",
        )
    if isinstance(frame, (dict, list, tuple)):
        return InvalidError(
            f"a {kind} cannot be stored: nothing says which types its columns have",
            "store pandas.DataFrame(data), polars.DataFrame(data) or pyarrow.table(data)",
        )
    return InvalidError(
        f"a {kind} cannot be stored: it offers no Arrow stream",
        "store a DataFrame of pandas or polars, a table of pyarrow, a relation of DuckDB, "
        "anything with __arrow_c_stream__, or the path of a file",
    )


def _of_pandas(frame: Any, kind: str, index: bool | None) -> Arriving:
    if kind == "Series":
        raise InvalidError("a Series is a column, not a table", "store series.to_frame()")
    if not hasattr(frame, "columns"):
        raise _no_table(frame, kind)
    table = _pandas.to_table(frame, index)
    return Arriving(table, [], "the pandas DataFrame", table.num_rows)


def _of_polars(frame: Any, kind: str) -> Arriving:
    if kind == "LazyFrame":
        frame = frame.collect()
    elif kind == "Series":
        raise InvalidError("a Series is a column, not a table", "store series.to_frame()")
    if not hasattr(frame, "schema"):
        raise _no_table(frame, kind)
    for name, dtype in frame.schema.items():
        if _has(dtype, "Object"):
            raise InvalidError(
                f"the column {name!r} has Python objects, which Arrow cannot carry",
                "convert or drop the column",
            )
    rows = frame
    if any(_has(dtype, "Null") for dtype in frame.schema.dtypes()):
        rows = _with_plain_nulls(frame)
    return Arriving(rows, [], f"the polars {kind}", frame.height)


def _has(dtype: Any, kind: str) -> bool:
    """Whether a type of polars is, or has within, the one that is named ``kind``."""
    if dtype.base_type().__name__ == kind:
        return True
    fields = getattr(dtype, "fields", None)
    inner = getattr(dtype, "inner", None)
    return any(_has(field.dtype, kind) for field in fields or ()) or (
        inner is not None and hasattr(inner, "base_type") and _has(inner, kind)
    )


def _with_plain_nulls(frame: Any) -> Any:
    """Returns a table of pyarrow: polars' own stream has columns of nothing but null in a form that
    Arrow does not have."""
    try:
        return frame.to_arrow()
    except ImportError:
        names = [name for name, dtype in frame.schema.items() if _has(dtype, "Null")]
        raise InvalidError(
            f"the column {names[0]!r} has no type, only nulls, for which pyarrow is needed",
            "give it a type with cast, or pip install pyarrow",
        ) from None
