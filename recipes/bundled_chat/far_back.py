"""The last tuning: instructions far back whose values must be copied exactly.

Long dialogues are dear: a thousand tokens for one reply. Most of them are therefore thinned: exchanges between the
instruction and the last ones are left out, and what stays keeps the positions it had (skipped positions, after PoSE,
arXiv 2309.10400), so that the distance is learned at a fifth of the price. Some stay whole, for what lies between.

Run `python -m recipes.bundled_chat.far_back --data DIR --out DIR` after `capitals`; run it again to resume.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Annotated

import torch
import typer
from rich.progress import track
from transformers import AutoTokenizer, LlamaForCausalLM

from guardrails.rendering import ChatTemplate
from recipes.bundled_chat import capitals, chats, tune
from recipes.bundled_chat.config import FarBack, Recipe, load
from recipes.bundled_chat.dialogues import far, spelled, topics
from recipes.bundled_chat.dialogues.far import Far
from recipes.bundled_chat.dialogues.stream import TOPICS
from recipes.bundled_chat.loop import IGNORED, on_device, train
from recipes.bundled_chat.tune import Example

# Row lengths: few, since each is compiled by itself.
LENGTHS = (128, 208, 304, 560, 1152)
# The most tokens of a thinned row, one of these.
THINNED = (128, 208, 304)
# Plain dialogues that stand before the last turns, and those to measure on.
PLAIN, VALIDATION = 4000, 150


def example(dialogue: Far, template: ChatTemplate, window: int, rng: Random, *, whole: bool) -> Example:
    """A rendered dialogue, at most `window` tokens long unless its instruction and last exchanges are longer.

    The oldest exchanges go where it is longer, as in a chat. Thinned, others go, too, and leave their positions.
    """
    messages = dialogue.messages
    # Without a system message the first exchange holds the instruction.
    head = 1 if messages[0].role == "system" else 2
    spans = template.render(messages, add_generation_prompt=False).spans
    ends = [span.end + 1 for span in spans]
    while ends[-1] > window and len(messages) > head + 2 * dialogue.learned:
        messages = [*messages[:head], *messages[head + 2 :]]
        spans = template.render(messages, add_generation_prompt=False).spans
        ends = [span.end + 1 for span in spans]
    made = tune.example(messages, template)
    exchanges = [range(start, end) for start, end in pairwise([ends[head - 1], *ends[head + 1 :: 2]])]
    between, last = exchanges[: -dialogue.learned], exchanges[-dialogue.learned :]
    if not whole:
        between = _some(between, rng.choice(THINNED) - ends[head - 1] - sum(map(len, last)), rng)
    kept = [*range(ends[head - 1]), *(token for exchange in (*between, *last) for token in exchange)]
    labels = [made.labels[token] if token >= last[0].start else IGNORED for token in kept]
    learned_bytes = sum(len(message.content.encode()) for message in messages[1 - 2 * dialogue.learned :: 2])
    return Example([made.ids[token] for token in kept], labels, learned_bytes, kept)


def _some(exchanges: Sequence[range], room: int, rng: Random) -> list[range]:
    """Some of the exchanges, in order, that have at most `room` tokens together."""
    chosen: list[range] = []
    for exchange in rng.sample(exchanges, len(exchanges)):
        if len(exchange) <= room:
            chosen.append(exchange)
            room -= len(exchange)
    return sorted(chosen, key=lambda exchange: exchange.start)


def examples(stage: FarBack, recipe: Recipe, template: ChatTemplate, data: Path) -> Iterator[Example]:
    """Rows of all kinds, one kind after the other."""
    seed = recipe.seed + stage.seed
    before, library = list(chats.plain(seed, PLAIN, orders=far.ORDERS)), topics.read(TOPICS)
    total = stage.thinned + stage.whole
    for number in track(range(total), "writing dialogues"):
        dialogue = far.write(number, seed, before, library)
        rng = Random(f"thinned/{seed}/{number}")
        yield example(dialogue, template, recipe.window, rng, whole=number >= stage.thinned)
    for number in range(stage.spelled):
        yield _unskipped(tune.example(spelled.write(number, seed, library), template))
    for count, firm in ((stage.firm, True), (stage.rehearsed, False)):
        made = tune.examples(template, data, count, seed, firm=firm)
        yield from map(_unskipped, made)


def _unskipped(row: Example) -> Example:
    """With positions, all of them, so that batches of such rows alone need no compiled step of their own."""
    return replace(row, positions=list(range(len(row.ids))))


def validation(stage: FarBack, recipe: Recipe, template: ChatTemplate) -> list[Example]:
    """Whole dialogues of another seed."""
    seed = recipe.seed + stage.seed + 1
    before, library = list(chats.plain(seed, VALIDATION)), topics.read(TOPICS)
    rng = Random(seed)
    return [
        example(far.write(number, seed, before, library), template, recipe.window, rng, whole=True)
        for number in range(VALIDATION)
    ]


def finished(recipe: Recipe, out: Path) -> Path:
    """The model of the last pass: the one that ships."""
    return _folder(out, len(recipe.far_back))


def _folder(out: Path, number: int) -> Path:
    return out / f"far-back-{number}"


def tune_once(stage: FarBack, recipe: Recipe, data: Path, source: Path, target: Path) -> None:
    """One pass: tune the model in `source`, to `target`; checkpoints and log lie in `target`-run."""
    torch.manual_seed(recipe.seed)
    tokenizer = AutoTokenizer.from_pretrained(source)
    template = ChatTemplate(tokenizer)
    model = LlamaForCausalLM.from_pretrained(source, dtype=torch.float32)
    on_device(model)
    held_out = validation(stage, recipe, template)
    rows = list(examples(stage, recipe, template, data))
    Random(recipe.seed).shuffle(rows)
    batches = tune.batches_of(rows, stage.batch_tokens, tokenizer.pad_token_id, recipe.seed, LENGTHS)
    steps = min(len(batches), stage.tokens // stage.batch_tokens)
    print(f"{len(rows)} rows, {len(batches)} batches, {steps} steps")

    def evaluate() -> dict[str, float]:
        return {"far_reply_bits_per_byte": round(tune.reply_bits_per_byte(model, held_out), 4)}

    print(evaluate())
    run = target.with_name(f"{target.name}-run")
    train(model, lambda step: batches[step], stage, steps, run, evaluate=evaluate)
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)


def main(
    data: Annotated[Path, typer.Option(help="Folder of the training text; harmful_prompts.jsonl is in ../safety.")],
    out: Annotated[Path, typer.Option(help="Working folder of the recipe.")],
) -> None:
    """Tune the model with the wider vocabulary once more, pass after pass: `DIR`/far-back-N."""
    recipe = load()
    model = out / capitals.FINISHED
    for number, stage in enumerate(recipe.far_back, start=1):
        target = _folder(out, number)
        if not (target / "tokenizer.json").exists():
            tune_once(stage, recipe, data, model, target)
        model = target


if __name__ == "__main__":
    typer.run(main)
