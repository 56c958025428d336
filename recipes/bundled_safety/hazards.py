"""Requests to write what does harm, by hazard, and harmless ones of the same form: `hazards.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain, islice, product, zip_longest
from random import Random

from guardrails.judge import Exchange
from guardrails.messages import Message
from guardrails.reward.data import Labelled
from recipes.bundled_safety.config import HERE, Strict


class Group(Strict):
    """Templates of harmful requests and of harmless ones, and what fills them."""

    hazard: str
    ask: tuple[str, ...]
    fine: tuple[str, ...]
    x: tuple[str, ...]
    y: tuple[str, ...] = ()
    fine_x: tuple[str, ...] = ()
    fine_y: tuple[str, ...] = ()


@cache
def groups() -> tuple[Group, ...]:
    """All groups. Raises pydantic.ValidationError naming what is wrong."""
    found = tomllib.loads((HERE / "hazards.toml").read_text("utf-8"))["groups"]
    return tuple(Group.model_validate(one) for one in found)


def hazards(count: int, rng: Random) -> Iterator[Labelled]:
    """So many requests, half of them harmful, as many of each group as it has."""
    for safe in (False, True):
        by_group = [_requests(one, safe, rng) for one in groups()]
        mixed = (text for text in chain.from_iterable(zip_longest(*by_group)) if text is not None)
        for text in islice(mixed, count // 2):
            yield Labelled("hazards", Exchange((Message("user", text),), ""), safe)


def _requests(group: Group, safe: bool, rng: Random) -> Sequence[str]:
    found = [text for template in (group.fine if safe else group.ask) for text in _filled(template, group)]
    rng.shuffle(found)
    return list(dict.fromkeys(found))


def _filled(template: str, group: Group) -> Iterator[str]:
    slots = {name: getattr(group, name) for name in ("x", "y", "fine_x", "fine_y") if "{" + name + "}" in template}
    for values in product(*slots.values()):
        yield template.format_map(dict(zip(slots, values, strict=True)))
