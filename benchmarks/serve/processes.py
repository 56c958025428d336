"""Starting servers for a measurement, and asking the system about them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

PATIENCE = 120.0


@dataclass(slots=True)
class Process:
    """A server's process."""

    url: str
    command: Sequence[str]
    running: subprocess.Popen[bytes]

    @property
    def rss_mb(self) -> float:
        """Resident memory now; 0 where it does not run or the system does not tell."""
        try:
            pages = int(Path(f"/proc/{self.running.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return 0.0
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    @property
    def cpu_seconds(self) -> float:
        """Of computing so far, which does not depend on what else the machine does."""
        fields = Path(f"/proc/{self.running.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """As a crash would."""
        self.running.kill()
        self.running.wait()

    def start_again(self) -> None:
        """On the same port, and wait until it answers."""
        self.running = subprocess.Popen(self.command, stderr=subprocess.DEVNULL)
        until_it_answers(self.url, self.running)


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@contextmanager
def worker(kind: str, *arguments: str) -> Iterator[Process]:
    """A server of `benchmarks.serve.worker`."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.serve.worker", kind, "--port", str(port), *arguments]
    with started(command, f"http://127.0.0.1:{port}") as process:
        yield process


@contextmanager
def started(command: Sequence[str], url: str, environment: dict[str, str] | None = None) -> Iterator[Process]:
    """Any server, until the end of the block."""
    running = subprocess.Popen(
        command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env={**os.environ, **(environment or {})}
    )
    process = Process(url, command, running)
    try:
        until_it_answers(url, running)
        yield process
    finally:
        process.running.terminate()
        try:
            process.running.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def until_it_answers(url: str, running: subprocess.Popen[bytes]) -> None:
    """Wait for a server. Raises TimeoutError; ChildProcessError if it ended instead."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if running.poll() is not None:
            raise ChildProcessError(f"the server at {url} ended with {running.returncode} instead of answering")
        try:
            httpx.get(f"{url}/v1/models", timeout=5)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(f"{url} does not answer")
