"""How much of a model's attention still goes to the instruction late in a dialogue (Llama 2, figure 10).

The paper shows "the maximum activations across the network", with "neighboring tokens binned together", before and
after Ghost Attention; it gives neither layers nor bin size, so here they are chosen and stated. The text is given
(teacher-forced), the same for every model.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatt.errors import GattError
from guardrails.messages import Message
from guardrails.rendering import ChatTemplate, RenderingError, Span

if TYPE_CHECKING:
    import torch

# How far the sum of a row of attention may be from 1.
TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class Bins:
    """Where the bins of the heatmap lie.

    `columns` are key positions: what comes before the instruction (the first token draws attention whatever it says:
    it is a bin of its own), the instruction, the rest. `rows` are the positions that write the replies from the second
    turn on, with the turn of each.
    """

    columns: tuple[Span, ...]
    rows: tuple[Span, ...]
    row_turns: tuple[int, ...]
    instruction: Span


@dataclass(frozen=True, slots=True)
class Heat:
    """One model's attention. `grid` (rows, columns): the maximum over layers, heads and a bin's positions; None above
    the diagonal. By turn, the mean over the reply's positions: `mass`, the attention that all tokens of the
    instruction get together, averaged over layers and heads, and `peak`, the most that any of them gets in any.
    """

    model: str
    grid: tuple[tuple[float | None, ...], ...]
    mass: tuple[float, ...]
    peak: tuple[float, ...]


def read_dialogue(path: Path, instruction: str = "") -> list[Message]:
    """The first dialogue of a JSON or JSONL file, `{"messages": [...]}`, led by `instruction` where one is given.

    Raises:
        GattError: no such file, no dialogue in it, no instruction, or fewer than two replies.
    """
    try:
        lines = path.read_text("utf-8").strip()
        value = json.loads(lines.split("\n")[0] if path.suffix == ".jsonl" else lines)
        messages = [Message(turn["role"], turn["content"]) for turn in value["messages"]]
    except (OSError, UnicodeDecodeError) as error:
        raise GattError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise GattError(f'{path} is no dialogue: it needs {{"messages": [{{"role": ..., "content": ...}}]}}') from error
    if instruction:
        messages = [Message("system", instruction), *(m for m in messages if m.role != "system")]
    if not messages or messages[0].role != "system":
        raise GattError(f"{path} begins without an instruction: give one with --instruction")
    if sum(message.role == "assistant" for message in messages) < 2:
        raise GattError(f"{path} has fewer than two replies: attention is shown from the second turn on")
    while messages[-1].role == "user":
        messages.pop()
    return messages


def bins_of(messages: Sequence[Message], spans: Sequence[Span], length: int, size: int) -> Bins:
    """Bins of `size` tokens over `length` positions; none crosses the end of the instruction or of a reply."""
    instruction = spans[0]
    rows: list[Span] = []
    turns: list[int] = []
    replies = [span for message, span in zip(messages, spans, strict=True) if message.role == "assistant"]
    for turn, span in enumerate(replies, 1):
        if turn > 1 and span.end > span.start:
            # A position's attention writes the next token.
            cut = _cut(span.start - 1, span.end - 1, size)
            rows += cut
            turns += [turn] * len(cut)
    edges = ((0, instruction.start), (instruction.start, instruction.end), (instruction.end, length))
    columns = [span for start, end in edges for span in _cut(start, end, size)]
    return Bins(tuple(columns), tuple(rows), tuple(turns), instruction)


def _cut(start: int, end: int, size: int) -> list[Span]:
    return [Span(at, min(at + size, end)) for at in range(start, end, size)]


def measure(
    folders: Sequence[Path],
    messages: Sequence[Message],
    *,
    size: int,
    layers: Sequence[int] = (),
    heads: Sequence[int] = (),
) -> tuple[Bins, list[Heat]]:
    """The attention of each model over the same text; no layers or heads named means all of them.

    Raises:
        GattError: a model cannot be loaded, tokenizes the text otherwise than the first, has a smaller window than
            the text, or has no such layer or head.
    """
    first: list[int] | None = None
    bins: Bins | None = None
    heats = []
    for folder in folders:
        try:
            rendered = ChatTemplate.from_folder(folder).render(messages, add_generation_prompt=False)
        except RenderingError as error:
            raise GattError(f"{folder}: {error}") from error
        if first is None or bins is None:
            first, bins = rendered.ids, bins_of(messages, rendered.spans, len(rendered.ids), size)
        elif rendered.ids != first:
            raise GattError(f"{folder} reads the text as other tokens than {folders[0]}: compare models of one family")
        heats.append(_heat(folder, rendered.ids, bins, layers, heads))
    assert bins is not None
    return bins, heats


def _heat(folder: Path, ids: list[int], bins: Bins, layers: Sequence[int], heads: Sequence[int]) -> Heat:
    import torch

    attention = attentions(folder, ids, layers, heads)
    start, end = bins.instruction.start, bins.instruction.end
    most = torch.stack([layer.amax(0) for layer in attention]).amax(0)
    grid = [[_most(most, row, column) for column in bins.columns] for row in bins.rows]
    mass, peak = [], []
    for turn in dict.fromkeys(bins.row_turns):
        spans = [span for span, of_turn in zip(bins.rows, bins.row_turns, strict=True) if of_turn == turn]
        rows = slice(spans[0].start, spans[-1].end)
        mass.append(float(torch.stack([layer[:, rows, start:end].sum(-1).mean() for layer in attention]).mean()))
        peak.append(float(most[rows, start:end].amax(-1).mean()))
    return Heat(str(folder), tuple(map(tuple, grid)), tuple(mass), tuple(peak))


def _most(most: torch.Tensor, row: Span, column: Span) -> float | None:
    if column.start >= row.end:  # not yet written
        return None
    return float(most[row.start : row.end, column.start : column.end].amax())


def attentions(folder: Path, ids: list[int], layers: Sequence[int], heads: Sequence[int]) -> list[torch.Tensor]:
    """The chosen layers' attention weights, each (chosen heads, length, length), every row with sum 1.

    Only the eager implementation hands them out. With grouped-query attention there is one map per query head.

    Raises:
        GattError: as `measure`, or weights whose rows do not sum to 1.
    """
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager", local_files_only=True
        ).eval()
    except Exception as error:  # a truncated download fails in many ways
        raise GattError(f"cannot load a model from {folder}: {str(error).splitlines()[0]}") from error
    window = int(getattr(model.config, "max_position_embeddings", 0) or len(ids))
    if len(ids) > window:
        raise GattError(
            f"the dialogue takes {len(ids)} tokens, but the window of {folder} is {window}: give a shorter one"
        )
    with torch.inference_mode():
        maps = model(input_ids=torch.tensor([ids]), output_attentions=True, use_cache=False).attentions
    if any(layer >= len(maps) for layer in layers):
        raise GattError(f"{folder} has layers 0 to {len(maps) - 1}: --layers names others")
    if any(head >= maps[0].shape[1] for head in heads):
        raise GattError(f"{folder} has heads 0 to {maps[0].shape[1] - 1}: --heads names others")
    chosen = []
    for number in layers or range(len(maps)):
        layer: torch.Tensor = maps[number][0].float()
        if (layer.sum(-1) - 1).abs().max() > TOLERANCE:
            raise GattError(f"{folder}: the attention of layer {number} does not sum to 1: it is not a plain softmax")
        chosen.append(layer[list(heads)] if heads else layer)
    return chosen
