"""How much more errors vary than independent requests would make them.

Errors come in bursts: a connection breaks and takes five requests with it. Then a hundred requests say as much as
twenty, and every test that counts requests, whatever its name, sees harm where there is none. The factor between the
variance that is seen on stable and the variance of independent requests is measured, and all evidence is divided by it:
for clusters of that size this is exact, and evidence divided by any factor above one stays evidence (Jensen).

What is measured before a window decides the discount of that window, never the window itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from slipway.analysis.eprocess import NO_REQUESTS, ArmCounts

UNMEASURED = 5.0
"""The factor that is assumed until there are enough measurements to know better."""

DEGREES_WANTED = 40.0
"""Degrees of freedom after which the measured factor is believed: its standard error is about a fifth then."""

LARGEST = 10.0
"""A larger factor is no burst but another process, and would make every test blind."""

SUCCESSIVE_DEGREES = 2 / 3
"""What the square of one difference between neighbours counts for, because each window is in two of them (von Neumann
1941: the mean of n such squares varies like 3/n, that of n independent squares like 2/n)."""


@dataclass(frozen=True, slots=True)
class Dispersion:
    """A sum of Pearson's chi-square statistics and its degrees of freedom; `last` is the window before.

    It belongs to a service rather than to a rollout: what one rollout has measured, the next may begin with.
    """

    chi_square: float = 0.0
    degrees: float = 0.0
    last: ArmCounts = NO_REQUESTS

    @property
    def measured(self) -> bool:
        """True when the factor is measured, not assumed."""
        return self.degrees >= DEGREES_WANTED

    @property
    def factor(self) -> float:
        """What log-evidence is divided by: at least 1."""
        if not self.measured:
            return UNMEASURED
        return min(max(self.chi_square / self.degrees, 1.0), LARGEST)

    def after_pods(self, pods: Iterable[ArmCounts]) -> Self:
        """Measured between pods within one block of time: what happens to all of them at once is no dispersion.

        Pearson's statistic of homogeneity over its degrees of freedom (as in quasi-likelihood: McCullagh and Nelder
        1989, section 4.5). A block without a bad request, or without a good one, measures nothing.
        """
        busy = [pod for pod in pods if pod.total]
        together = _sum(busy)
        if len(busy) < 2 or not 0 < together.bad < together.total:
            return self
        rate = together.rate
        squares = sum((pod.bad - pod.total * rate) ** 2 / pod.total for pod in busy)
        return type(self)(
            self.chi_square + squares / (rate * (1 - rate)), self.degrees + len(busy) - 1, last=NO_REQUESTS
        )

    def after_window(self, window: ArmCounts) -> Self:
        """Measured between neighbouring windows, where pods are not told apart: slow change is no dispersion."""
        if not window.total:
            return self
        both = self.last.plus(window)
        if not self.last.total or not 0 < both.bad < both.total:
            return type(self)(self.chi_square, self.degrees, window)
        difference = window.bad * self.last.total - self.last.bad * window.total
        scale = window.total * self.last.total * both.total * both.rate * (1 - both.rate)
        return type(self)(
            self.chi_square + SUCCESSIVE_DEGREES * difference**2 / scale, self.degrees + SUCCESSIVE_DEGREES, window
        )


def _sum(pods: Iterable[ArmCounts]) -> ArmCounts:
    bad = total = 0
    for pod in pods:
        bad, total = bad + pod.bad, total + pod.total
    return ArmCounts(bad, total)
