"""The program at a terminal of its own: keys in, what the screen shows out.

Nothing here waits for a while: whoever types waits for what is to be seen, up to a deadline.
"""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

from driver import BINARY, Lake

PROMPT, CONTINUATION = "cidlake> ", "   ...> "
ENTER, TAB, UP, CTRL_C, CTRL_D = "\r", "\t", "\x1b[A", "\x03", "\x04"
DEADLINE_S = 60
ROWS, COLUMNS = 50, 160

# Takes the terminal as its own, so that Ctrl-C is a signal, and becomes the program.
LAUNCHER = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
# What moves the cursor, colours, or asks the terminal for something.
CONTROL = re.compile(r"\x1b\[[0-9;?<=>]*[ -/]*[@-~]|\x1b[()][0-9A-B]|\x1b[=>78]|[\r\x07\x08]")


class Shell:
    """`cidlake sql` as somebody at a terminal has it."""

    def __init__(self, lake: Lake, *arguments: str):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        environment = {**lake.environment, "TERM": "xterm-256color"}
        # The sign of life is not drawn in continuous integration; here it is to be seen.
        environment.pop("CI", None)
        environment["XDG_STATE_HOME"] = str(lake.folder / "state")
        program = [str(BINARY), "--lake", str(lake.path), "sql", *arguments]
        self.process = subprocess.Popen(
            [sys.executable, "-c", LAUNCHER, *program],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            cwd=lake.folder,
            start_new_session=True,
        )
        os.close(slave)
        self.raw = b""
        self.seen = 0
        self.open = True

    def __enter__(self):
        self.expect(PROMPT)
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        """Ends it, where it has not ended, and puts the terminal away."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(DEADLINE_S)
        os.close(self.master)

    def text(self) -> str:
        """All that was shown, without what drives the terminal."""
        return CONTROL.sub("", self.raw.decode(errors="replace"))

    def take(self, seconds: float) -> None:
        """Takes what is shown next, or the end."""
        ready, _, _ = select.select([self.master], [], [], max(seconds, 0))
        if not ready:
            return
        try:
            more = os.read(self.master, 65536)
        except OSError:
            # How the end of a terminal reads where its other side is closed.
            more = b""
        self.open = bool(more)
        self.raw += more

    def expect(self, words: str) -> str:
        """Waits until `words` are shown; returns what came since the words waited for before."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            text = self.text()
            at = text.find(words, self.seen)
            if at >= 0:
                since, self.seen = text[self.seen : at], at + len(words)
                return since
            assert self.open, f"it ended without {words!r}: {text[self.seen:]!r}"
            assert time.monotonic() < deadline, f"no {words!r} in {text[self.seen:]!r}"
            self.take(deadline - time.monotonic())

    def type(self, keys: str) -> None:
        """Presses keys."""
        os.write(self.master, keys.encode())

    def run(self, line: str, *words: str) -> str:
        """Types a line, and waits for words of its answer and the next prompt."""
        self.type(line + ENTER)
        shown = "".join(self.expect(one) + one for one in words)
        return shown + self.expect(PROMPT)

    def leave(self) -> int:
        """Presses Ctrl-D and returns the exit code."""
        self.type(CTRL_D)
        return self.end()

    def end(self) -> int:
        """Waits for the end and returns the exit code."""
        deadline = time.monotonic() + DEADLINE_S
        while self.open and time.monotonic() < deadline:
            self.take(deadline - time.monotonic())
        return self.process.wait(DEADLINE_S)
