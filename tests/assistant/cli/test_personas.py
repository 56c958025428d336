"""`assistant personas`."""

from __future__ import annotations

from pathlib import Path

from tests.assistant.cli.conftest import Run
from tests.scripted_engine import ScriptedEngine

BAKER = 'name = "baker"\ntitle = "Ben"\ninstruction = "You are Ben, a baker."\n'


def test_list_shows_the_shipped_ones(run: Run) -> None:
    result = run("personas", "list")
    assert result.stdout.splitlines()[0].split() == ["name", "title", "description"]
    names = [line.split()[0] for line in result.stdout.splitlines()[1:]]
    assert {"professor", "pirate", "chef"} <= set(names)
    assert result.stderr == ""


def test_an_added_persona_can_be_shown_and_talked_to(run: Run, engine: ScriptedEngine, tmp_path: Path) -> None:
    file = tmp_path / "baker.toml"
    file.write_text(BAKER)
    assert run("personas", "add", str(file)).stdout == "baker added: assistant chat --persona baker\n"
    assert "You are Ben, a baker." in run("personas", "show", "baker").stdout
    engine.queue("Fresh bread!")
    assert run("ask", "-p", "baker", "Hello").stdout == "Fresh bread!\n"


def test_check_names_file_and_field_and_fails(run: Run, tmp_path: Path) -> None:
    good, bad = tmp_path / "baker.toml", tmp_path / "bad.toml"
    good.write_text(BAKER)
    bad.write_text('name = "bad"\ntitle = "Bad"\n')
    result = run("personas", "check", str(good), str(bad))
    assert (result.stdout, result.exit_code) == ("1 usable, 1 problems\n", 1)
    assert f"{bad}: instruction: " in result.stderr


def test_the_shipped_ones_pass_their_check(run: Run) -> None:
    assert run("personas", "check").exit_code == 0
