from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gatt.audit import audit
from gatt.cli.app import app
from guardrails.rendering import ChatTemplate
from tests.guardrails.families import BUNDLED, template, tokenizer


def faults(chat: ChatTemplate) -> str:
    return " | ".join(finding.what for finding in audit(chat) if finding.kind == "fault")


def with_template(text: str) -> ChatTemplate:
    changed = deepcopy(tokenizer("llama3"))
    changed.chat_template = text
    return ChatTemplate(changed)


@pytest.mark.parametrize("family", ["bundled", "llama3", "gemma"])
def test_sound_templates_pass(family: str) -> None:
    assert faults(template(family)) == ""


def test_a_default_system_message_is_an_invention() -> None:
    assert "You are Qwen" in faults(template("qwen2"))


def test_an_instruction_that_appears_only_with_the_last_message_is_found() -> None:
    # Mistral's older template moves the system text to the newest user message.
    moving = (
        "{% for m in messages %}{% if m.role == 'user' %}[INST] {% if loop.last %}{{ messages[0].content }}\n\n"
        "{% endif %}{{ m.content }}[/INST]{% elif m.role == 'assistant' %}{{ m.content }}<|eot_id|>{% endif %}"
        "{% endfor %}"
    )
    assert "drops, repeats or reorders" in faults(with_template(moving))


def test_a_training_render_that_differs_from_inference_is_found() -> None:
    # Reasoning templates drop or add an empty thought for past replies.
    thinking = (
        "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
        "{% if m.role == 'assistant' %}<think>\n\n</think>{% endif %}{{ m.content }}<|eot_id|>{% endfor %}"
        "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
    )
    assert "leaves the inference render" in faults(with_template(thinking))


def test_a_reply_without_an_end_token_is_found() -> None:
    endless = (
        "{{ bos_token }}{% for m in messages %}\n{{ m.role }}: {{ m.content }}{% endfor %}"
        "{% if add_generation_prompt %}\nassistant: {% endif %}"
    )
    assert "never learns to stop" in faults(with_template(endless))


def test_the_command_passes_the_bundled_model_and_refuses_a_folder_without_one(tmp_path: Path) -> None:
    good = CliRunner().invoke(app, ["audit-template", str(BUNDLED)])
    assert good.exit_code == 0, good.output
    bad = CliRunner().invoke(app, ["audit-template", str(tmp_path)])
    assert bad.exit_code == 1
    assert "Traceback" not in bad.output
