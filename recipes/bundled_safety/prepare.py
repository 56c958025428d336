"""The data: from the sources to the files that are trained on, calibrated with and measured on.

Run `python -m recipes.bundled_safety.prepare --data DIR --chat DIR --evals DIR --out WORK`. What is made of examples is
made of those of the same part, so that the parts share no prompt.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Annotated

import typer

from guardrails.reward.data import Labelled
from recipes.bundled_safety import evaluations, hazards, made, safe_sets
from recipes.bundled_safety.base import folder_of
from recipes.bundled_safety.config import Recipe, load
from recipes.bundled_safety.dress import Wardrobe, cut, dressed, wardrobe
from recipes.bundled_safety.meaning import Alike, alike
from recipes.bundled_safety.near import Known
from recipes.bundled_safety.parts import PARTS, Families, Part, held_back, part_of, question, topic
from recipes.bundled_safety.pools import Cleaner, Tally, prompts_of, replies_of, take
from recipes.bundled_safety.rows import write
from recipes.bundled_safety.sources import Example, kind_of, licenses, prompt_of

# Examples whose requests are none of a source's.
OWN = ("persona chats", "hazards")


@dataclass(slots=True)
class Prepared:
    """The examples of every part, plain and as they are written, what they were dressed in, and what was dropped."""

    plain: dict[Part, list[Example]] = field(default_factory=dict)
    parts: dict[Part, list[Example]] = field(default_factory=dict)
    wardrobes: dict[Part, Wardrobe] = field(default_factory=dict)
    tallies: dict[str, Tally] = field(default_factory=lambda: defaultdict(Counter))


def prepare(recipe: Recipe, folders: Mapping[str, Path], tests: Iterable[str], judge: Alike | None) -> Prepared:
    """Everything for a recipe; the same for the same seed. `tests` are texts that nothing may be near."""
    cleaner, done = Cleaner(Known(tests), judge), Prepared()
    pools: dict[str, list[Example]] = defaultdict(list)
    for source in recipe.sources:
        pools[source.src] += take(source, recipe, folders, cleaner, done.tallies[source.src])
    own = made.requests(recipe.made.requests, Random(f"{recipe.seed}/own requests"))
    pools["own requests"] += cleaner.cleaned(own, done.tallies["own requests"])
    split = _split(recipe, pools)
    texts = {one.src for one in recipe.sources if one.kind == "text"}
    chats = {one.src for one in recipe.sources if one.kind == "chat"}
    times = {one.src: one.times for one in recipe.sources}
    held: list[Example] = []
    for number, part in enumerate(PARTS):
        rng = Random(f"{recipe.seed}/{part}")
        plain = _far(split[part], held_back(held), done.tallies)
        held = held + plain
        others = [one for other in PARTS if other != part for one in prompts_of(split[other]) if not one.safe]
        plain += _own(_made(recipe, plain, part, cleaner, done.tallies, rng, number), held_back(others), done.tallies)
        alone = [one for one in replies_of(plain) if one.source in texts]
        loose = [one for one in plain if one.source not in texts]
        loose += made.asked(alone, _asked(plain, safe=True), rng)
        if part == "train":
            loose = [one for one in loose for _ in range(times.get(one.source, 1))]
        clothes = wardrobe([one for one in replies_of(plain) if one.source in chats], _declined(plain))
        found = [dressed(cut(one, recipe.dressing, rng), clothes, recipe.dressing, rng) for one in loose]
        rng.shuffle(found)
        done.plain[part], done.parts[part], done.wardrobes[part] = plain, found, clothes
    return done


def _split(recipe: Recipe, pools: Mapping[str, Sequence[Example]]) -> dict[Part, list[Example]]:
    families = Families(topic(one) for pool in pools.values() for one in pool)
    split: dict[Part, list[Example]] = {part: [] for part in PARTS}
    for pool in pools.values():
        for one in pool:
            split[part_of(families.name(topic(one)), recipe.shares)].append(one)
    return split


def _far(examples: Sequence[Example], known: Known, tallies: Mapping[str, Tally]) -> list[Example]:
    """Those whose question is near none that is kept back."""
    kept = [one for one in examples if not (text := question(one)) or known.match(text) is None]
    for source, count in (Counter(one.source for one in examples) - Counter(one.source for one in kept)).items():
        tallies[source]["near a prompt kept back"] += count
    return kept


def _own(examples: Sequence[Example], others: Known, tallies: Mapping[str, Tally]) -> list[Example]:
    """Those that ask for nothing harmful that is another part's, as what we write ourselves might."""
    kept = []
    for one in examples:
        users = [message.content for message in prompt_of(one) if message.role == "user"]
        if one.source in OWN and any(others.match(text) is not None for text in users):
            tallies[one.source]["near a prompt kept back"] += 1
        else:
            kept.append(one)
    return kept


