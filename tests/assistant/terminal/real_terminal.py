"""A person at a real terminal, for tests: a pseudo-terminal that answers what terminals are asked."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pexpect

ROOT = Path(__file__).parents[3]
CURSOR_QUERY = re.escape("\x1b[6n")
ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07]*\x07|[@-Z\\-_])")


class Person:
    """Types into `assistant chat` and reads its screen."""

    def __init__(
        self,
        home: Path,
        script: list[dict[str, Any]],
        *options: str,
        rows: int = 24,
        program: tuple[str, ...] = (sys.executable, "-m", "tests.assistant.cli.scripted_main"),
    ) -> None:
        self.home = home
        self.db = home / "test.db"
        self.child = pexpect.spawn(
            program[0],
            [*program[1:], "chat", "--db", str(self.db), *options],
            cwd=str(ROOT),
            env={
                **os.environ,
                "SCRIPT": json.dumps(script),
                "HOME": str(home),
                "TERM": "xterm-256color",
            },
            encoding="utf-8",
            timeout=60,
            dimensions=(rows, 80),
        )
        self.seen = ""

    def sees(self, pattern: str) -> str:
        """Wait for a text on the screen, escape sequences left out; gives what came before and with it."""
        start = len(self.seen)
        while True:
            found = re.search(pattern, ESCAPES.sub("", self.seen[start:]))
            if found:
                return ESCAPES.sub("", self.seen[start:])
            if self.child.expect([CURSOR_QUERY, r"(?s).+"]) == 0:
                self.seen += self.child.before
                self.child.send("\x1b[5;1R")
            else:
                self.seen += self._answering(self.child.after)

    def waits(self, until: Callable[[], bool]) -> None:
        """Look on until something has happened that the screen does not tell."""
        deadline = time.monotonic() + (self.child.timeout or 60)
        while not until():
            assert time.monotonic() < deadline, self.seen
            if self.child.expect([pexpect.TIMEOUT, r"(?s).+"], timeout=0.1) == 1:
                self.seen += self._answering(self.child.after)

    def types(self, text: str) -> None:
        self.child.send(text)

    def pastes(self, text: str) -> None:
        self.child.send(f"\x1b[200~{text}\x1b[201~")

    def leaves(self) -> int:
        """Wait for the program's end; its exit code."""
        while self.child.expect([CURSOR_QUERY, pexpect.EOF]) == 0:
            self.child.send("\x1b[5;1R")
        self.seen += self.child.before
        self.child.close()
        return int(self.child.exitstatus if self.child.exitstatus is not None else -self.child.signalstatus)

    def _answering(self, text: str) -> str:
        for _ in range(text.count("\x1b[6n")):
            self.child.send("\x1b[5;1R")
        return text
