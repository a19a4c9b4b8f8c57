"""`cidlake` as the benchmarks drive it: opened once in a server, or as one process after the other.

A lake that is open is the program itself as an MCP server over its standard input and output: the
time of a call includes the way of a request between processes, and reading the JSON or CSV in it.
What that server does not offer is run as a process of its own; `start` says what a process costs that
does nothing, so that it can be taken off. Nothing of the program is called in another way.

What is measured here is seconds and peak resident memory; which calls, in what order, beside whom
and what of is for the benchmarks.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass

THREADS = 2


@dataclass
class Run:
    """What one call or process took, and what it answered."""

    seconds: float
    answer: object
    peak_mib: float


def environment(work):
    return {**os.environ, "CIDLAKE_KEY_FILE": str(work / "key"), "CIDLAKE_THREADS": str(THREADS)}


def forget_peak(pid):
    """Lets the peak of a process begin anew at what it has now."""
    with open(f"/proc/{pid}/clear_refs", "w") as file:
        file.write("5")


def peak_mib(pid):
    with open(f"/proc/{pid}/status") as file:
        line = next(line for line in file if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


class OpenLake:
    """A lake that one process keeps open."""

    def __init__(self, binary, lake, env):
        command = [str(binary), "--lake", str(lake), "mcp", "--allow-write"]
        self.server = subprocess.Popen(command, env=env, stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE)
        self.numbers = iter(range(1 << 30))
        self.request(*self.message("initialize", {
            "protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": {"name": "bench", "version": "0"}}))
        self.server.stdin.write(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')

    def message(self, method, params):
        """Writes a request; returns its number and its bytes."""
        number = next(self.numbers)
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        return number, json.dumps(request).encode() + b"\n"

    def request(self, number, message):
        self.server.stdin.write(message)
        self.server.stdin.flush()
        while line := self.server.stdout.readline():
            answer = json.loads(line)
            if answer.get("id") == number:
                return answer["result"]
        sys.exit("cidlake's server ended")

    def call(self, tool, **arguments):
        number, message = self.message("tools/call", {"name": tool, "arguments": arguments})
        forget_peak(self.server.pid)
        started = time.perf_counter()
        result = self.request(number, message)
        seconds = time.perf_counter() - started
        if result.get("isError"):
            sys.exit(f"cidlake: {tool}: {result['structuredContent']}")
        return Run(seconds, result["structuredContent"], peak_mib(self.server.pid))

    def store(self, data, form, name, append):
        return self.call("parquet_store_dataframe", data=data, format=form, name=name,
                         append=append)

    def query(self, sql):
        return self.call("parquet_query_datasets", sql=sql)

    def close(self):
        self.server.stdin.close()
        self.server.wait()


def process(binary, lake, env, *arguments):
    """Runs one command as a process; what it wrote is read as JSON.

    The kernel counts the peak of who starts a process into that of the process, so a benchmark has
    to stay small: it handles tables in processes of their own.
    """
    command = [str(binary), "--lake", str(lake), "--quiet", "--format", "json",
               *map(str, arguments)]
    started = time.perf_counter()
    running = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    answer = running.stdout.read()
    errors = running.stderr.read()
    _, status, usage = os.wait4(running.pid, 0)
    seconds = time.perf_counter() - started
    running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode != 0:
        sys.exit(f"cidlake {arguments[:3]}: {errors.decode(errors='replace')}")
    return Run(seconds, json.loads(answer) if answer.strip() else None, usage.ru_maxrss / 1024)


def start(binary, env):
    """Returns the seconds that a process takes which opens no lake."""
    started = time.perf_counter()
    subprocess.run([str(binary), "--version"], env=env, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started
