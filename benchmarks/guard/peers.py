"""Other libraries beside ours: each a process in an environment of its own, asked for one text at a time.

Between its jobs a peer waits for its next line and takes no time from the others.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.guard.texts import PHRASE, SPREAD
from benchmarks.peers.serve import Event, Trace

SCRIPTS = Path(__file__).parents[1] / "peers"
# By script: what they are called here, and their package.
PEERS = {"nemo": ("NeMo", "nemoguardrails"), "openai_guardrails": ("OpenAI Guardrails", "openai-guardrails")}
# They would tell their makers that they were used, and look for models.
QUIET = {"NEMO_GUARDRAILS_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1"}


class PeerError(Exception):
    """A peer cannot be installed or does not answer; the text says which and where its words are."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Of one of a peer's arms; see `serve.Arm`."""

    setting: str
    slow: bool


class Peer:
    """A library at work. A context manager: leaving it ends its process."""

    def __init__(self, name: str, folder: Path) -> None:
        """`folder` holds the environments; what is missing there is installed."""
        self.name, self.package = PEERS[name]
        self._script = name
        self._log = folder / f"{name}.log"
        self._python = _installed(name, folder)

    def __enter__(self) -> Self:
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [self._python, "serve.py", self._script],
                cwd=SCRIPTS,
                env={**os.environ, **QUIET},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        arms = self._asked({"phrase": PHRASE, "spread": SPREAD})
        self.arms = {name: Setting(**arm) for name, arm in arms.items()}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def pinned(self) -> str:
        """Its package with the version."""
        lines = (SCRIPTS / f"{self._script}.txt").read_text().splitlines()
        return next(line for line in lines if line.startswith(f"{self.package}=="))

    def run(self, arm: str, pieces: Sequence[str], due: Sequence[float], *, noted: bool) -> Trace:
        """One text through one of its arms; see `serve.follow`."""
        answer = self._asked({"arm": arm, "pieces": pieces, "due": due, "noted": noted})
        return Trace([Event(**event) for event in answer["events"]], answer["total"], answer["written"])

    def _asked(self, job: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(job) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise PeerError(f"{self.package} has stopped: {self._log} says why")
        return json.loads(line)


def _installed(name: str, folder: Path) -> Path:
    """The Python of the peer's environment, made where it is not there yet."""
    uv = Path(sys.executable).with_name("uv")
    found = str(uv) if uv.is_file() else shutil.which("uv")
    if found is None:
        raise PeerError("uv is needed to install the peers: pip install uv")
    environment = folder / name
    python = environment / "bin" / "python"
    # uv does not read pip's settings; a folder of wheels given to pip is meant for it, too.
    links = os.environ.get("UV_FIND_LINKS") or os.environ.get("PIP_FIND_LINKS", "")
    env = {**os.environ, "UV_FIND_LINKS": links}
    commands = [[found, "pip", "install", "--quiet", "--python", str(python), "-r", str(SCRIPTS / f"{name}.txt")]]
    if not python.is_file():
        commands.insert(0, [found, "venv", "--quiet", "--python", sys.executable, str(environment)])
    for command in commands:
        if subprocess.run(command, env=env).returncode:
            raise PeerError(f"{PEERS[name][1]} could not be installed: {' '.join(command)}")
    return python
