"""Sends a model's text through a guard and notes when what came out; as a program, for a peer, job by job.

    python benchmarks/peers/serve.py nemo < jobs > traces

It stands in the peer's environment, so it needs nothing but Python; our own arms go through the same `follow`. The
first line read says what is planted, the first written which arms there are; then each line is a job, answered by its
trace.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any, Literal

# Called with each text that a judge has passed.
Note = Callable[[str], None]
# The model's text goes in, what is shown comes out; a guard that stops the text ends the stream.
Stream = Callable[[AsyncIterator[str], Note], AsyncGenerator[str, None]]


@dataclass(frozen=True, slots=True)
class Arm:
    """A guard in one of its settings. `slow`: its judge takes time, which is of use only where time is measured."""

    stream: Stream
    setting: str
    slow: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """Text that a judge passed, or that was shown, so many seconds after the start."""

    seconds: float
    kind: Literal["passed", "shown"]
    text: str


@dataclass(frozen=True, slots=True)
class Trace:
    """What happened to one text. `written` are the pieces that the model had written when the stream ended."""

    events: Sequence[Event]
    total: float
    written: int

    @property
    def shown(self) -> str:
        return "".join(event.text for event in self.events if event.kind == "shown")


async def follow(stream: Stream, pieces: Sequence[str], due: Sequence[float], *, noted: bool) -> Trace:
    """Send the pieces through, each when it is `due`: a model does not write slower because its guard thinks.

    What judges passed is `noted` only if that is asked for: it takes time of its own.
    """
    loop = asyncio.get_running_loop()
    events: list[Event] = []
    written = 0

    async def source() -> AsyncGenerator[str, None]:
        nonlocal written
        for piece, moment in zip(pieces, due, strict=True):
            await asyncio.sleep(max(0.0, started + moment - loop.time()))
            written += 1
            yield piece

    def note(text: str) -> None:
        if noted:
            events.append(Event(loop.time() - started, "passed", text))

    started = loop.time()
    async with aclosing(source()) as text, aclosing(stream(text, note)) as shown:
        async for piece in shown:
            if piece:
                events.append(Event(loop.time() - started, "shown", piece))
    return Trace(events, loop.time() - started, written)


def main() -> None:
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    # What the library prints must not come between the answers.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def answer(value: Any) -> None:
        print(json.dumps(value), file=out, flush=True)

    arms: Mapping[str, Arm] = import_module(sys.argv[1]).arms(Arm, **json.loads(sys.stdin.readline()))
    answer({name: {"setting": arm.setting, "slow": arm.slow} for name, arm in arms.items()})
    with asyncio.Runner() as runner:
        for line in sys.stdin:
            job = json.loads(line)
            arm = arms[job.pop("arm")]
            answer(asdict(runner.run(follow(arm.stream, **job))))


if __name__ == "__main__":
    main()
