"""The dashboard: what the store knows of the newest conversations, as plots."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import gradio as gr
import pandas as pd

from assistant.store.figures import LOOKED_AT
from assistant.store.records import JudgedReply
from assistant.store.store import Store
from guardrails import adherence
from ui.render import render

_DAYS: Final = 30
# Later turns are rare, and a mean of two replies says nothing.
_TURNS: Final = 40
_BINS: Final = 20


def add_dashboard(page: gr.Blocks, store: Store, user: Callable[[gr.Request], int | None]) -> None:
    """The second page; `user` says whose conversations it is about."""
    with page.route("Dashboard", "/dashboard"):
        gr.Navbar(visible=False)
        with gr.Column(elem_id="dashboard", elem_classes="sheet"):
            gr.HTML(
                f"<h1>Dashboard</h1><p>The newest {LOOKED_AT} conversations outside the trash.</p>",
                apply_default_css=False,
                padding=False,
            )
            totals = gr.HTML("", elem_id="totals", apply_default_css=False, padding=False)
            with gr.Row():
                daily = gr.BarPlot(
                    visible=False, x="day", y="messages", title="Messages a day, last 30 days", y_lim=[0, None]
                )
                kept = gr.LinePlot(
                    visible=False,
                    x="turn",
                    y="share",
                    color="measure",
                    title="Is the persona kept? By turn",
                    y_lim=[0, 1],
                    y_title="share",
                )
            with gr.Row():
                scores = gr.BarPlot(
                    visible=False,
                    x="score",
                    y="verdicts",
                    color="judge",
                    title="Scores of the judges",
                    x_lim=[0, 1],
                    sort=None,
                )
                decisions = gr.BarPlot(
                    visible=False, x="judge", y="verdicts", color="decision", title="Decisions of the judges"
                )
            with gr.Row():
                first = gr.BarPlot(
                    visible=False, x="until first text", y="replies", title="Time until the first text", sort=None
                )
                judging = gr.BarPlot(visible=False, x="judge", y="ms", title="Median time of a verdict, in ms")
        plots = [totals, daily, kept, scores, decisions, first, judging]

        def load(request: gr.Request) -> list[Any]:
            shown, *tables = figures(store, user(request))
            return [shown, *(gr.update(value=table, visible=not table.empty) for table in tables)]

        page.load(load, None, plots, show_progress="hidden", api_visibility="private", concurrency_limit=None)


def figures(store: Store, user: int | None) -> list[Any]:
    """What the page shows: the totals as HTML, then a table for each plot."""
    judged, timed = store.judged_replies(user_id=user), store.timed_replies(user_id=user)
    since = datetime.now(UTC) - timedelta(days=_DAYS)
    days = store.daily(int(since.timestamp() * 1000), user_id=user)
    safety = [verdict for verdict in judged if verdict.judge != adherence.NAME]
    waits = [reply.ttft_ms for reply in timed if reply.ttft_ms is not None]
    totals = render(
        "totals",
        figures=[
            ("replies", f"{len(timed):,}"),
            ("held back", f"{sum(reply.status == 'blocked' for reply in timed):,}"),
            ("verdicts", f"{len(safety):,}"),
            ("median time to first text", f"{_percentile(waits, 0.5):,.0f} ms" if waits else "–"),
            ("persona kept", _kept_overall(judged)),
        ],
    )
    return [
        totals,
        pd.DataFrame({"day": [_day(count.day) for count in days], "messages": [count.messages for count in days]}),
        _kept(judged),
        _histogram(safety),
        _decisions(safety),
        _waits(waits),
        _judging(safety),
    ]


def _day(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%d %b")


def _kept_overall(judged: Iterable[JudgedReply]) -> str:
    scores = [verdict.score for verdict in judged if verdict.judge == adherence.NAME and verdict.score is not None]
    return f"{100 * sum(scores) / len(scores):.0f}%" if scores else "–"


def _kept(judged: Iterable[JudgedReply]) -> pd.DataFrame:
    by_turn: dict[int, list[float]] = defaultdict(list)
    for verdict in judged:
        if verdict.judge == adherence.NAME and verdict.score is not None and verdict.turn <= _TURNS:
            by_turn[verdict.turn].append(verdict.score)
    rows = []
    for turn, scores in sorted(by_turn.items()):
        rows.append((turn, sum(scores) / len(scores), "adherence: checks passed"))
        rows.append((turn, sum(score >= 1 for score in scores) / len(scores), "recall: replies that pass all"))
    return pd.DataFrame(rows, columns=["turn", "share", "measure"])


def _histogram(safety: Iterable[JudgedReply]) -> pd.DataFrame:
    bins: dict[tuple[str, int], int] = defaultdict(int)
    for verdict in safety:
        if verdict.score is not None:
            bins[verdict.judge, min(_BINS - 1, int(verdict.score * _BINS))] += 1
    rows = [((place + 0.5) / _BINS, count, judge) for (judge, place), count in sorted(bins.items())]
    return pd.DataFrame(rows, columns=["score", "verdicts", "judge"])


def _decisions(safety: Iterable[JudgedReply]) -> pd.DataFrame:
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for verdict in safety:
        counts[verdict.judge, verdict.decision] += 1
    return pd.DataFrame([(*key, count) for key, count in counts.items()], columns=["judge", "decision", "verdicts"])


def _waits(waits: Iterable[int]) -> pd.DataFrame:
    """In steps that double: 100 ms and 10 s belong on one axis."""
    steps: dict[int, int] = defaultdict(int)
    for wait in waits:
        steps[math.ceil(math.log2(max(wait, 32)))] += 1
    every = range(min(steps), max(steps) + 1) if steps else range(0)
    rows = [(_within(2**step), steps[step]) for step in every]
    return pd.DataFrame(rows, columns=["until first text", "replies"])


def _within(milliseconds: int) -> str:
    return f"≤ {milliseconds} ms" if milliseconds < 1000 else f"≤ {milliseconds / 1000:.1f} s"


def _judging(safety: Iterable[JudgedReply]) -> pd.DataFrame:
    times: dict[str, list[float]] = defaultdict(list)
    for verdict in safety:
        times[verdict.judge].append(verdict.latency_ms)
    rows = [(judge, _percentile(found, 0.5)) for judge, found in times.items()]
    return pd.DataFrame(rows, columns=["judge", "ms"])


def _percentile(values: Iterable[float], at: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(at * len(ordered)))]
