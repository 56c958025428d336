from __future__ import annotations

from math import log
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from gatt.evaluation.material import Said
from gatt.evaluation.quality import distinct2, likelihood
from guardrails.messages import Message
from guardrails.rendering import ChatTemplate


def test_distinct_2_is_the_share_of_different_pairs() -> None:
    assert distinct2(["a b c", "A b"]) == pytest.approx(2 / 3)
    assert distinct2(["word", ""]) == 0


def test_the_likelihood_is_that_of_the_answers_and_their_stop_tokens(tiny_model: Path) -> None:
    template = ChatTemplate.from_folder(tiny_model)
    dialogue = (Said("Hi there.", "Hello!"), Said("And?", "No more."))
    found = likelihood(tiny_model, template, [dialogue], 512)
    messages = [Message("user", "Hi there."), Message("assistant", "Hello!")]
    messages += [Message("user", "And?"), Message("assistant", "No more.")]
    rendered = template.render(messages, add_generation_prompt=False)
    model = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([rendered.ids])).logits[0].log_softmax(-1)
    answers = [p for span in (rendered.spans[1], rendered.spans[3]) for p in range(span.start, span.end + 1)]
    assert {rendered.ids[rendered.spans[1].end]} <= template.stop_ids
    assert found["nats"] == pytest.approx(-sum(float(logits[p - 1, rendered.ids[p]]) for p in answers), rel=1e-4)
    assert (found["tokens"], found["bytes"], found["answers"]) == (len(answers), 14, 2)
    # A model of random weights knows nothing.
    assert found["nats"] / found["tokens"] == pytest.approx(log(len(logits[0])), rel=0.1)


def test_what_does_not_fit_the_window_or_has_no_answer_is_not_scored(tiny_model: Path) -> None:
    template = ChatTemplate.from_folder(tiny_model)
    long = (Said("Hi.", "Hello!"), Said("And?", "word " * 600))
    assert likelihood(tiny_model, template, [long, (Said("Hi.", None),)], 512)["answers"] == 1
