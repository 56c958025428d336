"""What vLLM is opened for: adapters, quantised weights, safety models, datasets. One engine after the other."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from assistant.engines.catalog import BUNDLED_FOLDER, open_engine
from assistant.engines.errors import EngineError
from assistant.engines.vllm_engine import VllmEngine
from assistant.engines.vllm_start import engine_arguments
from assistant.events import Finished
from assistant.personas.library import PersonaLibrary
from assistant.sampling import Sampling
from assistant.service import Assistant
from assistant.settings import Settings, VllmSettings
from assistant.store.store import Store
from gatt.cli.app import app as gatt
from guardrails.guard import BUNDLED as BUNDLED_SAFETY
from guardrails.guard import build
from guardrails.judge import Exchange
from guardrails.messages import Message
from guardrails.policy import Policy, Stage
from guardrails.reward.model import RewardError, RewardModel
from tests.assistant.engines.contract import GREEDY, collect, prompt, text, tokens
from tests.assistant.engines.vllm import SMALL, make_adapter, needs_vllm, quantize, quiet, together
from tests.guardrails.reward import models

pytestmark = [needs_vllm, quiet, together]


async def test_an_adapter_opens_by_its_name_on_the_model_it_belongs_to(tmp_path: Path) -> None:
    make_adapter(tmp_path / "mine")
    settings = Settings(models_dir=tmp_path, vllm=SMALL)
    opened = open_engine(settings, "mine")
    assert opened.reason == "vllm, as only vLLM loads adapters"
    assert (opened.engine.name, opened.engine.model) == ("vllm", "mine")
    assert isinstance(opened.engine, VllmEngine)
    ids = prompt(opened.engine, "hello there")
    adapted = await collect(opened.engine, ids, GREEDY)
    plain = await collect(opened.engine.without_adapter(), ids, GREEDY)
    await opened.engine.close()
    assert tokens(adapted) != tokens(plain)
    with pytest.raises(EngineError, match="closed"):
        await collect(opened.engine, ids, GREEDY)


async def test_quantised_weights_answer_nearly_as_the_whole_ones(tmp_path: Path) -> None:
    quantize(tmp_path / "eight-bit")
    opened = open_engine(Settings(models_dir=tmp_path, vllm=SMALL), "eight-bit")
    assert opened.reason == "vllm, as its weights are quantised (compressed-tensors)"
    reply = text(await collect(opened.engine, prompt(opened.engine, "Who are you?"), Sampling(temperature=0)))
    await opened.engine.close()
    assert len(reply.split()) > 3
    assert "�" not in reply


@pytest.mark.parametrize("kind", ["encoder", "decoder"])
def test_the_safety_model_on_vllm_says_what_it_says_on_transformers(tmp_path: Path, kind: str) -> None:
    from guardrails.reward.vllm_model import VllmRewardModel

    # The one that ships is an encoder.
    ships = kind == "encoder" and BUNDLED_SAFETY.is_dir()
    path = BUNDLED_SAFETY if ships else save_wide(tmp_path / "model", kind)
    exchanges = [
        Exchange((Message("user", question),), reply)
        for question in ("Hello!", "How do I make tea?", "How do I build a bomb?" * 3)
        for reply in ("", "Boil water.", "First, take the powder. " * 60)
    ]
    ours, theirs = VllmRewardModel.open(path), RewardModel.load(path)
    expected = theirs.logits(exchanges)
    assert ours.logits(exchanges) == pytest.approx(expected, abs=2e-3)
    assert ours.scores(exchanges) == pytest.approx(theirs.scores(exchanges), abs=1e-3)
    assert max(expected) - min(expected) > 0.01
    assert ours.version == theirs.version


def save_wide(folder: Path, kind: str) -> Path:
    """A random model of `kind`, with heads as wide as vLLM's attention on a CPU wants them."""
    return models.save(folder, kind, hidden_size=64)


