"""Random chunkings through the peers, and through no guard at all, so that one sees what is counted."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

from benchmarks.guard.coverage import Count, count, total
from benchmarks.guard.leak import KINDS
from benchmarks.guard.peers import Peer
from benchmarks.guard.texts import Planted, pieces, planted
from benchmarks.peers.serve import Note, follow

# Long enough for several of the peers' windows, in pieces about as long as tokens: they count in pieces.
WORDS = (100, 450)
PIECES = (3, 6, 12)


def peers_leak(peers: Sequence[Peer], number: int, seed: int, told: Callable[[str], None]) -> dict[str, Count]:
    """The same texts, in the same pieces, through each arm; the model writes as fast as it is read."""
    rng = random.Random(seed)
    texts = [planted(rng.choice(KINDS), rng.randint(*WORDS), rng) for _ in range(number)]
    cut = [(text, pieces(text.text, rng, PIECES)) for text in texts]
    counts = {"no guard": asyncio.run(_unguarded(cut))}
    for peer in peers:
        for arm in (name for name, arm in peer.arms.items() if not arm.slow):
            name = f"{peer.name}, {arm}"
            told(f"leak: {name}")
            counts[name] = total(
                count(text, peer.run(arm, parts, [0.0] * len(parts), noted=True)) for text, parts in cut
            )
    return counts


async def _unguarded(cut: Sequence[tuple[Planted, Sequence[str]]]) -> Count:
    async def stream(source: AsyncIterator[str], note: Note) -> AsyncGenerator[str, None]:
        async for piece in source:
            yield piece

    return total([count(text, await follow(stream, parts, [0.0] * len(parts), noted=True)) for text, parts in cut])
