"""What ``find`` finds, by what is known of versions, and what it refuses."""

import datetime as dt
import math

import numpy as np
import pyarrow as pa
import pytest

import cidlake

PEOPLE = pa.table({"id": [1, 2, 3], "city": ["Oslo", None, "Rome"]})


@pytest.fixture
def lake(lake: cidlake.Lake) -> cidlake.Lake:
    """A lake with two versions of `people`, and `sales.orders`."""
    lake.store(PEOPLE, "people", key="id", metadata={"source": "user_db"}, message="the first")
    lake.store(pa.table({"id": [4], "city": ["Bern"]}), "people", append=True)
    lake.store(pa.table({"n": range(2000)}), "sales.orders", metadata={"source": "shop"})
    return lake


def names(found: list[cidlake.Found]) -> list[str | None]:
    return [one["name"] for one in found]


YESTERDAY = dt.datetime.now(dt.timezone.utc) - dt.timedelta(days=1)


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([], ["people", "sales.orders"]),
        (["orders"], ["sales.orders"]),
        (["rows > 1000"], ["sales.orders"]),
        ([["rows", ">", 1000]], ["sales.orders"]),
        ([("rows", "<=", np.int64(4))], ["people"]),
        ([("rows", "in", {4, 5})], ["people"]),
        (["column = city", ["metadata.source", "=", "user_db"]], ["people"]),
        (["column = city", "rows > 1000"], []),
        (["key is_null"], ["sales.orders"]),
        ([["key", "=", "id"]], ["people"]),
        ([["message", "=", None]], ["people", "sales.orders"]),
        ([["name", "in", ["people", "nothing"]]], ["people"]),
        ([["time", ">", YESTERDAY]], ["people", "sales.orders"]),
        ([["time", "<", YESTERDAY]], []),
        ([["time", ">=", dt.date(2020, 1, 31)], "namespace = sales"], ["sales.orders"]),
    ],
)
def test_versions_that_fit_all_conditions_are_found(
    lake: cidlake.Lake, conditions: list[object], expected: list[str]
) -> None:
    assert names(lake.find(*conditions)) == expected


def test_older_versions_are_found_where_they_are_asked_for(lake: cidlake.Lake) -> None:
    found = lake.find("name = people", all_versions=True)
    assert [(one["rows"], one["newest"], one["operation"]) for one in found] == [
        (4, True, "append"),
        (3, False, "create"),
    ]
    assert names(lake.find("message = 'the first'")) == []
    assert names(lake.find("message = 'the first'", all_versions=True)) == ["people"]
    assert names(lake.find(all_versions=True, limit=2)) == ["people", "people"]
    assert lake.find(limit=0) == []


def test_what_is_found_says_what_show_says(lake: cidlake.Lake) -> None:
    [found] = lake.find("people")
    shown = lake.show("people")
    assert found == {
        "kind": "version",
        "name": "people",
        "cid": shown.cid,
        "commit": shown.commit,
        "newest": True,
        "rows": shown.rows,
        "bytes": shown.bytes,
        "parts": len(shown.parts),
        "columns": len(shown.columns),
        "time": shown.time,
        "operation": "append",
        "tags": [],
    }
    assert found.keys() == cidlake.Found.__annotations__.keys()


def test_an_address_finds_whatever_has_it(lake: cidlake.Lake) -> None:
    first = lake.log("people")[-1]
    for cid in (first.commit, first.cid):
        [found] = [one for one in lake.find(cid) if one["kind"] == "version"]
        assert (found["commit"], found["rows"], found["newest"]) == (first.commit, 3, False)
    part = lake.show("sales.orders").parts[0]
    parts = [one for one in lake.find(part.cid) if one["kind"] == "part"]
    assert [(one["name"], one["rows"], one["commit"]) for one in parts] == [("sales.orders", 2000, None)]
    added = lake.add(b"hello")
    assert "pin" in [one["kind"] for one in lake.find(added.cid)]
    assert lake.find("bafkreihznwd3pqusjwb3r7q5kx2l7aprlbthr64f3kkc3p3yi4qevztvue") == []


def test_conditions_that_cannot_be_understood_are_refused(lake: cidlake.Lake) -> None:
    cases = [
        ("", "nothing to look for"),
        ("rows >", "no value"),
        ("colour = red", "colour"),
        ("rows ~ 5", "operator"),
        ("rows > many", "many"),
        ("time > yesterday", "yesterday"),
        (["rows", ">"], "missing"),
        (["rows", "~", 5], "operator"),
        (["rows", "in", 5], "list"),
        ([("rows", ">", 5)], "not .field, operator, value."),
        (7, "not .field, operator, value."),
        (["rows", ">", math.nan], "compared"),
        (["rows", ">", object()], "object"),
        (["time", ">", dt.datetime(2026, 1, 31)], "offset"),
    ]
    for condition, named in cases:
        with pytest.raises(cidlake.UsageError, match=named) as raised:
            lake.find(condition)
        assert raised.value.hint, condition
    with pytest.raises(cidlake.UsageError, match="-1"):
        lake.find(limit=-1)
