from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from assistant.engines.quick_start import load_bundled

CHECK = """
import sys
from pathlib import Path
from assistant.engines.quick_start import load_bundled
import torch
model = load_bundled(Path(sys.argv[1]), torch.float32)
model(torch.tensor([[5, 6, 7]]))
assert not {"torch._dynamo", "sympy", "torch.distributed.tensor"} & set(sys.modules), "the compiler was imported"
assert not {"sklearn", "pandas", "scipy"} & set(sys.modules), "what nobody needs was imported"
assert torch.distributed.is_available()
from sklearn.metrics import roc_curve
assert roc_curve([0, 1], [0.1, 0.9])
doubled = torch.compile(lambda x: x * 2, backend="eager")
assert doubled(torch.ones(1)).item() == 2
import torch._dynamo
assert torch._dynamo.__file__
"""


def test_the_bundled_loader_imports_no_compiler_and_leaves_it_usable(tiny_model: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHECK, str(tiny_model)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_loads_the_same_weights_as_transformers(tiny_model: Path, dtype: torch.dtype) -> None:
    from transformers import AutoModelForCausalLM

    ours = load_bundled(tiny_model, dtype)
    theirs = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=dtype)
    ids = torch.tensor([[1, 5, 9, 13]])
    assert torch.allclose(ours(ids).logits, theirs(ids).logits, rtol=1e-4, atol=1e-5)
    wide = ours.model.layers[0].mlp.gate_proj.weight
    assert wide.shape[0] > wide.shape[1]
    assert wide.is_contiguous() == (dtype != torch.float32), "a processor reads it by columns"
    assert ours.lm_head.weight is ours.model.embed_tokens.weight
    # The layout is all that differs.
    for (name, our), their in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert torch.equal(our, their), name
        our.data = our.data.contiguous()
    assert torch.equal(ours(ids).logits, theirs(ids).logits)
