"""How well a reply keeps to several instructions."""

from __future__ import annotations

from collections.abc import Sequence

from guardrails.checks.check import Check


def passing(checks: Sequence[Check], reply: str, prompt: str = "") -> float:
    """The share of the checks that the reply passes (its adherence); 1 where there is nothing to check."""
    return sum(check.passes(reply, prompt) for check in checks) / len(checks) if checks else 1.0
