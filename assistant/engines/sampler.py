"""The next token of many replies at once.

Replies with the same settings are computed together. Each draws with its own random generator from its own row, so
what runs beside a reply does not change it; only the last bits of its logits can differ (see `packed`), which changes
a token where two are as likely to within a rounding error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from assistant.engines.request import Candidate
from assistant.sampling import Sampling

# The likeliest tokens among which top-p is looked for first. Sorting all of a vocabulary takes six times as long.
LIKELIEST = 256


def draw(logits: torch.Tensor, drawn: Sequence[tuple[Sampling, Candidate]]) -> list[int | Exception]:
    """The next token of each candidate, given its logits (candidates, vocabulary), or why it has none."""
    tokens: list[int | Exception] = [0] * len(drawn)
    groups: dict[tuple[float, ...], list[int]] = {}
    for row, (sampling, _) in enumerate(drawn):
        greedy = sampling.temperature == 0
        key = () if greedy else (sampling.temperature, sampling.top_k, sampling.top_p)
        groups.setdefault((sampling.repetition_penalty, *key), []).append(row)
    for rows in groups.values():
        members = [drawn[row] for row in rows]
        group = logits if len(rows) == len(drawn) else logits[rows]
        for row, token in zip(rows, _draw_alike(group, members), strict=True):
            tokens[row] = token
    return tokens


def _draw_alike(logits: torch.Tensor, drawn: list[tuple[Sampling, Candidate]]) -> Sequence[int | Exception]:
    """`draw` of candidates with the same settings."""
    sampling = drawn[0][0]
    if sampling.repetition_penalty != 1:
        logits = torch.stack(
            [
                _penalised(row, candidate.ids, sampling.repetition_penalty)
                for row, (_, candidate) in zip(logits, drawn, strict=True)
            ]
        )
    if sampling.temperature == 0:
        greedy: list[int] = logits.argmax(-1).tolist()
        return greedy
    scores = logits / sampling.temperature
    if sampling.top_k:
        scores = top_k(scores, sampling.top_k)
    if sampling.top_p < 1:
        scores = top_p(scores, sampling.top_p)
    chances = scores.softmax(-1)
    tokens: list[Any] = []
    for row, (_, candidate) in enumerate(drawn):
        try:
            tokens.append(torch.multinomial(chances[row : row + 1], 1, generator=candidate.generator))
        except RuntimeError as error:  # logits that are no numbers
            tokens.append(error)
    return [token if isinstance(token, Exception) else int(token) for token in tokens]


def _penalised(logits: torch.Tensor, ids: list[int], penalty: float) -> torch.Tensor:
    """Logits (vocabulary,) with the tokens among `ids` made less likely."""
    before = torch.tensor(ids, device=logits.device)
    seen = logits[before]
    return logits.scatter(0, before, torch.where(seen < 0, seen * penalty, seen / penalty))


def top_k(scores: torch.Tensor, k: int) -> torch.Tensor:
    """Scores (rows, vocabulary) with all but the k highest of each row at minus infinity."""
    least = scores.topk(min(k, scores.shape[-1]), -1).values[:, -1:]
    return scores.masked_fill(scores < least, -torch.inf)


def top_p(scores: torch.Tensor, p: float) -> torch.Tensor:
    """Scores (rows, vocabulary) with all at minus infinity but the likeliest of each row that together reach `p`."""
    chances = scores.softmax(-1)
    size = scores.shape[-1]
    highest, places = chances.topk(min(LIKELIEST, size), -1)
    above = highest.cumsum(-1) - highest
    if highest.shape[-1] < size and bool((above[:, -1] < p).any()):
        highest, places = chances.sort(-1, descending=True)
        above = highest.cumsum(-1) - highest
    kept = torch.full_like(scores, -torch.inf)
    return kept.scatter(-1, places, scores.gather(-1, places).masked_fill(above >= p, -torch.inf))
