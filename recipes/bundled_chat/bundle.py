"""Put the finished weights where the product finds them, in half the size, and plot how they came about.

Run `python -m recipes.bundled_chat.bundle --out DIR` after the last tuning.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Annotated

import torch
import typer
from transformers import AutoTokenizer, LlamaForCausalLM

from assistant.engines.catalog import BUNDLED_FOLDER
from recipes.bundled_chat import far_back
from recipes.bundled_chat.config import HERE, load

LIMIT_MB = 60


def plot(out: Path, target: Path) -> None:
    """Loss by step of pretraining and tuning, as an SVG."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "steadfast"  # the same plot is the same file
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 3.5), layout="constrained")
    for axis, stage, measure in zip(
        axes, ("pretraining", "tuned-run"), ("bits_per_byte", "reply_bits_per_byte"), strict=True
    ):
        log = [json.loads(line) for line in (out / stage / "log.jsonl").read_text().splitlines()]
        by_step = {entry["step"]: entry for entry in log}  # a resumed run repeats steps: the last counts
        axis.plot(by_step.keys(), [entry["loss"] for entry in by_step.values()], linewidth=0.6)
        held_out = {step: entry[measure] for step, entry in by_step.items() if measure in entry}
        twin = axis.twinx()
        twin.plot(held_out.keys(), held_out.values(), "o-", color="tab:red")
        axis.set(title=stage, xlabel="step")
        axis.set_ylabel("training loss, nats a token", color="tab:blue")
        twin.set_ylabel(f"held out, {measure.replace('_', ' ')}", color="tab:red")
    figure.savefig(target, metadata={"Date": None})


def main(out: Annotated[Path, typer.Option(help="Working folder of the recipe.")]) -> None:
    """Copy weights (bfloat16), tokenizer and template into the package."""
    recipe = load()
    trained = far_back.finished(recipe, out)
    tokenizer = AutoTokenizer.from_pretrained(trained)
    model = LlamaForCausalLM.from_pretrained(trained, dtype=torch.bfloat16)
    model.config.max_position_embeddings = tokenizer.model_max_length = recipe.window
    model.save_pretrained(BUNDLED_FOLDER)
    tokenizer.save_pretrained(BUNDLED_FOLDER)
    shutil.copy(HERE / "chat_template.jinja", BUNDLED_FOLDER)
    size = sum(file.stat().st_size for file in BUNDLED_FOLDER.glob("*.safetensors")) / 1e6
    if size > LIMIT_MB:
        raise SystemExit(f"the weights take {size:.0f} MB; the package may carry {LIMIT_MB}")
    plot(out, HERE.parents[1] / "docs" / "bundled-model-training.svg")
    print(f"{size:.1f} MB of weights in {BUNDLED_FOLDER}")


if __name__ == "__main__":
    typer.run(main)
