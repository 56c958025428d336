"""Is a model's chat template fit for training and for a persistent instruction?

A template that drops or invents a system message, or that renders a training example differently from the prompt
it will see at inference, spoils Ghost Attention silently: the loss mask is right and the model still learns the
wrong thing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from guardrails.messages import Message
from guardrails.rendering import ChatTemplate, RenderingError

INSTRUCTION = "Always answer as Oscar Wilde."
TURNS = 20
# Words of prose that a template puts before the first message: more than role names ever need.
INVENTED_WORDS = 6


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the audit found. A `fault` makes the template unfit; a `note` is handled by the renderer."""

    kind: Literal["fault", "note"]
    what: str
    fix: str


def audit(template: ChatTemplate) -> list[Finding]:
    """Check a template on dialogues of 1 to 20 turns; no faults means fit."""
    findings: list[Finding] = []
    for check in (_instruction, _invention, _training_render, _end_of_reply):
        try:
            findings += check(template)
        except RenderingError as error:
            findings.append(Finding("fault", str(error), "mend the template, or choose another model"))
    return findings


def _dialogue(turns: int) -> list[Message]:
    messages = [Message("system", INSTRUCTION)]
    for number in range(turns):
        messages += [Message("user", f"question {number}"), Message("assistant", f"answer {number}")]
    return messages


def _instruction(template: ChatTemplate) -> Iterator[Finding]:
    for turns in (1, 2, TURNS):
        rendered = template.render(_dialogue(turns)[:-1])
        count = template.decode(rendered.ids).count(INSTRUCTION)
        if count != 1:
            yield Finding(
                "fault",
                f"with {turns} turns the instruction stands {count} times in the prompt",
                "render messages[0] once, before the first user message",
            )
    if template.folds_system:
        yield Finding("note", "no system role: the instruction leads the first user message", "nothing to do")


def _invention(template: ChatTemplate) -> Iterator[Finding]:
    rendered = template.render([Message("user", "question")])
    before = template.decode([i for i in rendered.ids[: rendered.spans[0].start] if i not in template.control_ids])
    if len(re.findall(r"\w+", before)) >= INVENTED_WORDS:
        yield Finding(
            "fault",
            f"without an instruction the template invents one: {' '.join(before.split())!r}",
            "remove the default system message from the template",
        )


def _training_render(template: ChatTemplate) -> Iterator[Finding]:
    """What the model is trained on must begin with exactly what it is later prompted with."""
    for turns in (1, 2, TURNS):
        dialogue = _dialogue(turns)
        prompt = template.render(dialogue[:-1]).ids
        trained = template.render(dialogue, add_generation_prompt=False)
        if trained.ids[: len(prompt)] != prompt or trained.spans[-1].start != len(prompt):
            at = next((i for i, (a, b) in enumerate(zip(prompt, trained.ids, strict=False)) if a != b), len(prompt))
            yield Finding(
                "fault",
                f"with {turns} turns the training render leaves the inference render at token {at}",
                "make the generation prompt equal to what precedes a reply in the history",
            )


def _end_of_reply(template: ChatTemplate) -> Iterator[Finding]:
    rendered = template.render(_dialogue(1), add_generation_prompt=False)
    if not template.stop_ids.intersection(rendered.ids[rendered.spans[-1].end :]):
        yield Finding(
            "fault",
            "no end token follows a reply: a model trained on this never learns to stop",
            "close assistant messages with the end-of-sequence token",
        )
