"""The exceptions of a lake: one family, whose members mean what the program's exit codes mean.

What Python itself raises for wrong types (``TypeError``) is no part of it.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "ConflictError",
    "CorruptError",
    "Error",
    "InternalError",
    "InvalidError",
    "NotFoundError",
    "UnavailableError",
    "UsageError",
]


class Error(Exception):
    """What every failure of a lake is.

    Attributes:
        kind: the word that protocols use for it, such as ``"not_found"``.
        hint: what can be done about it, where something can.
        exit_code: what the program ``cidlake`` exits with on the same failure.

    Example:
        >>> import cidlake
        >>> error = cidlake.Error("the lake is on the moon", "bring it back")
        >>> str(error), error.hint
        ('the lake is on the moon\\nhint: bring it back', 'bring it back')
    """

    kind: ClassVar[str] = "internal"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.message: str = message
        self.hint: str | None = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


class NotFoundError(Error, LookupError):
    """The name, CID, path or lake does not exist here."""

    kind: ClassVar[str] = "not_found"
    exit_code: ClassVar[int] = 3


class InvalidError(Error, ValueError):
    """The input or the query is wrong."""

    kind: ClassVar[str] = "invalid"
    exit_code: ClassVar[int] = 1


class UsageError(Error, ValueError):
    """A name, CID, reference or option is malformed, or the lake is closed."""

    kind: ClassVar[str] = "usage"
    exit_code: ClassVar[int] = 2


class ConflictError(Error):
    """Someone else changed the same thing first, or a name is taken."""

    kind: ClassVar[str] = "conflict"
    exit_code: ClassVar[int] = 1


class CorruptError(Error):
    """Stored bytes do not match their CID or checksum."""

    kind: ClassVar[str] = "corrupt"
    exit_code: ClassVar[int] = 4


class UnavailableError(Error):
    """The machine said no: disk full, folder read-only or gone, time or memory over."""

    kind: ClassVar[str] = "unavailable"
    exit_code: ClassVar[int] = 1


class InternalError(Error, RuntimeError):
    """A defect of cidlake; please report it."""

    kind: ClassVar[str] = "internal"
    exit_code: ClassVar[int] = 1


_FAMILY: dict[str, type[Error]] = {
    member.kind: member
    for member in (
        NotFoundError,
        InvalidError,
        UsageError,
        ConflictError,
        CorruptError,
        UnavailableError,
        InternalError,
    )
}


def of_kind(kind: str, message: str, hint: str | None) -> Error:
    """Returns the exception for a kind of failure; the native half calls it."""
    return _FAMILY[kind](message, hint)
