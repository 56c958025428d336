from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from assistant.cli.opening import with_options
from assistant.errors import AssistantError
from assistant.settings import config_path, load_settings


def test_the_environment_goes_before_the_file_and_the_file_before_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().persona == "professor"
    config_path().parent.mkdir(parents=True)
    config_path().write_text('persona = "pirate"\nmodel = "mine"\n')
    assert (load_settings().persona, load_settings().model) == ("pirate", "mine")
    monkeypatch.setenv("ASSISTANT_PERSONA", "poet")
    assert (load_settings().persona, load_settings().model) == ("poet", "mine")


def test_an_unknown_key_in_the_file_is_named() -> None:
    config_path().parent.mkdir(parents=True)
    config_path().write_text("personna = 'pirate'\n")
    with pytest.raises(ValidationError, match="personna"):
        load_settings()


def test_engines_have_tables_in_the_file_and_variables_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    config_path().parent.mkdir(parents=True)
    config_path().write_text('[vllm]\ncontext = 4096\ndtype = "float16"\nadapters = ["mine"]\n')
    monkeypatch.setenv("ASSISTANT_VLLM_CONTEXT", "8192")
    monkeypatch.setenv("ASSISTANT_OPENAI_BASE_URL", "http://localhost:1/v1")
    monkeypatch.setenv("ASSISTANT_PERSONAS_DIR", "/tmp")
    settings = load_settings()
    assert (settings.vllm.context, settings.vllm.dtype, settings.vllm.adapters) == (8192, "float16", ("mine",))
    assert settings.openai.base_url == "http://localhost:1/v1"
    monkeypatch.setenv("ASSISTANT_VLLM_CONTEX", "1")
    with pytest.raises(ValidationError, match="contex"):
        load_settings()


def test_options_of_the_command_line_go_before_all() -> None:
    changed = with_options(load_settings(), "http://localhost:1/v1", ["context=2048", "eager=true", "adapters=a, b"])
    assert changed.openai.base_url == "http://localhost:1/v1"
    assert (changed.vllm.context, changed.openai.context) == (2048, 2048)
    assert (changed.vllm.eager, changed.vllm.adapters) == (True, ("a", "b"))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("contex=1", "--option contex=1: give NAME=VALUE with one of adapters, base_url, context"),
        ("context", "--option context: give NAME=VALUE"),
        ("context=many", "--option context=many: Input should be a valid integer"),
        ("api_key=sk-1", "stays in the shell's history: set ASSISTANT_OPENAI_API_KEY"),
    ],
)
def test_an_option_that_is_none_is_told(option: str, message: str) -> None:
    with pytest.raises(AssistantError, match=re.escape(message)):
        with_options(load_settings(), None, [option])
