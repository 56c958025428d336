"""Growing replies, written down together: one transaction for all of this process, not one for each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from assistant.store.records import GrowingReply
from assistant.store.store import Store

# How often growing replies are written to the store: what a killed process may lose.
SAVE_SECONDS = 0.5


class Saver:
    """Saves for all turns of an event loop. With sixty replies a transaction each would take a tenth of a processor."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._replies: dict[int, GrowingReply] = {}
        self._saving: asyncio.Task[Mapping[int, bool | Exception]] | None = None

    async def next_save(self) -> None:
        """Wait for the moment at which all are saved."""
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(SAVE_SECONDS - now % SAVE_SECONDS)

    async def save(self, reply_id: int, reply: GrowingReply) -> bool:
        """Write a reply as it is now, with those that are saved at the same moment; True where it is asked to stop.

        Raises what `Store.grow_replies` raises or gives for it.
        """
        if self._saving is None or self._saving.done():  # done: its event loop ended before it began
            self._saving = asyncio.create_task(self._save())
        self._replies[reply_id] = reply
        # Of a reply that ends meanwhile nobody waits any more; the others still do.
        found = (await asyncio.shield(self._saving))[reply_id]
        if isinstance(found, Exception):
            raise found
        return found

    async def _save(self) -> Mapping[int, bool | Exception]:
        # Begun by the first of those that wake at this moment; the others have added theirs by now.
        replies, self._replies, self._saving = self._replies, {}, None
        try:
            return await asyncio.to_thread(self.store.grow_replies, replies)
        except Exception as error:
            return dict.fromkeys(replies, error)
