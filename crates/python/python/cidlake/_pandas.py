"""From pandas to tables of pyarrow and back, with what the way between them does not keep by itself.

pyarrow notes index and types in the table's metadata. Beyond that, fields note the categories of
categorical columns, which a table has only as far as values use them, and which columns were of Arrow's own
types, which pandas does not always restore. Texts that were objects are objects again.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ._errors import InvalidError, UsageError

if TYPE_CHECKING:
    import pandas
    import pyarrow

_CATEGORIES = b"cidlake.categories"
_OF_ARROW = b"cidlake.of_arrow"
# Categories beyond this size are not noted: metadata is a part of every version.
_CATEGORIES_BYTES_MAX = 256 << 10
# Kinds of objects of which several may stand in one column, for Arrow makes them one without loss.
_ALIKE = ({"int", "float"}, {"int", "Decimal"}, {"Timestamp", "datetime"}, {"Timedelta", "timedelta"})
_CONTAINERS = {"list", "tuple", "set", "dict", "ndarray"}


def to_table(frame: pandas.DataFrame) -> pyarrow.Table:
    """Returns ``frame`` as a table.

    Raises:
        InvalidError: it has a column that no table can have; the message names it.
        UsageError: pyarrow is not installed.
    """
    try:
        import pyarrow
    except ImportError:
        raise UsageError(
            "DataFrames of pandas become Arrow by pyarrow, which is not installed",
            "pip install pyarrow",
        ) from None
    _check_names(frame.columns, "column")
    levels = [name for name in frame.index.names if name is not None]
    _check_names(levels, "level of the index")
    for name in levels:
        if name in frame.columns:
            raise InvalidError(
                f"the index and a column are both named {name!r}",
                "rename one: df.rename_axis(index='other')",
            )
    for name in frame.columns:
        _check_objects(name, frame[name])
    try:
        table = pyarrow.Table.from_pandas(frame)
    except (pyarrow.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise _wrong_column(frame, error) from error
    return _noted(frame, table)


def _check_names(names: Iterable[Any], what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if not isinstance(name, str):
            raise InvalidError(
                f"the {what} {name!r} is named by a {type(name).__name__}, and names are text",
                "rename it: df.columns = df.columns.map(str)"
                if what == "column"
                else "rename it: df.rename_axis(index=str)",
            )
        if name in seen:
            raise InvalidError(
                f"there are two {'columns' if what == 'column' else what + 's'} named {name!r}",
                "rename one of them: names tell columns apart",
            )
        seen.add(name)


def _check_objects(name: str, column: pandas.Series) -> None:
    """Refuses a column whose objects are of several types; some pairs would become one silently."""
    if column.dtype != object:
        return
    from pandas.api.types import infer_dtype

    if not infer_dtype(column, skipna=True).startswith("mixed"):
        return
    kinds = _kinds(column)
    if len(kinds) > 1 and not kinds <= _CONTAINERS and not any(kinds <= alike for alike in _ALIKE):
        raise _mixed(name, kinds)


def _kinds(column: pandas.Series) -> set[str]:
    kinds = set()
    for kind in {type(value) for value in column.dropna()}:
        numpy = kind.__module__ == "numpy" and kind.__name__ != "ndarray"
        kinds.add(type(kind(0).item()).__name__ if numpy else kind.__name__)
    return kinds


def _mixed(name: str, kinds: set[str]) -> InvalidError:
    return InvalidError(
        f"the column {name!r} mixes values of the types {', '.join(sorted(kinds))}",
        f"make them one type, such as df[{name!r}] = df[{name!r}].astype(str)",
    )


def _wrong_column(frame: pandas.DataFrame, error: Exception) -> InvalidError:
    import pyarrow

    for name in frame.columns:
        column = frame[name]
        try:
            pyarrow.array(column, from_pandas=True)
        except (pyarrow.ArrowException, TypeError, ValueError, OverflowError) as trouble:
            kinds = _kinds(column)
            if len(kinds) > 1:
                return _mixed(name, kinds)
            return InvalidError(
                f"the column {name!r} has values that Arrow cannot carry: {trouble}",
                "convert or drop the column",
            )
    return InvalidError(f"the DataFrame cannot become an Arrow table: {error}")


def _noted(frame: pandas.DataFrame, table: pyarrow.Table) -> pyarrow.Table:
    """Returns the table with notes of what it would not say of its columns."""
    import pandas
    import pyarrow

    fields = list(table.schema)
    for name in frame.columns:
        dtype = frame[name].dtype
        note: dict[bytes, bytes] = {}
        if isinstance(dtype, pandas.CategoricalDtype):
            note = _categories(dtype)
        elif isinstance(dtype, pandas.ArrowDtype):
            note = {_OF_ARROW: b""}
        if note:
            index = table.schema.get_field_index(name)
            fields[index] = fields[index].with_metadata({**(fields[index].metadata or {}), **note})
    return table.cast(pyarrow.schema(fields, table.schema.metadata))


def _categories(dtype: pandas.CategoricalDtype) -> dict[bytes, bytes]:
    import pyarrow

    values = pyarrow.array(dtype.categories, from_pandas=True)
    sink = pyarrow.BufferOutputStream()
    categories = pyarrow.table({"c": values})
    with pyarrow.ipc.new_stream(sink, categories.schema) as writer:
        writer.write_table(categories)
    note = base64.b64encode(sink.getvalue())
    return {_CATEGORIES: note} if len(note) <= _CATEGORIES_BYTES_MAX else {}


def of_table(table: pyarrow.Table, options: dict[str, Any]) -> pandas.DataFrame:
    """Returns ``table`` as a DataFrame with the types and the index that it had, if it was one. With
    ``options`` they alone say how."""
    if options:
        return table.to_pandas(**options)
    noted = json.loads((table.schema.metadata or {}).get(b"pandas", b"{}"))
    of_arrow = [field.name for field in table.schema if _OF_ARROW in (field.metadata or {})]
    for column in noted.get("columns", []):
        if column["name"] in of_arrow:
            # pandas does not know all of the names of these types.
            column["numpy_type"] = "object"
    if of_arrow and noted:
        metadata = {**table.schema.metadata, b"pandas": json.dumps(noted).encode()}
        table = table.replace_schema_metadata(metadata)
    frame = table.to_pandas()
    for name in of_arrow:
        _give_arrow(frame, name, table)
    for column in noted.get("columns", []):
        if column["numpy_type"] == "object" and column["pandas_type"] == "unicode":
            _give_objects(frame, column["name"])
    for field in table.schema:
        _give_categories(frame, field)
    return frame


def _give_arrow(frame: pandas.DataFrame, name: str, table: pyarrow.Table) -> None:
    import pandas

    if name in frame.columns:
        array = pandas.arrays.ArrowExtensionArray(table[name])
        frame[name] = pandas.Series(array, index=frame.index)


def _give_objects(frame: pandas.DataFrame, name: str) -> None:
    import pandas

    if name in frame.columns and isinstance(frame[name].dtype, pandas.StringDtype):
        column = frame[name].astype(object)
        frame[name] = column.where(column.notna(), None)


def _give_categories(frame: pandas.DataFrame, field: pyarrow.Field) -> None:
    import pyarrow

    noted = (field.metadata or {}).get(_CATEGORIES)
    if noted is None or field.name not in frame.columns or not hasattr(frame[field.name], "cat"):
        return
    with pyarrow.ipc.open_stream(base64.b64decode(noted)) as reader:
        categories = reader.read_all()["c"].to_pandas()
    column = frame[field.name]
    # Rows that came later may have others.
    others = column.cat.categories.difference(categories, sort=False)
    frame[field.name] = column.cat.set_categories([*categories, *others])
