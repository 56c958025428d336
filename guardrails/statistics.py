"""Shares with their uncertainty, and whether two arms differ."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb, sqrt

# 95 % of a normal distribution lies within this many standard deviations.
Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Share:
    """`passed` of `n`, with the 95 % Wilson interval (`low`, `high`); of nothing, the interval is all of 0 to 1."""

    passed: int
    n: int

    @property
    def value(self) -> float:
        return self.passed / self.n if self.n else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's score interval: unlike the normal one it stays within 0 and 1 and has width at 0 and at n."""
        if not self.n:
            return 0.0, 1.0
        share, squared = self.passed / self.n, Z * Z
        middle = (share + squared / (2 * self.n)) / (1 + squared / self.n)
        half = Z * sqrt(share * (1 - share) / self.n + squared / (4 * self.n**2)) / (1 + squared / self.n)
        # At the ends the formula gives 0 or 1 but for rounding.
        low = 0.0 if self.passed == 0 else max(0.0, middle - half)
        high = 1.0 if self.passed == self.n else min(1.0, middle + half)
        return low, high

    def apart(self, other: Share) -> bool:
        """Whether the two intervals do not touch."""
        return self.interval[0] > other.interval[1] or self.interval[1] < other.interval[0]


@dataclass(frozen=True, slots=True)
class Paired:
    """Two arms on the same items: how many only the first passes, how many only the second."""

    only_first: int
    only_second: int

    @property
    def p(self) -> float:
        """McNemar's exact test: the chance of so uneven a split of the differing items if the arms were equal."""
        differing = self.only_first + self.only_second
        fewer = min(self.only_first, self.only_second)
        tail: float = sum(comb(differing, k) for k in range(fewer + 1)) / (1 << differing)
        return min(1.0, 2 * tail)
