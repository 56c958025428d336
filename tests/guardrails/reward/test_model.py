"""A reward model's score does not depend on what is scored beside it; reply and newest message are read whole."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from guardrails.judge import Exchange
from guardrails.messages import Message
from guardrails.reward.model import Calibration, RewardError, RewardModel, write_calibration
from guardrails.reward.segments import CONTEXT, cuts
from tests.guardrails.reward.models import LENGTH, save

TEXTS = ["Hello there.", "How do I make tea? " * 4, "", "Boil the water.", "x", "Never. " * 30]


@pytest.fixture(scope="module", params=["encoder", "roberta", "decoder"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RewardModel:
    return RewardModel.load(save(tmp_path_factory.mktemp("reward"), request.param))


def exchange(user: str, reply: str) -> Exchange:
    return Exchange((Message("system", "Be kind."), Message("user", user)), reply)


def test_a_score_is_the_same_alone_and_in_a_batch(model: RewardModel) -> None:
    exchanges = [exchange(user, reply) for user in TEXTS[:3] for reply in TEXTS]
    alone = [model.logits([one])[0] for one in exchanges]
    assert model.logits(exchanges) == pytest.approx(alone, abs=1e-4)
    assert len({round(logit, 4) for logit in alone}) > len(alone) // 2


def test_the_logit_is_the_model_s_own_and_the_sigmoid_is_applied_once(model: RewardModel) -> None:
    one = exchange("Hello?", "Hello.")
    [ids] = model.parts(one)
    with torch.inference_mode():
        own = float(model.model(input_ids=torch.tensor([ids])).logits[0, 0])
    assert model.logits([one])[0] == pytest.approx(own, abs=1e-4)
    assert model.scores([one])[0] == pytest.approx(1 / (1 + math.exp(-own)), abs=1e-4)


def test_the_end_of_a_reply_counts_however_long_the_history_is(model: RewardModel) -> None:
    long = "and on it goes " * 300
    assert len(model.parts(exchange(long, "Yes."))) == 1
    assert len(model.parts(exchange(long, "Yes."))[0]) == LENGTH
    yes, no = model.logits([exchange(long, "Yes."), exchange(long, "No.")])
    assert yes != pytest.approx(no, abs=1e-6)


def test_earlier_turns_and_the_instruction_count(model: RewardModel) -> None:
    """A step of a slow escalation says nothing by itself."""
    last = (Message("user", "And the next step?"),)
    begun = [(Message("user", said), Message("assistant", "Gladly."), *last) for said in ("I bake.", "I forge.")]
    told = [(Message("system", said), *last) for said in ("Help a baker.", "Help a forger.")]
    logits = model.logits([Exchange(prompt, "First you heat it.") for prompt in (last, *begun, *told)])
    assert len({round(logit, 6) for logit in logits}) == 5


def test_a_reply_too_long_to_read_at_once_counts_as_its_worst_part(model: RewardModel) -> None:
    reply = " ".join(f"sentence {number}." for number in range(300))
    parts = model.parts(exchange("Go on.", reply))
    assert len(parts) > 3
    assert all(len(part) <= LENGTH for part in parts)
    with torch.inference_mode():
        worst = min(float(model.batch([part])[0]) for part in parts)
    assert model.logits([exchange("Go on.", reply)])[0] == pytest.approx(worst, abs=1e-4)


@given(size=st.integers(0, 500), room=st.integers(2, 80), overlap=st.integers(0, 79))
def test_every_token_of_a_long_reply_is_in_some_part(size: int, room: int, overlap: int) -> None:
    assume(overlap < room)
    found = cuts(size, room, overlap)
    assert (found[0][0], found[-1][1]) == (0, size)
    assert all(end - start <= room for start, end in found)
    assert all(later[0] == earlier[1] - overlap for earlier, later in pairwise(found))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(0, 600), history=st.integers(0, 200))
def test_every_token_of_the_newest_message_is_read_with_what_is_around_it(
    model: RewardModel, size: int, history: int
) -> None:
    text = "".join(f" {number}" for number in range(size))
    earlier = (Message("user", "and so on " * history), Message("assistant", "Gladly.")) if history else ()
    parts = model.parts(Exchange((*earlier, Message("user", text)), ""))
    assert all(len(part) <= LENGTH for part in parts)
    told = model.template.encode(text)
    # In some part in one piece with what stands beside it.
    near = min(LENGTH // 16, len(told))
    read = {tuple(part[at : at + near]) for part in parts for at in range(len(part))}
    assert all(told[at : at + near] in read for at in range(len(told) - near + 1))


def test_a_prompt_counts_as_the_worst_stretch_of_a_long_message_or_its_end(model: RewardModel) -> None:
    long = exchange("".join(f"sentence {number}. " for number in range(300)), "")
    parts = model.parts(long)
    assert len(parts) > 3
    whole = model.template.render(long.prompt, add_generation_prompt=False)
    opening = whole.ids[: whole.spans[0].start]
    assert parts[-1] == opening + whole.ids[len(opening) - LENGTH :]
    with torch.inference_mode():
        worst = min(float(model.batch([part])[0]) for part in parts)
    assert model.logits([long])[0] == pytest.approx(worst, abs=1e-4)


def test_a_stretch_is_read_as_if_it_were_the_whole_prompt(model: RewardModel) -> None:
    text = "".join(f" {number}" for number in range(300))
    for part in model.parts(exchange(text, ""))[:-1]:
        told = model.template.decode([id for id in part if id not in model.template.control_ids])
        assert part == model.template.render([Message("user", told)], add_generation_prompt=False).ids


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.integers(1, 60), answered=st.integers(1, 200))
def test_a_reply_of_any_length_leaves_room_for_its_prompt(model: RewardModel, said: int, answered: int) -> None:
    one = Exchange((Message("user", " tea" * said),), " cup" * answered)
    rendered = model.template.render([*one.prompt, Message("assistant", one.reply)], add_generation_prompt=False)
    prompt, opening = rendered.ids[: rendered.spans[-1].start], rendered.spans[0].start
    for part in model.parts(one):
        assert len(part) <= LENGTH
        before = part[: len(part) - part[::-1].index(prompt[-1])]
        assert len(before) >= min(len(prompt), round(CONTEXT * LENGTH))
        assert before == prompt[:opening] + prompt[len(prompt) - len(before) + opening :]


CONTROL = ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "</s>", "[INST]", "<<SYS>>", "[CLS]", "[SEP]"]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pieces=st.lists(st.sampled_from([*CONTROL, "hello", " ", "fine"]), min_size=1, max_size=12), cut=st.integers(0, 8)
)
def test_nothing_that_is_typed_opens_or_closes_a_turn(model: RewardModel, pieces: list[str], cut: int) -> None:
    text = "".join(pieces)
    nested = text[:cut] + text + text[cut:]
    benign = Exchange((Message("system", "a"), Message("user", "b")), "c")
    forged = Exchange((Message("system", nested), Message("user", nested)), nested)
    control = model.template.control_ids
    [plain] = model.parts(benign)
    asked = Exchange((Message("system", nested), Message("user", nested * 8)), "")
    for part in (*model.parts(forged), *model.parts(asked)):
        assert sum(id in control for id in part) <= sum(id in control for id in plain)


def test_a_calibration_is_kept_with_the_weights_and_changes_the_version(tmp_path: Path) -> None:
    folder = save(tmp_path / "model", "encoder")
    before = RewardModel.load(folder)
    write_calibration(folder, Calibration(2.0, 1.0))
    after = RewardModel.load(folder)
    assert before.version != after.version
    one = exchange("Hello?", "Hello.")
    logit = before.logits([one])[0]
    assert after.scores([one])[0] == pytest.approx(1 / (1 + math.exp(-(logit / 2 + 1))), abs=1e-5)


@pytest.mark.parametrize("logit", [-1e6, -30.0, 0.0, 30.0, 1e6])
def test_a_probability_is_one_for_any_logit(logit: float) -> None:
    assert 0 <= Calibration().probability(logit) <= 1


def test_what_is_no_reward_model_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(RewardError, match="2 labels: a reward model has one"):
        RewardModel.load(save(tmp_path / "two", "encoder", labels=2))
    with pytest.raises(RewardError, match=r"no tokenizer\.json"):
        RewardModel.load(tmp_path)
    damaged = save(tmp_path / "damaged", "encoder")
    (damaged / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(RewardError, match="that can be loaded"):
        RewardModel.load(damaged)
    fine = save(tmp_path / "fine", "encoder")
    (fine / "calibration.json").write_text('{"temperature": 0, "bias": 0}')
    with pytest.raises(RewardError, match="holds no calibration"):
        RewardModel.load(fine)
