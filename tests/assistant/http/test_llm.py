"""Another client than OpenAI's own, unchanged: the `llm` command against a running server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.assistant.http.running import PATIENCE, Running
from tests.scripted_engine import ScriptedEngine


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "llm"


def llm(running: Running, home: Path, *arguments: str, typed: str = "") -> str:
    command = [sys.executable, "-m", "llm", "openai", "endpoint", f"{running.url}/v1", *arguments]
    environment = {**os.environ, "LLM_USER_PATH": str(home)}
    done = subprocess.run(
        command, env=environment, input=typed, capture_output=True, text=True, timeout=2 * PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_lists_models(running: Running, home: Path) -> None:
    assert {"professor", "pirate", "scripted-model"} <= set(llm(running, home, "--models").split())


@pytest.mark.parametrize("more", [(), ("--no-stream",)], ids=["streamed", "whole"])
def test_it_gets_answers(running: Running, home: Path, engine: ScriptedEngine, more: tuple[str, ...]) -> None:
    engine.queue("Arr, the sky be blue.")
    options = ("-m", "pirate", "-s", "Answer briefly.", "-o", "temperature", "0.2", "-o", "max_tokens", "50", *more)
    assert llm(running, home, *options, "Why is the sky blue?").strip() == "Arr, the sky be blue."
    prompt = engine.template.decode(engine.prompts[0])
    assert "Answer briefly." in prompt
    assert "Why is the sky blue?" in prompt
    assert (engine.samplings[0].temperature, engine.samplings[0].max_tokens) == (0.2, 50)


def test_it_chats(running: Running, home: Path, engine: ScriptedEngine) -> None:
    engine.queue("Ahoy!", "You said hello.")
    shown = llm(running, home, "--chat", "-m", "pirate", typed="hello\nwhat did I say?\nquit\n")
    assert "Ahoy!" in shown
    assert "You said hello." in shown
    assert "hello" in engine.template.decode(engine.prompts[1])
    assert "Ahoy!" in engine.template.decode(engine.prompts[1])
