"""When two tables are the same: names, types, order and every value, floats bit by bit.

Types are compared without what is a matter of encoding only: dictionaries and extensions count as
what they hold, and where `loose` also 64-bit offsets and views as the plain type. Nested values are
compared leaf by leaf, so that one wrong bit is found and named.
"""

import pyarrow as pa
import pyarrow.compute as pc


def assert_same(expected: pa.Table, actual: pa.Table, loose=False):
    """Fails with the first column that differs and how."""
    assert actual.column_names == expected.column_names
    assert actual.num_rows == expected.num_rows
    for name, want, have in zip(expected.column_names, expected.columns, actual.columns):
        want_type, have_type = plain_type(want.type, loose), plain_type(have.type, loose)
        assert have_type == want_type, f"{name} is {have_type} and was {want_type}"
        want, have = leaves(one_array(want), name), leaves(one_array(have), name)
        assert [path for path, _ in have] == [path for path, _ in want]
        for (path, want_leaf), (_, have_leaf) in zip(want, have):
            if not have_leaf.equals(want_leaf):
                raise AssertionError(difference(path, want_leaf, have_leaf))


def difference(path: str, want: pa.Array, have: pa.Array) -> str:
    """Says where two leaves differ first."""
    if len(want) != len(have):
        return f"{path} has {len(have)} values and had {len(want)}"
    for row in range(len(want)):
        if not want.slice(row, 1).equals(have.slice(row, 1)):
            return f"{path}, value {row} is {have[row]!r} and was {want[row]!r}"
    return f"{path} differs"


def plain_type(kind: pa.DataType, loose: bool) -> pa.DataType:
    """The type without what is only encoding, and with the same names inside all lists."""
    types = pa.types

    def inside(inner: pa.DataType) -> pa.DataType:
        return plain_type(inner, loose)

    if isinstance(kind, pa.BaseExtensionType):
        return inside(kind.storage_type)
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return inside(kind.value_type)
    if loose and (types.is_large_string(kind) or types.is_string_view(kind)):
        return pa.string()
    if loose and (types.is_large_binary(kind) or types.is_binary_view(kind)):
        return pa.binary()
    if types.is_struct(kind):
        return pa.struct([pa.field(field.name, inside(field.type)) for field in kind])
    if types.is_map(kind):
        return pa.map_(inside(kind.key_type), inside(kind.item_type))
    if types.is_fixed_size_list(kind):
        element = pa.field("element", inside(kind.value_type))
        return pa.list_(element) if loose else pa.list_(element, kind.list_size)
    for test, make in LISTS:
        if test(kind):
            return (pa.list_ if loose else make)(pa.field("element", inside(kind.value_type)))
    return kind


LISTS = [
    (pa.types.is_list, pa.list_),
    (pa.types.is_large_list, pa.large_list),
    (pa.types.is_list_view, pa.list_view),
    (pa.types.is_large_list_view, pa.large_list_view),
]


def one_array(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece."""
    column = column.combine_chunks()
    return column if isinstance(column, pa.Array) else column.chunk(0)


def leaves(array: pa.Array, path: str) -> list[tuple[str, pa.Array]]:
    """Everything that a column is made of, as arrays that can be compared exactly."""
    kind, types = array.type, pa.types
    if isinstance(array, pa.ExtensionArray):
        return leaves(array.storage, path)
    if types.is_dictionary(kind):
        return leaves(array.dictionary_decode(), path)
    if types.is_run_end_encoded(kind):
        return leaves(pc.run_end_decode(array), path)
    if types.is_struct(kind):
        found = [(f"{path} (null)", array.is_null())]
        for field, inner in zip(kind, array.flatten()):
            found += leaves(inner, f"{path}.{field.name}")
        return found
    if types.is_map(kind):
        return map_leaves(array, path)
    if types.is_fixed_size_list(kind) or any(test(kind) for test, _ in LISTS):
        return list_leaves(array, path)
    return [(path, comparable(array))]


def list_leaves(array: pa.Array, path: str) -> list[tuple[str, pa.Array]]:
    """A list of any kind as its lengths and its elements; elements under nulls do not count."""
    valid = array.is_valid().to_pylist()
    if pa.types.is_fixed_size_list(array.type):
        size = array.type.list_size
        starts = [(array.offset + row) * size for row in range(len(array))]
        spans = [(start, start + size) for start in starts]
    elif pa.types.is_list_view(array.type) or pa.types.is_large_list_view(array.type):
        starts, sizes = array.offsets.to_pylist(), array.sizes.to_pylist()
        spans = [(start, start + size) for start, size in zip(starts, sizes)]
    else:
        offsets = array.offsets.to_pylist()
        spans = list(zip(offsets, offsets[1:]))
    lengths, entries = used_entries(spans, valid)
    return [
        (f"{path} (length)", lengths),
        *leaves(array.values.take(entries), f"{path}[]"),
    ]


def used_entries(spans: list, valid: list) -> tuple[pa.Array, pa.Array]:
    """The lengths of spans, null where not valid, and the indices in those that are."""
    lengths = [end - start if used else None for (start, end), used in zip(spans, valid)]
    entries = [
        entry
        for (start, end), used in zip(spans, valid)
        if used
        for entry in range(start, end)
    ]
    return pa.array(lengths, pa.int64()), pa.array(entries, pa.int64())


def map_leaves(array: pa.MapArray, path: str) -> list[tuple[str, pa.Array]]:
    """A map as its lengths, its keys and its values; entries under nulls do not count."""
    offsets = array.offsets.to_pylist()
    lengths, entries = used_entries(list(zip(offsets, offsets[1:])), array.is_valid().to_pylist())
    return [
        (f"{path} (length)", lengths),
        *leaves(array.keys.take(entries), f"{path} (key)"),
        *leaves(array.items.take(entries), f"{path} (value)"),
    ]


def comparable(array: pa.Array) -> pa.Array:
    """A leaf in a form in which equal means the same bits."""
    kind, types = array.type, pa.types
    if types.is_floating(kind):
        return array.view({16: pa.int16(), 32: pa.int32(), 64: pa.int64()}[kind.bit_width])
    if types.is_large_string(kind) or types.is_string_view(kind):
        return array.cast(pa.string())
    if types.is_large_binary(kind) or types.is_binary_view(kind):
        return array.cast(pa.binary())
    return array
