"""What the guard promises and what it costs: leak, time to the first words, throughput.

python -m benchmarks.guard [--peers DIR] [--reward-model FOLDER] [--json FILE]

With --peers NeMo Guardrails and OpenAI Guardrails are installed in DIR, each in an environment of its own, and run
between our own arms. Exits 1 where a character was shown that no verdict had passed, or a clean text was cut.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.guard import latency, report
from benchmarks.guard.leak import leak
from benchmarks.guard.leak_peers import peers_leak
from benchmarks.guard.peers import PEERS, Peer, PeerError
from benchmarks.guard.throughput import LONGEST, throughput

PARTS = ("leak", "latency", "throughput")


def main() -> int:
    arguments = _arguments()
    console = Console()
    found: dict[str, Any] = {"seed": arguments.seed}
    sound = True
    with ExitStack() as stack:
        peers = []
        if arguments.peers is not None and {"leak", "latency"} & set(arguments.parts):
            arguments.peers.mkdir(parents=True, exist_ok=True)
            for name in PEERS:
                told(f"installing {PEERS[name][1]}")
                peers.append(stack.enter_context(Peer(name, arguments.peers.absolute())))
        if "leak" in arguments.parts:
            told(f"leak: {arguments.chunkings:,} chunkings")
            counts = leak(arguments.chunkings, arguments.seed)
            sound = not any(one.unjudged or one.out_of_context or one.whole or one.cut for one in counts.values())
            counts |= peers_leak(peers, arguments.peer_chunkings, arguments.seed, told)
            found["leak"] = {name: asdict(one) for name, one in counts.items()}
            console.print(report.leaks(counts))
        if "latency" in arguments.parts:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            runner = stack.enter_context(asyncio.Runner())
            timed = [*latency.ours(folder, runner), *latency.theirs(peers)]
            measured = latency.latency(timed, arguments.runs, arguments.seed, told)
            found["latency"] = {name: asdict(one) for name, one in measured.items()}
            console.print(report.latencies(measured))
            console.print(report.violations(measured))
            names = {peer.name: peer.pinned for peer in peers}
            report.settings(console, names | {arm.name: arm.setting for arm in timed})
        if "throughput" in arguments.parts:
            speeds = throughput(
                arguments.rounds, arguments.seed, arguments.reward_model, told, longest=arguments.longest
            )
            found["throughput"] = {
                streams: {name: asdict(speed) for name, speed in arms.items()} for streams, arms in speeds.items()
            }
            console.print(report.speeds(speeds))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return int(not sound)


def told(doing: str) -> None:
    """No spinner: it would run beside our own arms, and not beside the others'."""
    print(doing, file=sys.stderr)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guard", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("parts", nargs="*", default=PARTS, metavar="part", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--peers", type=Path, metavar="DIR", help="run other libraries too, installed here")
    parser.add_argument("--reward-model", default="bundled", metavar="FOLDER", help="of throughput; default: bundled")
    parser.add_argument("--chunkings", type=int, default=10_000, help="through our gate")
    parser.add_argument("--peer-chunkings", type=int, default=200, help="through each arm of each peer")
    parser.add_argument("--runs", type=int, default=20, help="of each arm's latency")
    parser.add_argument("--rounds", type=int, default=5, help="of throughput")
    parser.add_argument("--longest", type=int, default=LONGEST, help="tokens of a reply in throughput")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every value there")
    arguments = parser.parse_args()
    for part in arguments.parts:
        if part not in PARTS:
            parser.error(f"there is no part '{part}': {', '.join(PARTS)}")
    return arguments


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PeerError as error:
        sys.exit(str(error))
