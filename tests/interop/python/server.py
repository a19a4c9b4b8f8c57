"""The program as a server that agents call, with many calls in flight.

It speaks the Model Context Protocol over pipes, a message a line, and reads answers in a thread of
its own, so that no caller waits for another. What is asked is for the tests.
"""

import json
import os
import subprocess
import threading
import time
from dataclasses import dataclass, field

from driver import BINARY, TIMEOUT_S, Lake

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass
class Call:
    """One call in flight."""

    number: int
    began: float
    ended: float = 0.0
    answer: dict = field(default_factory=dict)
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def seconds(self) -> float:
        return self.ended - self.began

    def result(self) -> dict:
        """What the call returned; it must have worked."""
        assert self.done.wait(TIMEOUT_S), f"call {self.number} was not answered"
        result = self.answer.get("result", {})
        assert result and not result.get("isError"), self.answer
        return result["structuredContent"]

    def rows(self) -> list[tuple]:
        """The rows of a query, none of which may have been left out."""
        content = self.result()
        assert not content["truncated"], "the answer was cut"
        return [tuple(row.values()) for row in content["data"]]


class Server:
    """One running server over a lake, with settings of its own."""

    def __init__(self, lake: Lake, *options: str, **settings: str):
        self.process = subprocess.Popen(
            [BINARY, "--lake", lake.path, "mcp", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**lake.environment, **settings},
            cwd=lake.folder,
        )
        self.calls: dict[int, Call] = {}
        self.lock = threading.Lock()
        self.errors = b""
        for read in (self.read_answers, self.read_errors):
            threading.Thread(target=read, daemon=True).start()
        client = {"name": "test", "version": "0"}
        start = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client}
        assert self.request("initialize", start).done.wait(TIMEOUT_S), self.errors.decode()
        self.notify("notifications/initialized", {})

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_):
        self.end()

    def read_answers(self):
        for line in self.process.stdout:
            answer = json.loads(line)
            with self.lock:
                call = self.calls.get(answer.get("id"))
            if call:
                call.ended, call.answer = time.monotonic(), answer
                call.done.set()

    def read_errors(self):
        for line in self.process.stderr:
            self.errors += line

    def write(self, message: dict):
        text = json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n"
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def notify(self, method: str, params: dict):
        self.write({"method": method, "params": params})

    def request(self, method: str, params: dict) -> Call:
        with self.lock:
            call = Call(len(self.calls), time.monotonic())
            self.calls[call.number] = call
        self.write({"id": call.number, "method": method, "params": params})
        return call

    def call(self, tool: str, **arguments) -> Call:
        """Calls a tool and does not wait for its answer."""
        return self.request("tools/call", {"name": tool, "arguments": arguments})

    def query(self, sql: str) -> Call:
        return self.call("parquet_query_datasets", sql=sql, limit=10_000)

    def store(self, name: str, rows: list[dict]) -> Call:
        return self.call("parquet_store_dataframe", name=name, data=rows, format="json")

    def cancel(self, call: Call):
        """Says that nobody wants the answer of a call any more."""
        self.notify("notifications/cancelled", {"requestId": call.number, "reason": "a test"})

    def cpu_seconds(self) -> float:
        """The processor time that the process has taken so far."""
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    def peak_bytes(self) -> int:
        """The most memory that was resident so far."""
        with open(f"/proc/{self.process.pid}/status") as file:
            line = next(line for line in file if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024

    def kill(self):
        """Ends the process as a power cut would end it."""
        self.process.kill()
        self.process.wait()

    def end(self):
        """Ends the conversation; the process must end by itself, and without a panic."""
        if self.process.poll() is None:
            self.process.stdin.close()
            assert self.process.wait(TIMEOUT_S) == 0, self.errors.decode()
        assert b"panicked" not in self.errors, self.errors.decode()
