"""The `cidlake` binary as a user runs it: arguments in, text out, an exit code.

It knows nothing of the lake's files beyond which folder they are in.
"""

import json
import os
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

BINARY = Path(os.environ["CIDLAKE_BIN"])
SUCCESS, FAILURE, USAGE, NOT_FOUND, DAMAGED = 0, 1, 2, 3, 4
TIMEOUT_S = 300


class Lake:
    """One lake in a folder of its own, with a key of its own."""

    def __init__(self, folder: Path, lake: Path | None = None):
        self.folder = folder
        self.path = lake or folder / "lake"
        self.environment = {
            **{name: text for name, text in os.environ.items() if not name.startswith("CIDLAKE_")},
            "CIDLAKE_KEY_FILE": str(folder / "key"),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_DATA_HOME": str(folder / "data"),
        }
        self.outputs = 0

    def run(self, *arguments, code=SUCCESS, stdin=b"") -> subprocess.CompletedProcess:
        """Runs one command, which must end with `code`, or one of them, and never in a panic."""
        codes = code if isinstance(code, tuple) else (code,)
        done = subprocess.run(
            [BINARY, "--lake", self.path, *map(str, arguments)],
            input=stdin,
            capture_output=True,
            env=self.environment,
            cwd=self.folder,
            timeout=TIMEOUT_S,
        )
        errors = done.stderr.decode(errors="replace")
        assert done.returncode != 101 and "panicked" not in errors, errors
        assert done.returncode in codes, f"{arguments} gave {done.returncode}, not {code}: {errors}"
        if done.returncode != SUCCESS:
            assert errors.strip(), f"{arguments} failed and said nothing"
        return done

    def json(self, *arguments, **options):
        """Runs one command and returns what it printed, as strict JSON."""
        return strict_json(self.run(*arguments, **options).stdout)

    def refuse(self, *arguments, code, stdin=b"") -> str:
        """Runs a command that must fail with `code`; returns what it said."""
        return self.run(*arguments, code=code, stdin=stdin).stderr.decode()

    def store(self, *sources, name, **options) -> dict:
        """Stores files under a name."""
        return self.json("store", *sources, "--name", name, **options)

    def store_table(self, table: pa.Table, name: str) -> dict:
        """Stores a table by way of an Arrow file, which holds every type."""
        return self.store(write_arrow(table, self.folder / f"in-{name}.arrow"), name=name)

    def get_file(self, reference: str, extension: str, *arguments) -> Path:
        """Retrieves a reference into a new file."""
        self.outputs += 1
        out = self.folder / f"out-{self.outputs}.{extension}"
        self.run("get", reference, "-o", out, *arguments)
        return out

    def get(self, reference: str, *arguments) -> pa.Table:
        """Retrieves a reference as a table, by way of an Arrow file."""
        return read_arrow(self.get_file(reference, "arrow", *arguments))

    def sql(self, query: str) -> pa.Table:
        """Runs one query and returns its answer with its types."""
        done = self.run("--format", "arrow", "sql", query)
        return read_arrow(pa.BufferReader(done.stdout))

    def names(self) -> list[str]:
        """The names of all datasets; none where not even a lake was made."""
        done = self.run("datasets", code=(SUCCESS, NOT_FOUND))
        return [one["name"] for one in strict_json(done.stdout)] if done.returncode == 0 else []

    def parts(self, reference: str) -> list[dict]:
        """The parts of a table, in row order."""
        return self.json("show", reference)["parts"]

    def cat(self, reference: str) -> bytes:
        """The bytes of a file."""
        return self.run("cat", reference).stdout

    def size(self) -> int:
        """Bytes of all files of the lake."""
        return sum(path.stat().st_size for path in self.path.rglob("*") if path.is_file())


def strict_json(text: bytes):
    """Parses JSON as the standard has it: NaN and Infinity are no numbers."""

    def refuse(constant):
        raise ValueError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def write_arrow(table: pa.Table, path: Path) -> Path:
    """Writes an Arrow IPC file."""
    # A file has room for one dictionary of each column.
    table = table.unify_dictionaries()
    with ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)
    return path


def read_arrow(source) -> pa.Table:
    """Reads an Arrow IPC file, or a stream where it is one."""
    if isinstance(source, Path):
        source = pa.OSFile(str(source))
    start = source.read(6)
    source.seek(0)
    opened = ipc.open_file(source) if start == b"ARROW1" else ipc.open_stream(source)
    return opened.read_all()


def write_parquet(table: pa.Table, path: Path, **options) -> Path:
    """Writes a Parquet file."""
    pq.write_table(table, path, **options)
    return path
