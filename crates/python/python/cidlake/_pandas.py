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
# Larger categories are not noted: metadata is a part of every version.
_CATEGORIES_BYTES_MAX = 256 << 10
# Kinds of objects of which several may stand in one column, for Arrow makes them one without loss.
_ALIKE = ({"int", "float"}, {"int", "Decimal"}, {"Timestamp", "datetime"}, {"Timedelta", "timedelta"})
_CONTAINERS = {"list", "tuple", "set", "dict", "ndarray"}
# What pandas infers of objects that may still be of several kinds.
_UNSURE = ("mixed", "date")


def to_table(frame: pandas.DataFrame, index: bool | None) -> pyarrow.Table:
    """Returns ``frame`` as a table, with its index as pandas writes it to Parquet.

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
    _check(frame)
    frame, noted = _plain(frame)
    try:
        table = pyarrow.Table.from_pandas(frame, preserve_index=index)
    except (pyarrow.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise _wrong_column(frame, error) from error
    for name in frame.columns:
        if _is_of_arrow(frame[name].dtype):
            noted.setdefault(name, {})[_OF_ARROW] = b""
    return _with_notes(table, noted)


def _check(frame: pandas.DataFrame) -> None:
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
        _check_objects(f"the column {name!r}", frame[name])
    for number, name in enumerate(frame.index.names):
        what = f"the level {name!r} of the index" if name is not None else "the index"
        _check_objects(what, frame.index.get_level_values(number).to_series())


def _check_names(names: Iterable[Any], what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if not isinstance(name, str):
            raise InvalidError(
                f"the name of the {what} {name!r} is of the type {type(name).__name__}, and names are text",
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


def _check_objects(what: str, values: pandas.Series) -> None:
    """Refuses objects of several types; some pairs would become one silently."""
    if values.dtype != object:
        return
    from pandas.api.types import infer_dtype

    if not infer_dtype(values, skipna=True).startswith(_UNSURE):
        return
    kinds = _kinds(values)
    if len(kinds) > 1 and not kinds <= _CONTAINERS and not any(kinds <= alike for alike in _ALIKE):
        raise _mixed(what, kinds)
    if kinds <= {"Timestamp", "datetime"}:
        zoned = {value.tzinfo is not None for value in values.dropna()}
        if len(zoned) > 1:
            raise InvalidError(
                f"{what} mixes moments with a time zone and without",
                "give all of them one: pandas.to_datetime(…, utc=True)",
            )


def _kinds(values: pandas.Series) -> set[str]:
    kinds = set()
    for kind in {type(value) for value in values.dropna()}:
        name = kind.__name__
        if kind.__module__ == "numpy" and name != "ndarray":
            # Numbers of numpy are of the kind of Python's.
            name = next((base.__name__ for base in (bool, int, float, str) if _is_like(kind, base)), name)
        kinds.add(name)
    return kinds


def _is_like(kind: type, base: type) -> bool:
    import numpy

    likes = {bool: numpy.bool_, int: numpy.integer, float: numpy.floating, str: numpy.str_}
    return issubclass(kind, likes[base])


def _mixed(what: str, kinds: set[str]) -> InvalidError:
    return InvalidError(
        f"{what} mixes values of the types {', '.join(sorted(kinds))}",
        "make them one type, such as with .astype(str)",
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
                return _mixed(f"the column {name!r}", kinds)
            return InvalidError(
                f"the column {name!r} has values that Arrow cannot carry: {trouble}",
                "convert or drop the column",
            )
    return InvalidError(f"the DataFrame cannot become an Arrow table: {error}")


_Notes = dict[str, dict[bytes, bytes]]


def _plain(frame: pandas.DataFrame) -> tuple[pandas.DataFrame, _Notes]:
    """Returns the frame without categories that a dictionary of Arrow cannot have, and what to note of
    all categories, by the names of the table's columns."""
    import pandas

    noted: _Notes = {}
    changed: dict[str, Any] = {}
    for name in frame.columns:
        dtype = frame[name].dtype
        if isinstance(dtype, pandas.CategoricalDtype):
            noted[name] = _categories(f"the column {name!r}", dtype)
            if not _is_plain(dtype.categories.dtype):
                changed[name] = frame[name].astype(dtype.categories.dtype)
    for number, name in enumerate(frame.index.names):
        values = frame.index.get_level_values(number)
        if isinstance(values.dtype, pandas.CategoricalDtype):
            field = name if name is not None else f"__index_level_{number}__"
            noted[field] = _categories("the index", values.dtype)
    return (frame.assign(**changed) if changed else frame), noted


