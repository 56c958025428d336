from __future__ import annotations

import pytest
from pydantic import ValidationError

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
