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
from assistant.store.records import DayCount, JudgedReply
from assistant.store.store import Store
from guardrails import adherence
from ui.render import render

_DAYS: Final = 30
# Later turns are rare, and a mean of two replies says nothing.
_TURNS: Final = 40
_BINS: Final = 20
# From the best to the worst; the colours are told apart on light and dark, and by most who see few colours.
_DECISIONS: Final = {"pass": "#2a9d8f", "flag": "#e9b44c", "unavailable": "#8d99ae", "block": "#c8553d"}
_KEPT: Final = {"checks passed (adherence)": "#2a9d8f", "replies that pass all (recall)": "#5b7db1"}


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
                daily = _bars(f"Messages, last {_DAYS} days", "day", "messages", x_title="day (UTC)", x_bin="1d")
                kept = _plot(
                    gr.LinePlot,
                    "Is the persona kept?",
                    "turn",
                    "share",
                    y_title="share of 1",
                    color="measure",
                    colors=_KEPT,
                    y_lim=[0, 1],
                )
            with gr.Row():
                scores = _bars(
                    "Scores of the judges",
                    "score",
                    "verdicts",
                    x_title="score (probability of being safe)",
                    color="judge",
                    x_lim=[0, 1],
                )
                decisions = _bars("Decisions of the judges", "judge", "verdicts", color="decision", colors=_DECISIONS)
            with gr.Row():
                first = _bars("Time until the first text", "within", "replies", x_title="seconds, at most")
                judging = _bars("Median time of a verdict", "judge", "time", y_title="time (ms)")
        plots = [totals, daily, kept, scores, decisions, first, judging]

        def load(request: gr.Request) -> list[Any]:
            shown, *tables = figures(store, user(request))
            return [shown, *(gr.update(value=table, visible=not table.empty) for table in tables)]

        page.load(load, None, plots, show_progress="hidden", api_visibility="private", concurrency_limit=None)


def _bars(title: str, x: str, y: str, **more: Any) -> gr.BarPlot:
    bars: gr.BarPlot = _plot(gr.BarPlot, title, x, y, **more)
    return bars


def _plot(kind: Any, title: str, x: str, y: str, *, colors: dict[str, str] | None = None, **more: Any) -> Any:
    """A plot of the columns `x` and `y`, hidden while there is nothing to show.

    Categories stand in the order of the table's rows: Gradio's `sort` is left out on purpose.
    """
    looks = {"x_title": x, "y_title": y, "y_lim": [0, None], "height": 280, "color_map": colors}
    return kind(visible=False, x=x, y=y, title=title, elem_classes="plot", **(looks | more))


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
        _messages(days),
        _kept(judged),
        _histogram(safety),
        _decisions(safety),
        _waits(waits),
        _judging(safety),
    ]


def _messages(days: Iterable[DayCount]) -> pd.DataFrame:
    rows = [(datetime.fromtimestamp(count.day / 1000, UTC), count.messages) for count in days]
    return pd.DataFrame(rows, columns=["day", "messages"])


def _kept_overall(judged: Iterable[JudgedReply]) -> str:
    scores = [verdict.score for verdict in judged if verdict.judge == adherence.NAME and verdict.score is not None]
    return f"{100 * sum(scores) / len(scores):.0f}%" if scores else "–"


def _kept(judged: Iterable[JudgedReply]) -> pd.DataFrame:
    by_turn: dict[int, list[float]] = defaultdict(list)
    for verdict in judged:
        if verdict.judge == adherence.NAME and verdict.score is not None and verdict.turn <= _TURNS:
            by_turn[verdict.turn].append(verdict.score)
    rows = []
    adherence_name, recall_name = _KEPT
    for turn, scores in sorted(by_turn.items()):
        rows.append((turn, sum(scores) / len(scores), adherence_name))
        rows.append((turn, sum(score >= 1 for score in scores) / len(scores), recall_name))
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
    rows = sorted(((*key, count) for key, count in counts.items()), key=lambda row: (_rank(row[1]), row[0]))
    return pd.DataFrame(rows, columns=["judge", "decision", "verdicts"])


def _rank(decision: str) -> int:
    """What came from elsewhere may name decisions that no judge of ours makes."""
    return [*_DECISIONS].index(decision) if decision in _DECISIONS else len(_DECISIONS)


def _waits(waits: Iterable[int]) -> pd.DataFrame:
    """In steps that double: 100 ms and 10 s belong on one axis."""
    steps: dict[int, int] = defaultdict(int)
    for wait in waits:
        steps[math.ceil(math.log2(max(wait, 32)))] += 1
    every = range(min(steps), max(steps) + 1) if steps else range(0)
    rows = [(_seconds(2**step), steps[step]) for step in every]
    return pd.DataFrame(rows, columns=["within", "replies"])


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.2g}" if milliseconds < 10_000 else f"{milliseconds / 1000:.0f}"


def _judging(safety: Iterable[JudgedReply]) -> pd.DataFrame:
    times: dict[str, list[float]] = defaultdict(list)
    for verdict in safety:
        times[verdict.judge].append(verdict.latency_ms)
    rows = [(judge, _percentile(found, 0.5)) for judge, found in sorted(times.items())]
    return pd.DataFrame(rows, columns=["judge", "time"])


def _percentile(values: Iterable[float], at: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(at * len(ordered)))]
