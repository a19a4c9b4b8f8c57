"""Progress of long work, shown by tqdm where it is installed and somebody looks."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Show = Callable[[str, int, "int | None", str], None]

# Work that is done sooner shows no bar.
_PATIENCE_SECONDS = 0.5


@contextmanager
def shown(progress: bool | Show | None) -> Iterator[Show | None]:
    """Yields what the native half calls with phase, done, total and unit; ``None`` shows nothing."""
    if callable(progress):
        yield progress
        return
    if progress is False or (progress is None and not _is_watched()):
        yield None
        return
    bar = _Bar.make(patience=0.0 if progress else _PATIENCE_SECONDS)
    if bar is None:
        yield None
        return
    try:
        yield bar.show
    finally:
        bar.close()


def _is_watched() -> bool:
    if "IPython" in sys.modules and "ipykernel" in sys.modules:
        return True
    stream = sys.stderr
    isatty = getattr(stream, "isatty", None)
    return isatty is not None and bool(isatty())


class _Bar:
    def __init__(self, tqdm: Any, patience: float) -> None:
        self._tqdm = tqdm
        self._begins = time.monotonic() + patience
        self._bar: Any = None
        self._phase = ""

    @classmethod
    def make(cls, patience: float) -> _Bar | None:
        try:
            from tqdm.auto import tqdm
        except ImportError:
            return None
        return cls(tqdm, patience)

    def show(self, phase: str, done: int, total: int | None, unit: str) -> None:
        if time.monotonic() < self._begins:
            return
        if self._bar is None or phase != self._phase:
            self.close()
            self._phase = phase
            self._bar = self._tqdm(
                desc=phase,
                total=total,
                unit=unit if unit == "B" else f" {unit}",
                unit_scale=True,
                unit_divisor=1024 if unit == "B" else 1000,
                leave=False,
            )
        if total != self._bar.total:
            self._bar.total = total
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
