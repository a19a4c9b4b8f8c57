"""Small tables as HTML, for notebooks. Everything that is shown is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_CELL_LENGTH_MAX = 60


def shortened(text: str, length_max: int = _CELL_LENGTH_MAX) -> str:
    """Returns ``text`` on one line, with its end left out where it is long."""
    line = text.replace("\r", " ").replace("\n", " ")
    return line if len(line) <= length_max else line[: length_max - 1] + "…"


def table(columns: Sequence[str], rows: Iterable[Sequence[str | None]], caption: str) -> str:
    """Returns a table of texts; ``None`` is a null."""
    head = "".join(f"<th>{escape(shortened(name))}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    said = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{said}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: str | None) -> str:
    if value is None:
        return '<td style="opacity: 0.5"><i>null</i></td>'
    short = shortened(value)
    title = f' title="{escape(value)}"' if short != value and len(value) <= 1000 else ""
    return f"<td{title}>{escape(short)}</td>"
