"""What `assistant serve` adds to the time until the first token, beside the same engine behind the barest HTTP.

python -m benchmarks.serve [--streams 16] [--rounds 10] [--litellm PYTHON]

Each arm is a server in a process of its own on an engine whose tokens come when they are due. `--litellm` is the
Python of an environment with litellm[proxy]: its proxy then stands before the bare server, as a third arm.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from benchmarks.serve.processes import free_port, started, worker

BARS_MS = (10.0, 30.0)
WARM_UP = 2


async def first_token(client: httpx.AsyncClient, url: str, body: dict[str, Any]) -> float:
    """Seconds from asking to the first piece of text; the stream is read to its end."""
    asked, first = time.perf_counter(), 0.0
    async with client.stream("POST", f"{url}/v1/chat/completions", json=body) as response:
        async for line in response.aiter_lines():
            if not first and line.startswith("data: {"):
                choices = json.loads(line[6:]).get("choices") or [{}]
                if choices[0].get("delta", {}).get("content"):
                    first = time.perf_counter() - asked
    if not first:
        raise RuntimeError(f"{url} sent no text (status {response.status_code})")
    return first


async def measure(url: str, body: dict[str, Any], streams: int, rounds: int) -> list[float]:
    """First-token times in milliseconds of so many streams at once, round after round."""
    limits = httpx.Limits(max_connections=streams)
    async with httpx.AsyncClient(timeout=60, limits=limits) as client:
        found = []
        for number in range(WARM_UP + rounds):
            times = await asyncio.gather(*(first_token(client, url, body) for _ in range(streams)))
            if number >= WARM_UP:
                found += [1000 * seconds for seconds in times]
    return found


def percentiles(values: list[float]) -> tuple[float, float]:
    """p50 and p95."""
    return statistics.median(values), statistics.quantiles(values, n=20)[18]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--streams", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--litellm", metavar="PYTHON")
    asked = parser.parse_args()
    messages = [{"role": "user", "content": "Tell me something."}]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        bare = stack.enter_context(worker("bare"))
        arms: list[tuple[str, str, dict[str, Any]]] = [("bare engine", bare.url, {"model": "paced"})]
        for name, guard in (("assistant serve", "off"), ("assistant serve, guard balanced", "balanced")):
            paths = ["--db", f"{folder}/{guard}.db", "--audit", f"{folder}/{guard}.jsonl", "--guard", guard]
            served = stack.enter_context(worker("served", *paths))
            arms.append((name, served.url, {"model": "professor"}))
            arms.append((f"{name}, stored", served.url, {"model": "professor", "store": True}))
        if asked.litellm:
            arms.append(
                ("litellm proxy", stack.enter_context(litellm(asked.litellm, bare.url, folder)), {"model": "paced"})
            )
        results: dict[str, list[float]] = {name: [] for name, _, _ in arms}
        # In turns, so that what else the machine does meets all of them alike.
        for _ in range(asked.rounds):
            for name, url, more in arms:
                body = {**more, "messages": messages, "stream": True}
                results[name] += asyncio.run(measure(url, body, asked.streams, 1))
    return report(results, asked.streams)


def report(results: dict[str, list[float]], streams: int) -> int:
    """Print the table; 1 where `assistant serve` misses its bar."""
    base = percentiles(results["bare engine"])
    print(f"{streams} streams at once, n = {len(results['bare engine'])} each, milliseconds to the first text\n")
    print("| server | p50 | p95 | added p50 | added p95 |\n|---|---|---|---|---|")
    for name, values in results.items():
        p50, p95 = percentiles(values)
        print(f"| {name} | {p50:.1f} | {p95:.1f} | {p50 - base[0]:.1f} | {p95 - base[1]:.1f} |")
    ours = percentiles(results["assistant serve"])
    added = (ours[0] - base[0], ours[1] - base[1])
    print(f"\nbar, added p50 / p95: at most {BARS_MS[0]:g} / {BARS_MS[1]:g}")
    return int(added[0] > BARS_MS[0] or added[1] > BARS_MS[1])


def litellm(python: str, upstream: str, folder: str) -> Any:
    """litellm's proxy before the bare server, in its own environment; gives its URL."""
    from contextlib import contextmanager

    config = Path(folder) / "litellm.yaml"
    route = {"model": "openai/paced", "api_base": f"{upstream}/v1", "api_key": "none"}
    config.write_text(json.dumps({"model_list": [{"model_name": "paced", "litellm_params": route}]}))
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

    @contextmanager
    def proxy() -> Any:
        with started(command, f"http://127.0.0.1:{port}", {"LITELLM_LOG": "ERROR"}) as process:
            yield process.url

    return proxy()


if __name__ == "__main__":
    sys.exit(main())
