"""Every `--help` shows examples, and none costs more than it must."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest
import typer

from assistant.cli.app import app
from tests.assistant.cli.conftest import Run

HEAVY = [
    "torch",
    "transformers",
    "tokenizers",
    "sqlalchemy",
    "alembic",
    "prompt_toolkit",
    "rich",
    "pydantic",
    "numpy",
]


def _commands(command: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = [path]
    for name, below in getattr(command, "commands", {}).items():
        found += _commands(below, (*path, name))
    return found


COMMANDS = _commands(typer.main.get_command(app))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_help_has_examples_that_begin_with_its_command(run: Run, path: tuple[str, ...]) -> None:
    result = run(*path, "--help")
    assert result.exit_code == 0
    examples = result.stdout.partition("Examples:\n")[2].partition("\n\n")[0].splitlines()
    assert examples
    command = " ".join(("assistant", *path))
    assert any(command in example for example in examples)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_examples_use_only_options_that_exist(run: Run, path: tuple[str, ...]) -> None:
    examples = run(*path, "--help").stdout.partition("Examples:\n")[2].partition("\n\n")[0].splitlines()
    for example in examples:
        found = re.search(r"assistant ([a-z]+(?: [a-z]+)?)", example)
        assert found, example
        words = found[1].split()
        target = words if tuple(words) in COMMANDS else words[:1]
        assert tuple(target) in COMMANDS, example
        known = run(*target, "--help").stdout
        for option in re.findall(r"(?<=\s)--?[a-z][a-z-]*", example.partition("|")[0] or example):
            assert option in known, f"{option} in: {example}"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['assistant', '--help']\n"
        "from assistant.cli.app import main\n"
        "try: main()\n"
        f"finally: print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_the_version_is_shown(run: Run) -> None:
    assert re.fullmatch(r"steadfast \d+\.\d+\.\d+\n", run("--version").stdout)
