"""The model card and the comparison of the bases, written from what was measured: no figure in them is typed.

Run `python -m recipes.bundled_safety.card --out WORK` after the bases are measured. It writes `WORK`/choice.json, which
names the better base, and a README.md beside every base's rounded model.
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import typer

from recipes.bundled_safety.config import HERE, Base, Recipe, load
from recipes.bundled_safety.export import size_mb

Json = dict[str, Any]
HELD_OUT = ("AUROC of prompts", "AUROC of replies", "pairs of hh_harmless in the right order")


def figures(folder: Path) -> Json:
    """All that was measured of the base whose run is in the folder."""
    names = ("measured", "calibrated", "operating")
    return {name: json.loads((folder / f"{name}.json").read_text("utf-8")) for name in names} | {
        "size": size_mb(folder / "rounded")
    }


def held_out(found: Json) -> dict[str, float]:
    """What the choice is made by: figures of the part kept back, so that the public tests stay tests."""
    by_set = {one["name"]: one["auroc"]["value"] for one in found["measured"]["labelled"]}
    pairs = next(value for name, value in found["measured"]["pairs"].items() if name.startswith("hh_harmless"))
    values = (by_set["test-prompts.jsonl"], by_set["test-replies.jsonl"], pairs["value"])
    return dict(zip(HELD_OUT, values, strict=True))


def choose(recipe: Recipe, runs: Path) -> Json:
    """The base with the highest mean of what it is chosen by, of those that are measured."""
    found = {base.name: held_out(figures(runs / base.name)) for base in recipe.bases if measured(runs / base.name)}
    missing = [base.title for base in recipe.bases if base.name not in found]
    return {"chosen": max(found, key=lambda name: fmean(found[name].values())), "by": found, "missing": missing}


def measured(folder: Path) -> bool:
    """Whether the base whose run is in the folder has got to its last step."""
    return (folder / "operating.json").exists()


def card(recipe: Recipe, base: Base, found: Json, counts: Json, choice: Json) -> str:
    """The README of a base's model."""
    evaluated, calibrated = found["measured"], found["calibrated"]
    rows = counts["rows"]
    text = (HERE / "card.md").read_text("utf-8")
    values = {
        "license": base.license,
        "base": base.title,
        "size": f"{found['size']:.1f}",
        "length": recipe.training.length,
        "version": evaluated["version"],
        "p50": f"{evaluated['latency']['p50_ms']:.0f}",
        "p95": f"{evaluated['latency']['p95_ms']:.0f}",
        "trained": f"{sum(rows['train'].values()):,}",
        "parts": _table(
            ["part", *(kinds := sorted({kind for part in rows.values() for kind in part}))],
            [[part, *(f"{of.get(kind, 0):,}" for kind in kinds)] for part, of in rows.items()],
        ),
        "sources": _sources(counts),
        "dropped": _dropped(counts),
        "tests": ", ".join(one.file for one in recipe.evaluations),
        "alike": f"{recipe.alike:g}",
        "thresholds": _thresholds(calibrated),
        "error_before": f"{calibrated['error_before']:.3f}",
        "error_after": f"{calibrated['error_after']:.3f}",
        "labelled": _labelled(evaluated),
        "pairs": _table(["pairs", "chosen scores higher"], [[n, _percent(v)] for n, v in evaluated["pairs"].items()]),
        "prompts": _prompts(evaluated),
        "operating": _operating(found["operating"], ("safe", "benign", "harmful")),
        "by_source": _operating(found["operating"], ("test, safe", "test, unsafe")),
        "choice": _table(
            ["base", *HELD_OUT],
            [[name, *(f"{value:.3f}" for value in by.values())] for name, by in choice["by"].items()],
        ),
        "chosen": choice["chosen"],
        "missing": f"Not trained yet, so not compared: {'; '.join(choice['missing'])}." if choice["missing"] else "",
    }
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    return text


def _percent(figure: Json) -> str:
    return f"{100 * figure['value']:.1f} % ({100 * figure['low']:.1f} to {100 * figure['high']:.1f})"


def _area(figure: Json) -> str:
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


def _sources(counts: Json) -> str:
    rows = []
    for source, kinds in counts["sources"].items():
        trained = ", ".join(f"{parts['train']:,} {kind}" for kind, parts in kinds.items() if "train" in parts)
        rows.append([source, counts["licenses"].get(source) or "Apache-2.0 (made here)", trained])
    return _table(["source", "licence", "trained on"], sorted(rows))


def _dropped(counts: Json) -> str:
    head = ["met before", "near a test", "same meaning as a test", "near a prompt kept back"]
    rows = [
        [source, f"{tally['met']:,}", *(str(tally.get(name, 0)) for name in head)]
        for source, tally in counts["dropped"].items()
    ]
    return _table(["source", "met", *head], rows)


def _thresholds(calibrated: Json) -> str:
    rates = list(next(iter(calibrated["judged"].values()))["thresholds"])
    rows = [
        [kind, str(of["safe"]), *(f"{of['thresholds'][rate]:.4f}" for rate in rates)]
        for kind, of in calibrated["judged"].items()
    ]
    return _table(["judged", "safe examples", *(f"{100 * float(rate):g} % false positives" for rate in rates)], rows)


def _labelled(measured: Json) -> str:
    rows = []
    for one in measured["labelled"]:
        recalls = [_percent(figure) for figure in one["recall"].values()]
        rows.append(
            [one["name"], str(one["safe"]), str(one["unsafe"]), _area(one["auroc"]), _area(one["auprc"]), *recalls]
        )
    rates = [f"recall at {100 * float(rate):g} % false positives" for rate in measured["labelled"][0]["recall"]]
    return _table(["kept back", "safe", "unsafe", "AUROC", "AUPRC", *rates], rows)


def _prompts(measured: Json) -> str:
    rows = [
        [
            one["name"],
            str(one["harmful"]),
            f"{100 * one['rate']:g} %",
            f"{_percent(one['false_positives'])} of {one['benign']}",
            _percent(one["recall"]),
        ]
        for one in measured["prompts"]
    ]
    return _table(["harmful prompts", "n", "threshold for", "false positives (benign)", "recall"], rows)


def _operating(found: list[Json], groups: tuple[str, ...]) -> str:
    some = [one for group in groups for one in found if one["group"] == group]
    rates = list(some[0]["called unsafe"])
    rows = [
        [
            one["group"],
            one["set"],
            one["judged"],
            str(one["n"]),
            *(_percent(one["called unsafe"][rate]) for rate in rates),
        ]
        for one in some
    ]
    head = [f"called unsafe at the {100 * float(rate):g} % threshold" for rate in rates]
    return _table(["group", "set", "judged", "n", *head], rows)


def main(
    out: Annotated[Path, typer.Option(help="Working folder of the recipe.")],
    config: Annotated[Path | None, typer.Option(help="Another config.toml.")] = None,
) -> None:
    """Compare the bases and write the cards."""
    recipe = load(config) if config else load()
    choice = choose(recipe, out / "runs")
    (out / "choice.json").write_text(json.dumps(choice, indent=1) + "\n", "utf-8")
    counts = json.loads((out / "data" / "counts.json").read_text("utf-8"))
    for base in recipe.bases:
        folder = out / "runs" / base.name
        if not measured(folder):
            continue
        text = card(recipe, base, figures(folder), counts, choice)
        (folder / "README.md").write_text(text, "utf-8")
    print(
        _table(["base", *HELD_OUT], [[name, *(f"{v:.3f}" for v in by.values())] for name, by in choice["by"].items()])
    )
    print("chosen:", choice["chosen"])


if __name__ == "__main__":
    typer.run(main)
