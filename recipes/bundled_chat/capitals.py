"""Each piece of a word in capitals, too: what shouts is then copied token by token, as anything else is.

Little of the training text is in capitals, so the tokenizer cut such words into single letters, and the model had to
know how every token is spelled. Here each token of letters gets a twin in capitals, merged in the same order: a word
that is one token in small letters is one in capitals. A twin begins with the mean of the rows it stands for, moved by
what lies between small letters and capitals; the last tuning teaches the rest.

Run `python -m recipes.bundled_chat.capitals --out DIR` after Ghost Attention.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from transformers import AutoTokenizer, LlamaForCausalLM

from recipes.bundled_chat import ghost
from recipes.bundled_chat.config import load

FINISHED = "capitals"
# How a token that begins a word is written in the vocabulary: with the byte-level sign of a space.
LETTERS = re.compile("\u0120?[A-Za-z]+")


def widened(pairs: dict[str, Any]) -> dict[str, Any]:
    """The model part of a byte-level BPE tokenizer.json, with twins: new tokens last, merges beside their likes."""
    vocabulary = dict(pairs["vocab"])
    # In order, and each once: a merge of capitals that was there already comes as early as its likes.
    merges: dict[tuple[str, str], None] = {}
    for first, second in pairs["merges"]:
        merges[first, second] = None
        if LETTERS.fullmatch(first + second):
            merges[first.upper(), second.upper()] = None
    for first, second in merges:
        vocabulary.setdefault(first + second, len(vocabulary))
    return {**pairs, "vocab": vocabulary, "merges": [list(pair) for pair in merges]}


def widen(model: LlamaForCausalLM, before: dict[str, int], after: dict[str, int]) -> None:
    """Give the model rows for the tokens of `after` that `before`, token to id, has not."""
    ordinary: dict[str, list[int]] = defaultdict(list)
    for token, number in before.items():
        if LETTERS.fullmatch(token) and token != token.upper():
            ordinary[token.upper()].append(number)
    model.resize_token_embeddings(len(after), mean_resizing=False)
    embeddings: Any = model.get_input_embeddings()
    rows: torch.Tensor = embeddings.weight.data
    letters = [token for token in before if re.fullmatch("\u0120?[a-z]", token) and token.upper() in before]
    capitals = rows[[before[token.upper()] for token in letters]].mean(0)
    shift = capitals - rows[[before[token] for token in letters]].mean(0)
    for token in after.keys() - before.keys():
        rows[after[token]] = rows[ordinary[token]].mean(0) + shift


def main(out: Annotated[Path, typer.Option(help="Working folder of the recipe.")]) -> None:
    """Write the model of Ghost Attention's last round with the wider vocabulary: `DIR`/capitals."""
    source = ghost.finished(load().ghost_attention, out)
    tokenizer, model = AutoTokenizer.from_pretrained(source), LlamaForCausalLM.from_pretrained(source)
    before, target = tokenizer.get_vocab(), out / FINISHED
    tokenizer.save_pretrained(target)
    file = target / "tokenizer.json"
    written = json.loads(file.read_text(encoding="utf-8"))
    written["model"] = widened(written["model"])
    file.write_text(json.dumps(written, ensure_ascii=False), encoding="utf-8")
    after = AutoTokenizer.from_pretrained(target).get_vocab()
    widen(model, before, after)
    model.save_pretrained(target)
    print(f"{len(before)} tokens before, {len(after)} with twins in {target}")


if __name__ == "__main__":
    typer.run(main)
