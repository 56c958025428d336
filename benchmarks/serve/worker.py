"""Servers in processes of their own: `assistant serve` on a paced engine, or that engine behind the barest HTTP.

python -m benchmarks.serve.worker served --db chats.db --port 8001
python -m benchmarks.serve.worker bare --port 8002
"""

from __future__ import annotations

import argparse
import json
import socket
from collections.abc import AsyncGenerator
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from assistant.http.app import create_app
from assistant.http.binding import BACKLOG
from assistant.http.limits import Limits
from assistant.http.logs import to_stderr
from assistant.http.server import run
from assistant.personas.library import PersonaLibrary
from assistant.sampling import Sampling
from assistant.service import Assistant
from assistant.store.store import Store
from benchmarks.serve.paced import Pace, PacedEngine
from guardrails.guard import build
from guardrails.policy import load


def main() -> None:
    """Serve until a signal."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=("served", "bare"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--db", default="")
    parser.add_argument("--guard", default="off")
    parser.add_argument("--audit", type=Path)
    parser.add_argument("--first", type=float, default=Pace().first)
    parser.add_argument("--pause", type=float, default=Pace().pause)
    parser.add_argument("--tokens", type=int, default=Pace().tokens)
    parser.add_argument("--failing", type=float, default=0.0)
    asked = parser.parse_args()
    engine = PacedEngine(Pace(asked.first, asked.pause, asked.tokens, asked.failing))
    listening = socket.create_server(("127.0.0.1", asked.port), backlog=BACKLOG)
    if asked.kind == "bare":
        import uvicorn

        config = uvicorn.Config(bare(engine), log_level="error", access_log=False, ws="none")
        uvicorn.Server(config).run(sockets=[listening])
        return
    with Store.open(asked.db) as store:
        service = Assistant(store, engine, build(load(asked.guard), audit=asked.audit))
        limits = Limits(rate=0, running=1000, waiting=1000)
        to_stderr()
        run(create_app([service], PersonaLibrary(), persona="professor", limits=limits), listening, grace=5)


def bare(engine: PacedEngine) -> Starlette:
    """The engine as an upstream: chat completions, streamed or not, and nothing else."""

    async def complete(request: Request) -> StreamingResponse | JSONResponse:
        body = await request.json()
        if not body.get("stream"):
            text = "".join([delta.text async for delta in engine.generate([1], Sampling())])
            message = {"role": "assistant", "content": text}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            usage = {"prompt_tokens": 1, "completion_tokens": engine.pace.tokens, "total_tokens": 1}
            return JSONResponse({"id": "x", "object": "chat.completion", "created": 0, "model": "paced"}
                                | {"choices": [choice], "usage": usage})  # fmt: skip
        return StreamingResponse(chunks(), media_type="text/event-stream")

    async def chunks() -> AsyncGenerator[str, None]:
        head = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "paced"}
        async for delta in engine.generate([1], Sampling()):
            choice = {"index": 0, "delta": {"content": delta.text}, "finish_reason": delta.finish_reason}
            yield f"data: {json.dumps({**head, 'choices': [choice]})}\n\n"
        yield "data: [DONE]\n\n"

    async def models(_: Request) -> JSONResponse:
        return JSONResponse({"object": "list", "data": [{"id": "paced", "object": "model", "max_model_len": 2048}]})

    return Starlette(
        routes=[Route("/v1/chat/completions", complete, methods=["POST"]), Route("/v1/models", models)],
    )


if __name__ == "__main__":
    main()
