"""Which answers stand before the learned one, and which are learned: every combination, on the small model.

    python -m recipes.gatt_demo.ablate --out .gatt-demo

Reading A of the paper (`--history original`), reading B (`constrained`) and both by turns (`mixed`), each with the
loss on the last answer or on all. Goes on from `make gatt-demo`, whose baseline and dialogues it takes; same seeds,
same number of rows, same number of epochs. Writes `DIR`/ablation/table.md.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from gatt.evaluation.tables import HELD_OUT, NAME_AND_HOBBY, STYLE
from recipes.bundled_chat.ghost import gatt
from recipes.gatt_demo import run, table

HISTORIES = ("original", "constrained", "mixed")
LOSSES = ("last-turn", "all-turns")
CASES = 200
TURN = 20


def main(out: Annotated[Path, typer.Option(help="Working folder of the demonstration.")] = Path(".gatt-demo")) -> None:
    """Three datasets, six models, one evaluation."""
    run.prepare(out)
    arms = ["baseline"]
    for history in HISTORIES:
        # The demonstration's own dataset and model are one of the combinations.
        data = out / ("data" if history == "original" else f"data-{history}")
        run.build(out, data, history)
        for loss in LOSSES:
            name = f"{history}-{loss}"
            folder = out / ("tuned" if name == "original-last-turn" else f"ablation/{name}")
            run.tune(out, data, folder, loss)
            arms.append(f"{name}={folder / 'model'}")
    result = out / "ablation" / "eval.json"
    words = ["eval", "--baseline", out / "base", "--arms", ",".join(arms), "--lists", run.LISTS, "--turns", TURN]
    words += ["--families", ",".join((*run.TOLD, *run.HELD_OUT)), "--hold-out", ",".join(run.HELD_OUT)]
    words += ["--history", "compliant,violating", "--n", CASES, "--max-tokens", run.REPLY, "--seed", run.SEED]
    gatt(*words, "--source", out / "unseen.jsonl", "--json", result, "--resume")
    found = json.loads(result.read_text("utf-8"))
    heads = ["history of the rows", "loss on"]
    groups = (NAME_AND_HOBBY, STYLE, HELD_OUT)
    heads += [f"{group}, {history}" for group in groups for history in found["settings"]["histories"]]
    rows = []
    for arm in found["arms"]:
        row = list(arm.split("-", 1)) if "-" in arm else ["baseline", ""]
        for group in groups:
            for history in found["settings"]["histories"]:
                row.append(table.shown(table.share(found, arm, history, (group,), TURN)))
        rows.append(row)
    table.show(heads, rows)
    result.with_name("table.md").write_text(table.markdown(heads, rows), "utf-8")


if __name__ == "__main__":
    typer.run(main)
