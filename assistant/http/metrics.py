"""What Prometheus is told. Counted from the turns' own events, so every way to a reply counts alike."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from assistant.events import Failed, Finished, Judged, Started
from assistant.http.limits import Slots
from assistant.service import Assistant
from assistant.turn import Turn

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
RATES = (1, 5, 10, 20, 50, 100, 200, 500, 1000)
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


class Metrics:
    """The metrics of one process."""

    def __init__(self, assistants: Sequence[Assistant], slots: Slots) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Histogram(
            "assistant_request_seconds",
            "Seconds until a request was answered, streams to their end.",
            ("route", "method", "status"),
            buckets=SECONDS,
            registry=registry,
        )
        self._first = Histogram(
            "assistant_time_to_first_token_seconds",
            "Seconds from the start of a reply to its first released text.",
            buckets=SECONDS,
            registry=registry,
        )
        self._rate = Histogram(
            "assistant_tokens_per_second", "Of one reply, from its start.", buckets=RATES, registry=registry
        )
        self._window = Histogram(
            "assistant_window_use_ratio",
            "Share of the model's window that prompt and reply took.",
            buckets=SHARES,
            registry=registry,
        )
        self._tokens = Counter("assistant_tokens", "Tokens, by kind.", ("kind",), registry=registry)
        self._replies = Counter("assistant_replies", "Replies, by how they ended.", ("status",), registry=registry)
        self._verdicts = Counter(
            "assistant_verdicts", "The guard's verdicts.", ("judge", "stage", "decision"), registry=registry
        )
        running = Gauge("assistant_replies_running", "Replies being made now.", registry=registry)
        running.set_function(lambda: sum(len(assistant.turns) for assistant in assistants))
        waiting = Gauge("assistant_requests_waiting", "Requests that wait for a place.", registry=registry)
        waiting.set_function(lambda: slots.waiting)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request that was answered. `route` is a template, never a path with what somebody typed."""
        self._requests.labels(route, method, str(status)).observe(seconds)

    async def follow(self, turn: Turn) -> Finished | Failed:
        """Count a turn once it has ended; how it did."""
        ended = await turn.wait()
        window = 0
        async for event in turn.events():
            if isinstance(event, Started):
                window = event.window
            elif isinstance(event, Judged):
                self._verdicts.labels(event.judge, event.stage, event.decision).inc()
        if isinstance(ended, Failed):
            self._replies.labels("failed").inc()
            return ended
        self._replies.labels(ended.status).inc()
        self._tokens.labels("prompt").inc(ended.prompt_tokens)
        self._tokens.labels("completion").inc(ended.completion_tokens)
        self._tokens.labels("cached").inc(ended.cached_tokens)
        if ended.ttft_ms is not None:
            self._first.observe(ended.ttft_ms / 1000)
        if ended.completion_tokens and ended.duration_ms:
            self._rate.observe(ended.completion_tokens * 1000 / ended.duration_ms)
        if window:
            self._window.observe((ended.prompt_tokens + ended.completion_tokens) / window)
        return ended

    def text(self) -> bytes:
        """All of them, in Prometheus' text format."""
        return generate_latest(self._registry)