def _is_plain(dtype: Any) -> bool:
    """Whether values of a type are the same behind Arrow's dictionary: numbers and texts are."""
    import pandas

    return dtype == object or isinstance(dtype, pandas.StringDtype) or dtype.kind in "biuf"


def _is_of_arrow(dtype: Any) -> bool:
    import pandas

    return isinstance(dtype, pandas.ArrowDtype)


def _categories(what: str, dtype: pandas.CategoricalDtype) -> dict[bytes, bytes]:
    import pandas
    import pyarrow

    frame = pandas.DataFrame({"c": dtype.categories})
    categories = pyarrow.Table.from_pandas(frame, preserve_index=False)
    ordered = {b"ordered": b"yes" if dtype.ordered else b"no"}
    schema = categories.schema.with_metadata({**(categories.schema.metadata or {}), **ordered})
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, schema) as writer:
        writer.write_table(categories.cast(schema))
    note = base64.b64encode(sink.getvalue())
    if len(note) <= _CATEGORIES_BYTES_MAX:
        return {_CATEGORIES: note}
    if dtype.ordered:
        raise InvalidError(
            f"{what} has {len(dtype.categories):,} ordered categories, too many to be noted",
            "store the values: .astype(df[column].cat.categories.dtype)",
        )
    return {}


def _with_notes(table: pyarrow.Table, noted: _Notes) -> pyarrow.Table:
    import pyarrow

    fields = [
        field.with_metadata({**(field.metadata or {}), **noted[field.name]})
        if noted.get(field.name)
        else field
        for field in table.schema
    ]
    return table.cast(pyarrow.schema(fields, table.schema.metadata)) if noted else table


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
        note = (field.metadata or {}).get(_CATEGORIES)
        if note is not None:
            _give_categories(frame, field.name, note)
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


def _give_categories(frame: pandas.DataFrame, name: str, note: bytes) -> None:
    """Gives a column, or a level of the index, the categories that it had."""
    import pandas

    if name in frame.columns:
        frame[name] = pandas.Series(_categorical(frame[name], note), index=frame.index, name=name)
        return
    names = [
        level if level is not None else f"__index_level_{number}__"
        for number, level in enumerate(frame.index.names)
    ]
    if name not in names:
        return
    levels = [frame.index.get_level_values(number) for number in range(len(names))]
    number = names.index(name)
    levels[number] = pandas.CategoricalIndex(_categorical(levels[number], note))
    if len(levels) == 1:
        frame.index = levels[0].rename(frame.index.names[0])
    else:
        frame.index = pandas.MultiIndex.from_arrays(levels, names=frame.index.names)


def _categorical(values: Any, note: bytes) -> pandas.Categorical:
    import pandas
    import pyarrow

    with pyarrow.ipc.open_stream(base64.b64decode(note)) as reader:
        noted = reader.read_all()
    categories = pandas.Index(noted.to_pandas()["c"]).rename(None)
    # Rows that came later may have others.
    if isinstance(values.dtype, pandas.CategoricalDtype):
        others = pandas.Index(values.cat.categories if hasattr(values, "cat") else values.categories)
        values = values.astype(others.dtype)
    else:
        others = pandas.Index(values.dropna().unique())
    others = others.difference(categories, sort=False)
    if len(others):
        categories = categories.append(others)
    dtype = pandas.CategoricalDtype(categories, noted.schema.metadata[b"ordered"] == b"yes")
    return pandas.Categorical(values, dtype=dtype)
