"""A guard against recall bought with ruin: what a model is like without any instruction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import exp, log
from pathlib import Path
from typing import Any

from assistant.sampling import Sampling
from gatt.evaluation.arms import Arm
from gatt.evaluation.journal import Journal, Record
from gatt.evaluation.material import Material, Said
from gatt.evaluation.meter import Meter
from gatt.evaluation.recall import bounded
from guardrails.messages import Message
from guardrails.rendering import ChatTemplate

# Dialogues whose answers are scored, and openers that are answered.
DIALOGUES = 200
REPLIES = 100


@dataclass(frozen=True, slots=True)
class Quality:
    """`bits_per_byte` and `perplexity` (per token, the stop token included) of the source's answers; none without
    any. Over the model's own replies to opening messages: mean length in tokens, and distinct-2, the share of
    different ones among all pairs of neighbouring words.
    """

    bits_per_byte: float | None
    perplexity: float | None
    answers: int
    reply_tokens: float
    distinct2: float
    replies: int


async def measure(
    arm: Arm, folder: Path, source: Material, journal: Journal, meter: Meter, *, max_tokens: int, concurrency: int
) -> Quality:
    """The quality of one model. Raises EngineError."""
    openers = source.openers[:REPLIES]

    async def answer(number: int, user: str) -> Record:
        sampling = Sampling(temperature=0, max_tokens=max_tokens)
        reply = await arm.reply(arm.prompt("", [], user, reserve=max_tokens), sampling)
        return {"user": user, "reply": reply.text, "reply_tokens": reply.tokens}

    with meter.part(f"plain replies, {arm.name}", len(openers)) as done:

        async def work(number: int, user: str) -> Record:
            record = await journal.once(f"plain/{arm.name}/{number}", partial(answer, number, user))
            done()
            return record

        plain = await bounded([partial(work, *numbered) for numbered in enumerate(openers)], concurrency)

    async def score() -> Record:
        with meter.part(f"perplexity, {arm.name}", 1):
            return likelihood(folder, ChatTemplate.from_folder(folder), source.dialogues[:DIALOGUES], arm.engine.window)

    scored = await journal.once(f"likelihood/{arm.name}", score)
    tokens, size, nats = scored["tokens"], scored["bytes"], scored["nats"]
    return Quality(
        nats / log(2) / size if size else None,
        exp(nats / tokens) if tokens else None,
        scored["answers"],
        sum(one["reply_tokens"] for one in plain) / len(plain),
        distinct2([one["reply"] for one in plain]),
        len(plain),
    )


def likelihood(
    folder: Path, template: ChatTemplate, dialogues: Sequence[Sequence[Said]], window: int
) -> dict[str, float]:
    """The negative log-likelihood in nats of the answers, their tokens (with a stop token each) and bytes."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()
    nats, tokens, size, answers = 0.0, 0, 0, 0
    for dialogue in dialogues:
        messages: list[Message] = []
        for said in dialogue:
            if said.answer is None:
                break
            longer = [*messages, Message("user", said.user), Message("assistant", said.answer)]
            if len(template.render(longer, add_generation_prompt=False).ids) > window:
                break
            messages = longer
        if not messages:
            continue
        rendered = template.render(messages, add_generation_prompt=False)
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([rendered.ids])).logits[0].float().log_softmax(-1)
        for message, span in zip(messages, rendered.spans, strict=True):
            if message.role == "assistant":
                # The token after the text is the template's end of reply.
                end = min(span.end + 1, len(rendered.ids))
                ids = torch.tensor(rendered.ids[span.start : end])
                nats -= float(logits[span.start - 1 : end - 1].gather(1, ids[:, None]).sum())
                tokens += len(ids)
                size += len(message.content.encode())
                answers += 1
    return {"nats": nats, "tokens": tokens, "bytes": size, "answers": answers}


def distinct2(replies: Sequence[str]) -> float:
    """Different pairs of neighbouring words among all of them (Li et al. 2016); 0 where there are none."""
    pairs = [pair for reply in replies for pair in pairwise(reply.lower().split())]
    return len(set(pairs)) / len(pairs) if pairs else 0.0
