"""The README's tour and the examples of the documentation, run as they stand."""

import dataclasses
import doctest
import inspect
from pathlib import Path

import pandas
import pytest

import cidlake

README = Path(__file__).parents[1] / "README.md"
OPTIONS = doctest.NORMALIZE_WHITESPACE


def test_the_tour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    failed, attempted = doctest.testfile(str(README), module_relative=False, optionflags=OPTIONS)
    assert attempted > 20
    assert failed == 0


def test_the_examples() -> None:
    people = pandas.DataFrame({"name": ["Ada", "Alan"], "born": [1815, 1912]})
    with cidlake.Lake() as lake:
        # The examples of a lake's methods are about this dataset.
        lake.store(people, name="people")
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    finder = doctest.DocTestFinder()
    for test in finder.find(cidlake):
        runner.run(test)
    for name in cidlake.__all__:
        member = getattr(cidlake, name)
        # What a class has from another of ours is shown as its own.
        for shown in member.__mro__[:-1] if member is cidlake.Lake else (member,):
            for test in finder.find(shown, name, module=False, globs={}):
                runner.run(test)
    failed, attempted = runner.summarize()
    assert attempted > 40
    assert failed == 0


def documented() -> list[tuple[str, str | None]]:
    members: list[tuple[str, str | None]] = []
    for name in cidlake.__all__:
        member = getattr(cidlake, name)
        if not isinstance(member, type):
            continue
        members.append((name, member.__doc__))
        if dataclasses.is_dataclass(member):
            # Such a class says something by itself; each of its fields is told of in the source.
            assert not (member.__doc__ or "").startswith(f"{name}("), name
        attributes = inspect.getmembers(member) if member is cidlake.Lake else vars(member).items()
        for attribute, value in attributes:
            if not attribute.startswith("_") and (callable(value) or isinstance(value, property)):
                members.append((f"{name}.{attribute}", value.__doc__))
    return members


@pytest.mark.parametrize(("name", "text"), documented(), ids=lambda value: str(value)[:30])
def test_everything_is_documented(name: str, text: str | None) -> None:
    assert text, f"{name} says nothing of itself"


@pytest.mark.parametrize(
    "name", [name for name, value in inspect.getmembers(cidlake.Lake, callable) if not name.startswith("_")]
)
def test_methods_of_a_lake_have_examples(name: str) -> None:
    text = getattr(cidlake.Lake, name).__doc__
    assert "Example:" in text
    assert name == "close" or "Raises:" in text
