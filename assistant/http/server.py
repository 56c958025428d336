"""Running the application: uvicorn, until a signal ends it."""

from __future__ import annotations

import asyncio
import math
import signal
import socket
import time
from typing import Any, NoReturn

import uvicorn
from fastapi import FastAPI

from assistant.http.binding import BACKLOG

# After their grace, replies have so long to be stored and to say that they were interrupted.
STORING_SECONDS = 5.0


class Server(uvicorn.Server):
    """Notes when it was told to stop, so that replies get what is left of their grace and no more."""

    def __init__(self, app: FastAPI, *, grace: float) -> None:
        """`grace` is how many seconds running replies have to come to their end."""
        self._app = app
        self._grace = grace
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            ws="none",
            backlog=BACKLOG,
            server_header=False,
            timeout_graceful_shutdown=math.ceil(grace + STORING_SECONDS),
        )
        super().__init__(config)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See `uvicorn.Server`. A second Ctrl-C waits for nothing."""
        self._app.state.deadline = time.monotonic() + self._grace
        stopping = asyncio.get_running_loop().call_later(self._grace, self._stop_replies)
        await super().shutdown(sockets)
        stopping.cancel()

    def _stop_replies(self) -> None:
        """So that streams end with the word that they were interrupted, and not in the middle of a line."""
        for assistant in self._app.state.serving.assistants:
            for turn in assistant.turns:
                turn.stop("interrupted")


def run(app: FastAPI, listening: socket.socket, *, grace: float) -> None:
    """Serve until Ctrl-C or SIGTERM; running replies end, or are stored as far as they came."""
    # uvicorn raises the signal again when it has ended, and SIGTERM would then skip everything that closes things.
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        Server(app, grace=grace).run(sockets=[listening])
    except (KeyboardInterrupt, _Left):
        pass
    finally:
        signal.signal(signal.SIGTERM, before)


class _Left(BaseException):
    """SIGTERM."""


def _leave(*_: Any) -> NoReturn:
    raise _Left
