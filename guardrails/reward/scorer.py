"""Scores exchanges of many conversations on one model: whatever waits is scored together, in a thread of its own."""

from __future__ import annotations

import asyncio
import atexit
import queue
import threading
from concurrent.futures import Future

from guardrails.judge import Exchange
from guardrails.reward.model import RewardModel

# Exchanges of one batch: more would make the first wait for the last.
AT_ONCE = 16

Waiting = tuple[Exchange, "Future[float]"]


class Scorer:
    """Owns the model's thread."""

    def __init__(self, model: RewardModel) -> None:
        self.version = model.version
        self._model = model
        self._waiting: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._settled = threading.Event()
        self._thread = threading.Thread(target=self._work, name="scorer", daemon=True)
        self._thread.start()
        self._settled.wait()
        # Python's exit kills daemon threads wherever they are; torch aborts the process if that is inside it.
        atexit.register(self.close)

    async def score(self, exchange: Exchange) -> float:
        """The probability that the reply (where it is empty, the prompt) is safe. Raises whatever the model raises."""
        future: Future[float] = Future()
        self._waiting.put((exchange, future))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """End the thread once what waits is scored."""
        atexit.unregister(self.close)
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        import torch

        # A thread settles how many compute for it when it first computes. Now is sooner than a chat's first step, for
        # which its engine sets another number.
        torch.get_num_threads()
        self._settled.set()
        while (one := self._waiting.get()) is not None:
            batch = [one]
            while len(batch) < AT_ONCE and not self._waiting.empty():
                if (one := self._waiting.get()) is None:
                    self._waiting.put(None)
                    break
                batch.append(one)
            # Nobody waits any more for what was cancelled.
            self._answer([one for one in batch if one[1].set_running_or_notify_cancel()])

    def _answer(self, batch: list[Waiting]) -> None:
        try:
            scores = self._model.scores([exchange for exchange, _ in batch])
        except Exception as error:
            if len(batch) == 1:
                batch[0][1].set_exception(error)
                return
            # One exchange that cannot be judged is no fault of those beside it.
            for one in batch:
                self._answer([one])
            return
        for (_, future), score in zip(batch, scores, strict=True):
            future.set_result(score)
