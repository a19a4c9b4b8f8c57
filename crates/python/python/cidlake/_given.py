"""What users give, made into what the native half takes; what is none of it is refused by name."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from ._errors import UsageError

Path = str | os.PathLike[str]
Condition = str | Sequence[Any]

# More than that is no time to wait, but a number that went wrong.
_SECONDS_MAX = 1e9


def absolute(path: Path | None) -> str | None:
    return None if path is None else os.path.abspath(os.path.expanduser(os.fspath(path)))


def milliseconds(seconds: float | None) -> int | None:
    if seconds is None:
        return None
    if not 0 < seconds < _SECONDS_MAX:
        raise UsageError(
            f"a timeout of {seconds} seconds is none", "give a number of seconds above 0"
        )
    return max(1, round(seconds * 1000))


def delay(seconds: float) -> int:
    """Returns a delay, which may be none, in milliseconds."""
    if not 0 <= seconds < _SECONDS_MAX:
        raise UsageError(f"a delay of {seconds} seconds is none", "give a number of seconds, or 0")
    return round(seconds * 1000)


def count(number: int | None, what: str, least: int = 0) -> int | None:
    """Returns a number of what there is at least so much of."""
    if number is not None and number < least:
        raise UsageError(f"{number} {what} are none", f"give a number from {least} on")
    return number


def names(names: str | Sequence[str] | None) -> list[str] | None:
    if names is None:
        return None
    return [names] if isinstance(names, str) else list(names)


def metadata(metadata: Mapping[str, str] | None) -> dict[str, str]:
    words = dict(metadata or {})
    for word, value in words.items():
        if not isinstance(word, str) or not isinstance(value, str):
            raise UsageError(
                f"the metadata {word!r} is not a text with a text", "metadata maps texts to texts"
            )
    return words


def filter(filter: str | Sequence[Any] | None) -> tuple[str | None, str | None]:
    """Returns a condition in SQL, or the JSON of a list of conditions."""
    if filter is None or isinstance(filter, str):
        return filter, None
    hint = "write the condition as SQL: filter=\"born < DATE '1900-01-01'\""
    return None, _json(filter, "the filter has a value that cannot be compared", hint)


def conditions(conditions: Sequence[Condition]) -> str:
    """Returns the JSON of conditions of ``find``."""
    hint = 'write the condition as a text: "rows > 1000"'
    return _json(list(conditions), "a condition has a value that cannot be compared", hint)


def params(params: Mapping[str, Any] | None) -> str:
    """Returns the JSON of parameters of an operation."""
    if not isinstance(params, Mapping | None):
        raise UsageError(
            f"params is a {type(params).__name__}", 'give a dict of names and values: {"full": True}'
        )
    for name in params or {}:
        if not isinstance(name, str):
            raise UsageError(f"the name {name!r} of a parameter is no text", "give texts as names")
    hint = "give texts, numbers, True or False, None, and lists and dicts of them"
    return _json(dict(params or {}), "a parameter has a value that cannot be kept", hint)


def _json(value: Any, wrong: str, hint: str) -> str:
    try:
        return json.dumps(value, default=_plain, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{wrong}: {error}", hint) from error


def _plain(value: Any) -> Any:
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if type(value).__name__ == "datetime64":
        return str(value)
    isoformat = getattr(value, "isoformat", None)
    if callable(isoformat):
        return isoformat()
    item = getattr(value, "item", None)
    if callable(item) and not hasattr(item(), "item"):
        return item()
    raise TypeError(f"{value!r} is a {type(value).__name__}")
