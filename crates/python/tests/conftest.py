"""What every test has: a lake of its own, and no home of the user's."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import cidlake


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that stands for the user's home; the default lake and the key are in it."""
    for name in ("CIDLAKE_HOME", "CIDLAKE_KEY_FILE", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[cidlake.Lake]:
    """An empty lake."""
    with cidlake.Lake(tmp_path / "lake") as lake:
        yield lake
