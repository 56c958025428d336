"""The quick forward gives transformers' own logits, whatever runs together, and keeps each weight once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

from assistant.engines.forward import Forward, Row
from assistant.engines.one_by_one import OneByOne
from assistant.engines.packed import Packed, packed
from assistant.engines.quick_llama import QuickLlama
from assistant.engines.quick_start import load_bundled


def saved(folder: Path, **config: Any) -> Path:
    """A folder as the bundled model's: the output layer, which is the embedding, is in the file once."""
    torch.manual_seed(1)
    model = LlamaForCausalLM(LlamaConfig(vocab_size=90, max_position_embeddings=64, tie_word_embeddings=True, **config))
    for weight in model.parameters():
        torch.nn.init.normal_(weight, 0.5 if weight.ndim == 1 else 0, 0.2)
    model.config.save_pretrained(folder)
    state = {name: weight.contiguous() for name, weight in model.state_dict().items() if name != "lm_head.weight"}
    save_file(state, folder / "model.safetensors")
    return folder


SHAPES: dict[str, dict[str, Any]] = {
    "heads of their own": {"num_attention_heads": 4},
    "shared heads": {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 6},
    "slow turns": {"num_attention_heads": 2, "rope_parameters": {"rope_type": "default", "rope_theta": 77.0}},
    "another epsilon": {"num_attention_heads": 2, "rms_norm_eps": 0.1},
}


@pytest.fixture(params=SHAPES)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    shape = SHAPES[request.param]
    return saved(tmp_path, hidden_size=32, intermediate_size=48, num_hidden_layers=3, **shape)


@torch.inference_mode()
def test_many_together_and_one_by_one_are_what_transformers_computes(folder: Path) -> None:
    model = load_bundled(folder, torch.float32).eval()
    assert isinstance(model, QuickLlama)
    quick = packed(model)
    assert isinstance(quick, Packed)
    forwards: list[Forward] = [quick, OneByOne(LlamaForCausalLM.from_pretrained(folder).eval())]
    # Prompts of three lengths, then parts, then single tokens; the last is joined late.
    steps = [
        [[3, 7, 4, 8], [5], [1, 2, 3, 4, 5, 6, 7]],
        [[9], [6, 7, 8], [11]],
        [[12], [13], [14]],
        [[15], [16], [17], [40] * 30],
        [[1], [2], [3], [4]],
    ]
    caches = [[forward.new_cache() for _ in range(4)] for forward in forwards]
    for step in steps:
        rows = [[Row(ids, cache) for ids, cache in zip(step, of, strict=False)] for of in caches]
        ours = forwards[0](rows[0])
        theirs = torch.cat([forwards[1]([row]) for row in rows[1]])
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    assert [cache.length for cache in caches[0]] == [cache.length for cache in caches[1]]


def test_each_weight_is_in_memory_once(folder: Path) -> None:
    model = load_bundled(folder, torch.float32)
    attention, mlp = model.model.layers[0].self_attn, model.model.layers[0].mlp
    for layers in ([attention.q_proj, attention.k_proj, attention.v_proj], [mlp.gate_proj, mlp.up_proj]):
        assert len({layer.weight.untyped_storage().data_ptr() for layer in layers}) == 1
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert sum(weight.numel() for weight in model.parameters()) == model.num_parameters()
    held = {weight.untyped_storage().data_ptr(): weight.untyped_storage().nbytes() for weight in model.parameters()}
    assert sum(held.values()) == 4 * model.num_parameters()
