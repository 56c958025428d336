"""What `assistant serve` adds to the time until the first token, beside the same engine behind the barest HTTP.

python -m benchmarks.serve [--streams 16] [--rounds 10] [--litellm PYTHON] [--vllm FOLDER [--apart]]

Each arm is a server in a process of its own on an engine whose tokens come when they are due: 40 of them, the first
after 50 ms, then one every 20. `--litellm` is the Python of an environment with litellm[proxy], whose proxy then stands
before the bare server as well. CPU time is the server's own; unlike the others it holds on a busy machine, too.

With `--vllm` the engine is a real one, `vllm serve` with the model in FOLDER, and what stands before it shares the
machine with it: where that has no GPU, they share its cores. `--apart` gives the engine the first core and all else the
others, as if it were on a machine of its own. The clients share a core with what they ask: they are aiohttp's, which
take the least of it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import torch

from assistant.personas.library import PersonaLibrary
from benchmarks.serve.processes import Process, free_port, started, worker
from guardrails.vllm_environment import ENVIRONMENT

BARS_MS = (10.0, 30.0)
REPLIES_EACH = 3
# A reply takes 0.83 seconds: sixteen clients are spread over it.
APART_SECONDS = 0.05
TOKENS = 40
BEFORE = "assistant serve before it"
QUESTION = {"role": "user", "content": "Tell me something."}


async def first_token(client: aiohttp.ClientSession, url: str, body: dict[str, Any]) -> float:
    """Seconds from asking to the first piece of text; the stream is read to its end."""
    asked, first = time.perf_counter(), 0.0
    async with client.post(f"{url}/v1/chat/completions", json=body) as response:
        async for line in response.content:
            if not first and line.startswith(b"data: {"):
                choices = json.loads(line[6:]).get("choices") or [{}]
                if choices[0].get("delta", {}).get("content"):
                    first = time.perf_counter() - asked
    if not first:
        raise RuntimeError(f"{url} sent no text (status {response.status})")
    return first


@dataclass(slots=True)
class Arm:
    """A server, what is asked of it, and what was found."""

    name: str
    server: Process
    body: dict[str, Any]
    times: list[float] = field(default_factory=list)
    cpu_seconds: float = 0.0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--streams", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--litellm", metavar="PYTHON")
    parser.add_argument("--vllm", type=Path, metavar="FOLDER")
    parser.add_argument("--apart", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        arms = real(stack, folder, asked.vllm, asked.apart) if asked.vllm else paced(stack, folder)
        if asked.litellm:
            proxy = stack.enter_context(litellm(asked.litellm, arms[0].server.url, arms[0].body["model"], folder))
            arms.insert(2, Arm("litellm's proxy before it", proxy, arms[0].body))
        # In turns, so that what else the machine does meets all of them alike; the first round does not count.
        for number in range(1 + asked.rounds):
            for arm in arms:
                before_round = arm.server.cpu_seconds
                body = {"messages": [QUESTION], **arm.body, "stream": True}
                times = asyncio.run(measure(arm.server.url, body, asked.streams))
                if number:
                    arm.times += times
                    arm.cpu_seconds += arm.server.cpu_seconds - before_round
    return report(arms, asked.streams)


def paced(stack: ExitStack, folder: str) -> list[Arm]:
    """The engine whose tokens come when they are due: behind the barest HTTP, before that, and in process."""
    bare = stack.enter_context(worker("bare"))
    paths = ["--db", f"{folder}/chats.db", "--audit", f"{folder}/audit.jsonl"]
    served = stack.enter_context(worker("served", *paths))
    guarded = stack.enter_context(worker("served", *paths, "--guard", "balanced"))
    before = stack.enter_context(ours(bare.url, folder))
    return [
        Arm("bare engine", bare, {"model": "paced"}),
        Arm(BEFORE, before, {"model": "professor"}),
        Arm("assistant serve, engine in process", served, {"model": "professor"}),
        Arm("the same, stored", served, {"model": "professor", "store": True}),
        Arm("the same, guard balanced", guarded, {"model": "professor"}),
    ]


def real(stack: ExitStack, folder: str, model: Path, apart: bool) -> list[Arm]:
    """`vllm serve`, asked what `assistant serve` asks it for a persona, and that before it."""
    if apart:
        first, *others = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, [first])  # whatever is started next stays there
    server = stack.enter_context(vllm(model))
    if apart:
        os.sched_setaffinity(0, others)
    before = stack.enter_context(ours(server.url, folder))
    professor = PersonaLibrary().get("professor")
    system = {"role": "system", "content": professor.instruction}
    # Drawn alike, too: on two cores a cut to the likeliest tokens takes the engine's step milliseconds.
    drawn = professor.sampling.model_dump(include={"temperature", "top_p", "top_k", "repetition_penalty"})
    asked = {"model": "real", "messages": [system, QUESTION], "max_tokens": TOKENS, **drawn}
    return [Arm("vllm serve", server, asked), Arm(BEFORE, before, {"model": "professor", "max_tokens": TOKENS})]


async def measure(url: str, body: dict[str, Any], streams: int) -> list[float]:
    """First-token times in milliseconds: so many clients, each asking again when it was answered."""
    connector, patience = aiohttp.TCPConnector(limit=streams), aiohttp.ClientTimeout(120)
    async with aiohttp.ClientSession(connector=connector, timeout=patience) as client:

        async def keep_asking(number: int) -> list[float]:
            # The connection first: what it costs is nobody's first token. Then each at its own time, as people do.
            async with client.get(f"{url}/v1/models") as models:
                await models.read()
            await asyncio.sleep(number * APART_SECONDS)
            return [1000 * await first_token(client, url, body) for _ in range(REPLIES_EACH)]

        found = await asyncio.gather(*map(keep_asking, range(streams)))
    return [milliseconds for times in found for milliseconds in times]


def percentiles(values: list[float]) -> tuple[float, float]:
    """p50 and p95."""
    return statistics.median(values), statistics.quantiles(values, n=20)[18]


def report(arms: list[Arm], streams: int) -> int:
    """Print the table; 1 where `assistant serve` misses its bar."""
    base = percentiles(arms[0].times)
    print(f"{streams} streams at once, n = {len(arms[0].times)} each, milliseconds to the first text\n")
    print("| server | p50 | p95 | added p50 | added p95 | CPU ms a reply |\n|---|---|---|---|---|---|")
    added: dict[str, tuple[float, float]] = {}
    for arm in arms:
        p50, p95 = percentiles(arm.times)
        added[arm.name] = p50 - base[0], p95 - base[1]
        more = f"{added[arm.name][0]:.1f} | {added[arm.name][1]:.1f}"
        print(f"| {arm.name} | {p50:.1f} | {p95:.1f} | {more} | {1000 * arm.cpu_seconds / len(arm.times):.1f} |")
    print(f"\nbar, {BEFORE}, added p50 / p95: at most {BARS_MS[0]:g} / {BARS_MS[1]:g}")
    return int(added[BEFORE][0] > BARS_MS[0] or added[BEFORE][1] > BARS_MS[1])


@contextmanager
def ours(upstream: str, folder: str) -> Iterator[Process]:
    """`assistant serve` as a person starts it, before the bare server."""
    port = free_port()
    command = [str(Path(sys.executable).parent / "assistant"), "serve", "--port", str(port), "--guard", "off"]
    command += ["--base-url", f"{upstream}/v1", "--rate-limit", "0", "--db", f"{folder}/before.db"]
    with started(command, f"http://127.0.0.1:{port}") as process:
        yield process


@contextmanager
def vllm(model: Path) -> Iterator[Process]:
    """`vllm serve`, by its module: the command fails where only the CPU build is installed."""
    port = free_port()
    words = f"--host 127.0.0.1 --port {port} --served-model-name real --max-model-len 1024"
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model), *words.split()]
    if not torch.cuda.is_available():
        command += f"--dtype float32 --enforce-eager --block-size 32 --kv-cache-memory-bytes {512 << 20}".split()
    with started(command, f"http://127.0.0.1:{port}", {**ENVIRONMENT, "OMP_NUM_THREADS": "1"}) as process:
        yield process


@contextmanager
def litellm(python: str, upstream: str, model: str, folder: str) -> Iterator[Process]:
    """litellm's proxy before a server, in its own environment."""
    config = Path(folder) / "litellm.yaml"
    route = {"model": f"openai/{model}", "api_base": f"{upstream}/v1", "api_key": "none"}
    config.write_text(json.dumps({"model_list": [{"model_name": model, "litellm_params": route}]}))
    port = free_port()
    command = [
        str(Path(python).parent / "litellm"),
        "--config",
        str(config),
        "--port",
        str(port),
        "--host",
        "127.0.0.1",
    ]
    # Without keys, as the others.
    unlocked = {"LITELLM_LOG": "ERROR", "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true"}
    with started(command, f"http://127.0.0.1:{port}", unlocked) as process:
        yield process


if __name__ == "__main__":
    sys.exit(main())