def _made(
    recipe: Recipe,
    plain: Sequence[Example],
    part: Part,
    cleaner: Cleaner,
    tallies: Mapping[str, Tally],
    rng: Random,
    number: int,
) -> list[Example]:
    shares = {"calibrate": recipe.shares.calibrate, "test": recipe.shares.test}
    share = shares.get(part, 1 - sum(shares.values()))
    prompts, replies = prompts_of(plain), replies_of(plain)
    harmful = [question(one) for one in prompts if not one.safe]
    # What stands by itself: no retorts, which mean something else behind another prompt.
    assistants = {one.src for one in recipe.sources if one.prompts}
    answers = [one for one in replies if one.source in assistants]
    count = recipe.made
    kinds: dict[str, Iterable[Labelled]] = {
        "reworded": made.other_words(prompts, count.reworded, rng),
        "contrast": made.contrasts(prompts, count.contrast, rng),
        "declined": made.declined(
            _asked(plain, safe=False), made.refusals(answers), round(share * count.declined), rng
        ),
        "mixed": made.mixed(_asked(plain, safe=True), answers, round(share * count.mixed), rng),
        "persona chats": made.persona_chats(round(share * count.persona_chats), recipe.seed + number, harmful),
    }
    if part == "train":  # templates of our own prove nothing in a test
        kinds["hazards"] = hazards.hazards(count.hazards, rng)
    return [one for name, found in kinds.items() for one in cleaner.cleaned(dict.fromkeys(found), tallies[name])]


def _asked(plain: Sequence[Example], *, safe: bool) -> list[made.Prompt]:
    return [one.exchange.prompt for one in prompts_of(plain) if one.safe == safe]


def _declined(plain: Sequence[Example]) -> list[Labelled]:
    return [one for one in replies_of(plain) if one.source == "declined"]


def counts(recipe: Recipe, folders: Mapping[str, Path], done: Prepared) -> dict[str, object]:
    """How many rows there are of every source and kind in every part, what was dropped, and under which licences."""
    by_source: dict[str, dict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    for part, examples in done.parts.items():
        for (source, kind), count in sorted(Counter((one.source, kind_of(one)) for one in examples).items()):
            by_source[source][kind][part] = count
    return {
        "rows": {part: dict(Counter(map(kind_of, examples))) for part, examples in done.parts.items()},
        "with a system message": {part: _share(examples, "system") for part, examples in done.parts.items()},
        "with earlier turns": {part: _share(examples, "assistant") for part, examples in done.parts.items()},
        "sources": by_source,
        "dropped": {source: dict(tally) for source, tally in done.tallies.items()},
        "licenses": {one.src: licenses(one, folders) for one in recipe.sources},
    }


def _share(examples: Sequence[Example], role: str) -> dict[str, float]:
    """Of every kind, the share whose prompt has a message of that role."""
    having = Counter(kind_of(one) for one in examples if any(message.role == role for message in prompt_of(one)))
    return {kind: round(having[kind] / count, 3) for kind, count in Counter(map(kind_of, examples)).items()}


def save(done: Prepared, out: Path, safe: int, rng: Random) -> None:
    """Write what the commands read; see the names."""
    test = done.parts["test"]
    write(out / "train.jsonl", done.parts["train"])
    write(out / "calibrate.jsonl", (one for one in done.parts["calibrate"] if isinstance(one, Labelled)))
    write(out / "test-prompts.jsonl", prompts_of(test))
    write(out / "test-replies.jsonl", replies_of(test))
    write(out / "test-pairs.jsonl", (one for one in done.plain["test"] if not isinstance(one, Labelled)))
    sets = safe_sets.build(done.plain["test"], done.wardrobes["test"], safe, rng)
    write(out / "safe.jsonl", sets)
    benign = [{"prompt": question(one)} for one in sets if one.source == safe_sets.BENIGN]
    (out / "benign.jsonl").write_text("".join(json.dumps(row) + "\n" for row in benign), "utf-8")


def main(
    data: Annotated[Path, typer.Option(help="Folder of the safety data.", exists=True, file_okay=False)],
    chat: Annotated[Path, typer.Option(help="Folder of the chat data.", exists=True, file_okay=False)],
    evals: Annotated[Path, typer.Option(help="Folder of the public test sets.", exists=True, file_okay=False)],
    out: Annotated[Path, typer.Option(help="Working folder of the recipe.")],
    config: Annotated[Path | None, typer.Option(help="Another config.toml.")] = None,
) -> None:
    """Write `WORK`/data."""
    recipe = load(config) if config else load()
    folders = {"safety": data, "chat": chat}
    encoder = next(one for one in recipe.bases if one.package)
    judge = alike(folder_of(encoder, out), evaluations.prompts(recipe.evaluations, evals), recipe.alike)
    done = prepare(recipe, folders, evaluations.forbidden(recipe.evaluations, evals), judge)
    save(done, out / "data", recipe.safe_set, Random(recipe.seed))
    found = counts(recipe, folders, done)
    (out / "data" / "counts.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    print(json.dumps(found["rows"], indent=1))


if __name__ == "__main__":
    typer.run(main)
