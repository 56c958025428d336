"""vLLM through the turn pipeline beside vLLM alone, and what the prefix cache spares a long conversation.

Run `python -m benchmarks.engines`, with `--model FOLDER` for another than the bundled model and `--runs N`. Both sides
are one engine in one process, given the same prompts and sampling, in turns: ratios are of neighbouring runs.
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

    def rate(self, prompts: list[list[int]], run: int) -> float:
        """Tokens a second of these prompts together. Runs where no reply of ours does: the worker waits meanwhile."""
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
        started = time.monotonic()
        for index, ids in enumerate(prompts):
            engine.add_request(f"raw-{run}-{len(prompts)}-{index}", {"prompt_token_ids": ids}, params)
        tokens = 0
        while engine.has_unfinished_requests():
            tokens += sum(len(output.outputs[0].token_ids) for output in engine.step())
        return tokens / (time.monotonic() - started)


async def pipeline_rate(assistant: Assistant, persona: int, number: int, run: int) -> float:
    """Tokens a second of this many conversations, each of one turn: stored, streamed as events, stored again."""
    conversations = [assistant.store.create_conversation(persona).id for _ in range(number)]

    async def one(index: int) -> int:
        turn = await assistant.send(conversations[index], question(index), sampling=sampling(run))
        async with aclosing(turn.events()) as events:
            async for _ in events:
                pass
        return assistant.store.message(turn.reply_id).completion_tokens or 0

    started = time.monotonic()
    tokens = sum(await asyncio.gather(*map(one, range(number))))
    return tokens / (time.monotonic() - started)


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
    table = Table("streams", "pipeline, tokens/s", "raw vLLM, tokens/s", "ratio", "least", "most", "n", "bar")
    with tempfile.TemporaryDirectory() as folder, Store.open(str(Path(folder) / "chat.db")) as store:
        assistant = Assistant(store, engine)
        persona = store.save_persona(Persona(name="nobody", title="Nobody", instruction="You tell stories.")).id

        async def measure() -> list[float]:
            for number in STREAMS:
                prompts = [
                    engine.template.render([Message("system", "You tell stories."), Message("user", question(i))]).ids
                    for i in range(number)
                ]
                ours, theirs, ratios = [], [], []
                for run in range(asked.runs + 1):
                    theirs.append(raw.rate(prompts, run))
                    ours.append(await pipeline_rate(assistant, persona, number, run))
                    ratios.append(ours[-1] / theirs[-1])
                # The first run warms both up.
                cells = [statistics.median(ours[1:]), statistics.median(theirs[1:])]
                shares = [statistics.median(ratios[1:]), min(ratios[1:]), max(ratios[1:])]
                table.add_row(
                    str(number), *(f"{c:.0f}" for c in cells), *(f"{s:.3f}" for s in shares), str(asked.runs), "0.95"
                )
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
