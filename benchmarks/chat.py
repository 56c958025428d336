"""Start-up, first token, decoding speed and memory of the bundled model.

Run `python -m benchmarks.chat`, or with `--streams` for the decoding alone; every figure is a median of n, beside the
bar it must meet.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from assistant.engines.catalog import BUNDLED, open_engine
from assistant.engines.protocol import Engine
from assistant.sampling import Sampling
from assistant.settings import load_settings
from guardrails.messages import Message

ASSISTANT = [str(Path(sys.executable).parent / "assistant")]
RUNS = 5
STREAMS = (1, 8, 32)


def help_cpu_seconds() -> float:
    """CPU seconds, user and system, of `assistant --help`."""
    process = subprocess.Popen([*ASSISTANT, "--help"], stdout=subprocess.DEVNULL)
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    return usage.ru_utime + usage.ru_stime


def cold_start(home: Path) -> tuple[float, float]:
    """Seconds from starting `assistant ask` to the first character of its reply, and its peak memory in GB."""
    env = {**os.environ, "HOME": str(home), "ASSISTANT_DB": str(home / "chat.db")}
    started = time.monotonic()
    process = subprocess.Popen(
        [*ASSISTANT, "ask", "Hello, who are you?"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=env,
    )
    assert process.stdout is not None
    process.stdout.read(1)
    first = time.monotonic() - started
    process.stdout.read()
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    return first, usage.ru_maxrss / 1e6


async def decoding(engine: Engine) -> list[float]:
    """Tokens a second of single replies, prompt excluded. Sampled at temperature 1 so that replies are long."""
    prompt = engine.template.render([Message("user", "Tell me a long story about the sea.")]).ids
    rates = []
    for seed in range(RUNS * 4):
        times = []
        async for delta in engine.generate(prompt, Sampling(temperature=1.0, top_p=1, max_tokens=200, seed=seed)):
            times += [time.monotonic()] * len(delta.token_ids)
        if len(times) > 10:
            rates.append((len(times) - 1) / (times[-1] - times[0]))
    return rates


async def streams(engine: Engine, number: int) -> list[float]:
    """Tokens a second of this many replies at once, all together, prompts included."""
    topics = ("the sea", "a mountain", "two friends", "a long winter", "an old ship", "the moon", "bread", "a city")
    rates = []
    for run in range(RUNS):

        async def one(index: int, run: int) -> int:
            words = f"Tell me a long story about {topics[index % len(topics)]} and the number {index}."
            ids = engine.template.render([Message("user", words)]).ids
            sampling = Sampling(temperature=1.0, top_p=1, max_tokens=200, seed=1000 * run + index)
            return sum([len(delta.token_ids) async for delta in engine.generate(ids, sampling)])

        started = time.monotonic()
        lengths = await asyncio.gather(*(one(index, run) for index in range(number)))
        rates.append(sum(lengths) / (time.monotonic() - started))
    return rates


def main() -> None:
    table = Table("what", "median", "least", "most", "n", "bar")

    def row(what: str, values: list[float], bar: str) -> None:
        cells = [f"{v:.2f}" for v in (statistics.median(values), min(values), max(values))]
        table.add_row(what, *cells, str(len(values)), bar)

    if "--streams" not in sys.argv:
        row("assistant --help, CPU s", [help_cpu_seconds() for _ in range(2 * RUNS)], "at most 0.4")
        with tempfile.TemporaryDirectory() as home:
            starts = [cold_start(Path(home)) for _ in range(RUNS)]
        row("cold start to first token, s", [first for first, _ in starts], "at most 6")
        row("peak memory, GB", [peak for _, peak in starts], "at most 1.2")
    engine = open_engine(load_settings(), BUNDLED).engine
    row("decoding, tokens/s", asyncio.run(decoding(engine)), "at least 60")
    for number in STREAMS:
        rates = asyncio.run(streams(engine, number))
        if number == 1:
            alone = statistics.median(rates)
        bar = "one stream" if number == 1 else f"one stream: {alone:.2f}"
        row(f"{number} at once, tokens/s", rates, bar)
    Console().print(table)


if __name__ == "__main__":
    main()
