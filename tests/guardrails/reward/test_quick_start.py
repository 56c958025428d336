"""The quick loader gives the same model, and imports no compiler."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from guardrails.judge import Exchange
from guardrails.messages import Message
from guardrails.reward.model import RewardError, RewardModel
from guardrails.reward.quick_start import load_bundled
from tests.guardrails.reward.models import save

CHECK = """
import sys
from pathlib import Path
from guardrails.reward.model import RewardModel
from guardrails.reward.quick_start import load_bundled
from guardrails.judge import Exchange
RewardModel.load(Path(sys.argv[1]), load=load_bundled).scores([Exchange((), "Hello.")])
assert not {"torch._dynamo", "sympy", "torch.distributed.tensor"} & set(sys.modules), "the compiler was imported"
"""
EXCHANGE = Exchange((Message("user", "Hello?"),), "Good day.")


@pytest.mark.parametrize("kind", ["encoder", "decoder"])
def test_it_scores_as_what_transformers_loads(kind: str, tmp_path: Path) -> None:
    folder = save(tmp_path / "model", kind)
    ours, theirs = RewardModel.load(folder, load=load_bundled), RewardModel.load(folder)
    assert ours.logits([EXCHANGE]) == pytest.approx(theirs.logits([EXCHANGE]), abs=1e-5)
    assert ours.version == theirs.version


def test_it_imports_no_compiler(tmp_path: Path) -> None:
    folder = save(tmp_path / "model", "encoder")
    command = [sys.executable, "-c", CHECK, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_damaged_weights_are_told_in_one_line(tmp_path: Path) -> None:
    folder = save(tmp_path / "model", "encoder")
    (folder / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(RewardError, match="no sequence classifier that can be loaded"):
        RewardModel.load(folder, load=load_bundled)
