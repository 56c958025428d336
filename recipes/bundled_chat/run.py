"""From data to bundled weights with one command; run it again after an interruption and it goes on.

    python -m recipes.bundled_chat.run --data DIR --out DIR

`--data` holds the *.jsonl.xz files (see docs/bundled-model.md), with the safety data in ../safety.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from recipes.bundled_chat import bundle, capitals, corpus, far_back, ghost, pretrain, tokenizer, tune


def main(
    data: Annotated[Path, typer.Option(help="Folder of the training text.", exists=True, file_okay=False)],
    out: Annotated[Path, typer.Option(help="Working folder: corpus, checkpoints, logs.")],
) -> None:
    """From the tokenizer to the bundle; finished steps are skipped."""
    if not find_spec("matplotlib"):  # needed last, hours from now
        raise SystemExit("the training curve needs matplotlib: pip install 'steadfast[train]'")
    if not (out / "tokenizer" / "tokenizer.json").exists():
        tokenizer.main(data, out)
    if not (out / "corpus" / "sizes.json").exists():
        corpus.main(data, out)
    if not (out / "pretrained" / "tokenizer.json").exists():
        pretrain.main(out)
    if not (out / "firm" / "tokenizer.json").exists():
        tune.main(data, out)
    ghost.main(out)
    if not (out / capitals.FINISHED / "model.safetensors").exists():
        capitals.main(out)
    far_back.main(data, out)
    bundle.main(out)


if __name__ == "__main__":
    typer.run(main)