async def test_chat_and_safety_model_share_a_process(tmp_path: Path) -> None:
    policy = Policy(version=1, name="mine", rules="none", reward_model=str(save_wide(tmp_path / "judge", "decoder")))
    low = policy.model_copy(update={"prompt": Stage(threshold=0), "reply": Stage(threshold=0)})
    context = SMALL.model_copy(update={"context": 700})
    opened = open_engine(Settings(vllm=context), "bundled", "vllm")
    assert (opened.is_demo, opened.engine.window) == (True, 700)
    with pytest.raises(EngineError, match="window is 700"):
        await collect(opened.engine, [5] * 700, GREEDY)
    with Store.open(str(tmp_path / "chat.db")) as store:
        assistant = Assistant(store, opened.engine, build(low, audit=tmp_path / "audit.jsonl", vllm=True))
        persona = store.save_persona(PersonaLibrary().get("professor"))
        conversation = store.create_conversation(persona.id).id
        for _ in range(2):
            turn = await assistant.send(conversation, "Who are you?")
            assert isinstance(await turn.wait(), Finished)
            verdicts = store.verdicts(turn.reply_id)
            assert "reward" in {verdict.judge for verdict in verdicts}
            assert store.message(turn.reply_id).content
        await assistant.close()


async def test_an_engine_that_ends_leaves_the_others_alive(tmp_path: Path) -> None:
    from guardrails.reward.vllm_model import VllmRewardModel

    folder = save_wide(tmp_path / "judge", "decoder")
    exchange = Exchange((Message("user", "Hello!"),), "Good day.")
    engine = open_engine(Settings(vllm=SMALL), "bundled", "vllm").engine
    first, second = VllmRewardModel.open(folder), VllmRewardModel.open(folder)
    before = first.logits([exchange])
    del second
    gc.collect()
    reply = await collect(engine, prompt(engine, "Who are you?"), GREEDY)
    await engine.close()
    assert text(reply)
    assert first.logits([exchange]) == before


def test_a_safety_model_that_vllm_cannot_load_is_one_line(tmp_path: Path) -> None:
    from guardrails.reward.vllm_model import VllmRewardModel

    with pytest.raises(RewardError) as caught:
        VllmRewardModel.open(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_dataset_is_built_by_many_dialogues_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running: list[int] = []
    deliver = VllmEngine.__init__.__globals__["Worker"]._deliver

    def noted(self: Any, outputs: list[Any]) -> None:
        running.append(len(outputs))
        deliver(self, outputs)

    monkeypatch.setattr("assistant.engines.vllm_worker.Worker._deliver", noted)
    source = tmp_path / "chats.jsonl"
    source.write_text(
        "".join(json.dumps({"turns": [f"What is {word}?"]}) + "\n" for word in ["rain", "gold", "fire", "snow"])
    )
    words = ["build-dataset", "--engine", "vllm", "-o", "kv_cache_gb=0.25", "--source", str(source), "--out"]
    more = ["--n", "4", "--k", "4", "--turns", "1-1", "--families", "sentence", "--max-tokens", "40", "--plain", "1"]
    done = CliRunner().invoke(gatt, [*words, str(tmp_path / "made"), *more])
    assert done.exit_code == 0, done.output
    assert "4 rows kept" in done.output
    assert max(running) > 4


def test_the_settings_become_vllms_arguments(tmp_path: Path) -> None:
    settings = VllmSettings(context=4096, tensor_parallel=2, memory_share=0.5, dtype="bfloat16", quantization="fp8")
    gpu = engine_arguments(BUNDLED_FOLDER, settings, cpu=False)
    assert gpu["max_model_len"] == 4096
    assert gpu["tensor_parallel_size"] == 2
    assert gpu["gpu_memory_utilization"] == 0.5
    assert gpu["dtype"] == "bfloat16"
    assert gpu["quantization"] == "fp8"
    assert gpu["enforce_eager"] is False
    assert "kv_cache_memory_bytes" not in gpu
    cpu = engine_arguments(BUNDLED_FOLDER, VllmSettings(kv_cache_gb=0.5), cpu=True)
    assert (cpu["dtype"], cpu["kv_cache_memory_bytes"], cpu["max_model_len"]) == ("float32", 1 << 29, -1)
    assert engine_arguments(BUNDLED_FOLDER, VllmSettings(), cpu=True)["kv_cache_memory_bytes"] == 1 << 30
    assert engine_arguments(BUNDLED_FOLDER, VllmSettings(), cpu=True)["enforce_eager"] is True


def test_too_little_memory_is_told_with_what_to_do() -> None:
    with pytest.raises(EngineError, match=r"vLLM cannot load.*-o context=") as caught:
        VllmEngine(BUNDLED_FOLDER, settings=VllmSettings(context=1152, kv_cache_gb=0.001))
    assert "\n" not in str(caught.value)
