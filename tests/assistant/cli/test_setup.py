"""`assistant setup`, by typed input."""

from __future__ import annotations

import stat
from collections.abc import Iterator

import pytest

from assistant.cli import setup
from assistant.settings import config_path, load_settings
from guardrails import vllm_environment
from tests.assistant.cli.conftest import Run
from tests.misbehaving_server import MisbehavingServer, breaks_off, says
from tests.scripted_engine import ScriptedEngine


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MisbehavingServer]:
    with MisbehavingServer(models=[{"id": "small"}, {"id": "large"}]) as running:
        # No server of whoever runs the tests is looked for.
        monkeypatch.setattr(setup, "LOCAL", {"Ollama": 9, "vLLM": int(running.url.split(":")[2].split("/")[0])})
        yield running


def test_the_bundled_model(run: Run, engine: ScriptedEngine) -> None:
    engine.queue("I am small.")
    result = run("setup", input="1\n")
    assert result.exit_code == 0, result.output
    assert "I am small." in result.stdout
    assert load_settings().engine == "transformers"
    assert engine.closed


def test_a_local_server_is_found_asked_and_kept(run: Run, server: MisbehavingServer) -> None:
    config_path().parent.mkdir(parents=True)
    config_path().write_text('# mine\npersona = "pirate"  # always\n')
    server.then(says("Hello from", " the server."))
    result = run("setup", input="2\n\nlarge\n")
    assert result.exit_code == 0, result.output
    assert f"vLLM answers at {server.url}" in result.stdout
    assert "Hello from the server." in result.stdout
    settings = load_settings()
    assert (settings.engine, settings.model, settings.persona) == ("openai", "large", "pirate")
    assert settings.openai.base_url == server.url
    assert '# mine\npersona = "pirate"  # always' in config_path().read_text()
    server.then(says("As ever."))
    assert run("ask", "Still there?").stdout == "As ever.\n"


def test_an_api_with_a_key_that_only_its_owner_can_read(run: Run, server: MisbehavingServer) -> None:
    server.key = "sk-right"
    server.models = [{"id": "small"}]
    server.then(says("With a key."))
    result = run("setup", input=f"4\n{server.url}\nsk-right\n")
    assert result.exit_code == 0, result.output
    assert "sk-right" not in result.output
    assert stat.S_IMODE(config_path().stat().st_mode) == 0o600
    key = load_settings().openai.api_key
    assert key is not None
    assert key.get_secret_value() == "sk-right"


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("4\n{url}\nwrong\n", "refuses the key"),
        ("2\nhttp://127.0.0.1:9/v1\n", "no server answers"),
        ("2\nnonsense\n", "base_url 'nonsense'"),
        ("2\n{url}\nmiddling\n", "no model 'middling'"),
    ],
)
def test_what_does_not_answer_is_told_and_nothing_written(
    run: Run, server: MisbehavingServer, typed: str, message: str
) -> None:
    server.key = "sk-right" if "wrong" in typed else None
    result = run("setup", input=typed.format(url=server.url))
    assert result.exit_code == 1
    assert message in result.stderr
    assert not config_path().exists()


def test_a_reply_that_fails_or_is_empty_writes_nothing(run: Run, server: MisbehavingServer) -> None:
    server.then(breaks_off("Hel"), says(""))
    for message in ("lost in mid-reply", "an empty reply"):
        result = run("setup", input=f"2\n{server.url}\nsmall\n")
        assert result.exit_code == 1
        assert message in result.stderr
    assert not config_path().exists()


def test_vllm_that_is_not_installed_is_told_with_the_fix(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_environment, "is_installed", lambda: False)
    result = run("setup", input="3\n")
    assert result.exit_code == 1
    assert "error: vLLM is not installed: pip install 'steadfast[vllm]'" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_variable_that_goes_before_the_file_is_told(
    run: Run, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSISTANT_ENGINE", "auto")
    engine.queue("Hello.")
    assert "ASSISTANT_ENGINE is set" in run("setup", input="1\n").stdout


def test_a_damaged_file_is_left_as_it_is(run: Run, engine: ScriptedEngine) -> None:
    config_path().parent.mkdir(parents=True)
    config_path().write_text("engine = \n")
    engine.queue("Hello.")
    result = run("setup", input="1\n")
    assert result.exit_code == 1
    assert "not valid TOML" in result.stderr
    assert config_path().read_text() == "engine = \n"
