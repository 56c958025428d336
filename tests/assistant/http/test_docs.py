"""The examples of docs/api.md run as they stand."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.assistant.http.running import PATIENCE, Running
from tests.scripted_engine import ScriptedEngine

PAGE = (Path(__file__).parents[3] / "docs" / "api.md").read_text()


def run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=2 * PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_every_curl_command_works(running: Running, engine: ScriptedEngine) -> None:
    blocks = re.findall(r"```\n(curl .*?)```", PAGE, re.DOTALL)
    commands = [command for block in blocks for command in re.split(r"\n(?=curl )", block)]
    assert len(commands) == 4
    engine.queue("Gravity is a pull.", "Salt, matey.")
    shown = []
    for command in commands:
        command = command.replace("http://127.0.0.1:8000", running.url)
        shown.append(run(["bash", "-c", command.replace("curl ", "curl --silent --show-error --fail-with-body ")]))
    assert "Gravity is a pull." in shown[0]
    assert '"id":1' in shown[1]
    assert "event: finished" in shown[2]
    assert "Salt, matey." in shown[3]


def test_the_python_example_works(running: Running, engine: ScriptedEngine) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    engine.queue("Because of the salt.")
    assert run([sys.executable, "-c", example.replace("http://127.0.0.1:8000", running.url)]) == "Because of the salt."
