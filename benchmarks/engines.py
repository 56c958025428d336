"""vLLM through the turn pipeline beside vLLM alone, and what the prefix cache spares a long conversation.

Run `python -m benchmarks.engines`, with `--model FOLDER` for another than the bundled model and `--runs N`. Both sides
are one engine in one process, given the same prompts and sampling, in turns: ratios are of neighbouring runs. Beside
the ratio of rates stands that of tokens per second of processor time, which other programs on the machine disturb less;
it counts against the pipeline what it does while the engine computes.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from contextlib import aclosing
from pathlib import Path

from rich.console import Console
from rich.table import Table

from assistant.engines.catalog import BUNDLED_FOLDER
from assistant.engines.vllm_engine import VllmEngine
from assistant.personas.persona import Persona
from assistant.sampling import Sampling
from assistant.service import Assistant
from assistant.settings import load_settings
from assistant.store.store import Store
from guardrails.messages import Message

STREAMS = (1, 16, 64)
TOKENS = 128
TURNS = 20
TOPICS = ("the sea", "a mountain", "two friends", "a long winter", "an old ship", "the moon", "bread", "a city")


def question(index: int) -> str:
    return f"Tell me a long story about {TOPICS[index % len(TOPICS)]} and the number {index}."


def sampling(run: int) -> Sampling:
    """Sampled, so that replies are long; the same seed on both sides."""
    return Sampling(temperature=1.5, top_p=1, max_tokens=TOKENS, seed=run)


class Raw:
    """vLLM with nothing around it: its own engine, stepped until all is done, its text thrown away."""

    def __init__(self, engine: VllmEngine) -> None:
        self._engine = engine

    def tokens(self, prompts: list[list[int]], run: int) -> int:
        """How many tokens these prompts got. Runs where no reply of ours does: the worker waits meanwhile."""
        from vllm.sampling_params import RequestOutputKind, SamplingParams

        engine = self._engine.worker.engine
        assert engine is not None
        wanted = sampling(run)
        params = SamplingParams(
            temperature=wanted.temperature,
            top_p=wanted.top_p,
            seed=run,
            max_tokens=TOKENS,
            ignore_eos=True,
            stop_token_ids=sorted(self._engine.stop_ids),
            output_kind=RequestOutputKind.DELTA,
        )
        for index, ids in enumerate(prompts):
            engine.add_request(f"raw-{run}-{len(prompts)}-{index}", {"prompt_token_ids": ids}, params)
        tokens = 0
        while engine.has_unfinished_requests():
            tokens += sum(len(output.outputs[0].token_ids) for output in engine.step())
        return tokens


async def pipeline_tokens(assistant: Assistant, conversations: list[int], run: int) -> int:
    """How many tokens these conversations got, a turn each: stored, streamed as events, stored again."""

    async def one(index: int) -> int:
        turn = await assistant.send(conversations[index], question(index), sampling=sampling(run))
        async with aclosing(turn.events()) as events:
            async for _ in events:
                pass
        return assistant.store.message(turn.reply_id).completion_tokens or 0

    return sum(await asyncio.gather(*map(one, range(len(conversations)))))


class Clock:
    """Tokens a second since it was made: by the clock on the wall, and by the processor's time of this process."""

    def __init__(self) -> None:
        self._wall, self._processor = time.monotonic(), time.process_time()

    def rates(self, tokens: int) -> tuple[float, float]:
        return tokens / (time.monotonic() - self._wall), tokens / (time.process_time() - self._processor)


async def cached_share(assistant: Assistant, persona: int) -> list[float]:
    """Of every turn of a long conversation: the share of its prompt that came from the prefix cache."""
    conversation = assistant.store.create_conversation(persona).id
    shares = []
    for turn in range(TURNS):
        said = f"Turn {turn}. " + "Please go on, and tell me a little more of it. " * 2
        running = await assistant.send(conversation, said, sampling=Sampling(temperature=0.7, seed=turn, max_tokens=30))
        await running.wait()
        message = assistant.store.message(running.reply_id)
        shares.append((message.cached_tokens or 0) / (message.prompt_tokens or 1))
    return shares


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=BUNDLED_FOLDER)
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    settings = load_settings()
    engine = VllmEngine(asked.model, settings=settings.vllm, threads=settings.threads)
    raw = Raw(engine)
    table = Table(
        "streams", "pipeline, tokens/s", "raw vLLM, tokens/s", "ratio", "least", "most", "of CPU time", "n", "bar"
    )
    with tempfile.TemporaryDirectory() as folder, Store.open(str(Path(folder) / "chat.db")) as store:
        assistant = Assistant(store, engine)
        persona = store.save_persona(Persona(name="nobody", title="Nobody", instruction="You tell stories.")).id

        async def measure() -> list[float]:
            for number in STREAMS:
                prompts = [
                    engine.template.render([Message("system", "You tell stories."), Message("user", question(i))]).ids
                    for i in range(number)
                ]
                ours, theirs = [], []
                for run in range(asked.runs + 1):
                    clock = Clock()
                    theirs.append(clock.rates(raw.tokens(prompts, run)))
                    conversations = [store.create_conversation(persona).id for _ in range(number)]
                    clock = Clock()
                    ours.append(clock.rates(await pipeline_tokens(assistant, conversations, run)))
                # The first run warms both up.
                ratios = [(a / c, b / d) for (a, b), (c, d) in list(zip(ours, theirs, strict=True))[1:]]
                walls, processor = [ratio[0] for ratio in ratios], statistics.median(ratio[1] for ratio in ratios)
                rates = [statistics.median(rate[0] for rate in side[1:]) for side in (ours, theirs)]
                shares = [statistics.median(walls), min(walls), max(walls), processor]
                cells = [*(f"{rate:.0f}" for rate in rates), *(f"{share:.3f}" for share in shares)]
                table.add_row(str(number), *cells, str(asked.runs), "0.95")
            shares = await cached_share(assistant, persona)
            await assistant.close()
            return shares

        cached = asyncio.run(measure())
    console = Console()
    console.print(table)
    picked = ", ".join(f"{turn}: {cached[turn - 1]:.1%}" for turn in (2, 5, 10, 15, 20))
    console.print(f"prompt tokens from the prefix cache at turn {picked} (bar at turn 20: 90 %)")


if __name__ == "__main__":
    main()
