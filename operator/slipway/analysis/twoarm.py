"""The comparison of two arms on one kind of count, window by window.

Candidate and stable are compared inside each window and the windows' evidence is multiplied. An incident that hits both
arms, or a ramp of traffic between them, so cancels; sums over the ramp would mix a good hour of one arm with a bad hour
of the other and see a difference that is not there (Simpson's paradox).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from slipway.analysis.bets import HARM_FACTORS, Odds, harm_odds, proof_odds
from slipway.analysis.eprocess import NO_REQUESTS, ArmCounts, Mixture, expected_rate, log_sum_exp
from slipway.analysis.vectors import EvidenceError, Vectors, arm, arm_vector, mixture, mixture_vector, read
from slipway.analysis.verdict import Gates, Margin

EARLY_SHARE = 0.5
"""How much of the capital is bet from the first request on; the rest is spread over the weight steps."""

PROOF_FACTORS = (0.5, 0.8, 1.0)
"""How many times stable's rate the candidate's rate is for the bets on safety: as good as stable, or better."""

BOUND_FACTORS = (0.25, 0.4, 0.5, 0.63, 0.8, 1.25, 1.6, 2.0, 2.5, 4.0, 8.0)
"""Margins that are tried beside the one that is asked for, as multiples of it: the smallest that is excluded is the
worst case."""

UNIT_MARGIN = Margin(absolute=0.01)
"""What they are multiples of where the margin is zero."""

LEARNING = 1000
"""Requests that the candidate's rate is expected to be stable's for, before its own decides where bounds are sought."""

DOUBT = 2.0
"""How many standard errors an estimate of harm may lie above its limit before the rollout waits for more requests.

Bets are placed by what stable did so far. Right after an incident on stable they expect many failures, so that harm
grows into evidence slowly; without doubt, enough samples alone would carry such a candidate on. It is a reason to wait
and never one to haul back, so it costs a good release a look now and then.
"""

REFINEMENTS = 2
"""Steps towards how long capitals take together: no forecast is worth more."""

UNKNOWN = -1.0
"""No verdict would come if everything went on as observed."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Mantel-Haenszel sums of the difference between two rates, stratified by window (Mantel and Haenszel 1959).

    `base` is stable's part: over `weight` it is stable's rate with each window weighted as in the difference.
    """

    excess: float = 0.0
    weight: float = 0.0
    base: float = 0.0

    def after(self, candidate: ArmCounts, stable: ArmCounts) -> "Difference":
        """The sums with one more window, in which both arms had requests."""
        both = candidate.total + stable.total
        base = stable.bad * candidate.total / both
        return Difference(
            self.excess + candidate.bad * stable.total / both - base,
            self.weight + candidate.total * stable.total / both,
            self.base + base,
        )

    @property
    def value(self) -> float | None:
        """Candidate's rate minus stable's; None before the first window."""
        return self.excess / self.weight if self.weight else None

    @property
    def stable_rate(self) -> float:
        """Stable's rate in the same windows; 0 before the first."""
        return self.base / self.weight if self.weight else 0.0

    def beyond(self, margin: Margin) -> float:
        """By how much the difference is larger than the margin; negative when it is within."""
        return (self.value or 0.0) - margin.at(self.stable_rate)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a comparison is about: the harm that matters, the harm that a Pass excludes, and the bets on harm.

    `to_fail` and `to_pass` are the log-evidence that the verdicts need; bounds are sought as multiples of `unit`.
    """

    guard: Margin
    proof: Margin
    to_fail: float
    to_pass: float
    factors: tuple[float, ...]
    unit: Margin

    @classmethod
    def of(cls, gates: Gates, *, factors: tuple[float, ...] = HARM_FACTORS, width: float = 1.0) -> Self:
        """The terms under these gates, with margins `width` times as wide.

        Raises ValueError when the gates compare nothing.
        """
        guard, proof = gates.harm_margin.times(width), gates.proof_margin.times(width)
        unit = proof if proof != Margin() else UNIT_MARGIN
        return cls(guard, proof, math.log(1 / gates.harm_alpha), math.log(1 / gates.pass_alpha), factors, unit)


@dataclass(frozen=True, slots=True)
class TwoArm:
    """What is known of one comparison. `ahead` is how many more candidate requests a verdict would take."""

    terms: Terms
    harm: Mixture
    proof: Mixture
    bounds: tuple[float, ...]
    candidate: ArmCounts = NO_REQUESTS
    stable: ArmCounts = NO_REQUESTS
    overall: Difference = Difference()
    this_step: Difference = Difference()
    ahead: float = UNKNOWN

    @classmethod
    def begin(cls, terms: Terms) -> Self:
        """No evidence yet."""
        return cls(
            terms,
            Mixture.of(len(terms.factors), invested=EARLY_SHARE),
            Mixture.of(len(PROOF_FACTORS), invested=1.0),
            (0.0,) * len(BOUND_FACTORS),
        )

    def start(self, share: float) -> Self:
        """A new weight begins: harm that begins with it is measured without the good time before."""
        return replace(self, harm=self.harm.start(share), this_step=Difference())

    def after(self, candidate: ArmCounts, stable: ArmCounts, discount: float, earlier: ArmCounts) -> Self:
        """The comparison with one more window, in which both arms had requests.

        `earlier` is all that stable did before this window, `discount` what log-evidence is divided by.
        """
        sizes = candidate.total, stable.total
        rate = expected_rate(earlier)
        harm = [harm_odds(*sizes, rate, factor) for factor in self.terms.factors]
        proof = [proof_odds(*sizes, factor * rate, rate, self.terms.proof) for factor in PROOF_FACTORS]
        own = (LEARNING * rate + self.candidate.bad) / (LEARNING + self.candidate.total)
        bounds = [proof_odds(*sizes, own, rate, self.terms.unit, width=factor) for factor in BOUND_FACTORS]
        after = replace(
            self,
            harm=self.harm.after([odds.log_value(candidate, stable) for odds in harm], discount),
            proof=self.proof
            if self.is_safe
            else self.proof.after([odds.log_value(candidate, stable) for odds in proof], discount),
            bounds=tuple(
                log + odds.log_value(candidate, stable) / discount
                for log, odds in zip(self.bounds, bounds, strict=True)
            ),
            candidate=self.candidate.plus(candidate),
            stable=self.stable.plus(stable),
            overall=self.overall.after(candidate, stable),
            this_step=self.this_step.after(candidate, stable),
        )
        return replace(after, ahead=after._forecast(harm, proof, sizes, discount))

    def _forecast(self, harm: list[Odds], proof: list[Odds], sizes: tuple[int, int], discount: float) -> float:
        """Candidate requests until the capital is enough, if windows like the last went on at these rates."""
        if self.is_harmful:
            bets, capital, needed = harm, self.harm, self.terms.to_fail
        elif not self.is_safe:
            bets, capital, needed = proof, self.proof, self.terms.to_pass
        else:
            return UNKNOWN
        rates = smoothed(self.candidate), sizes[0], smoothed(self.stable), sizes[1]
        growths = [odds.growth(*rates) / discount for odds in bets]
        wait = waiting(capital.logs, growths, needed)
        return wait * sizes[0] if wait < math.inf else UNKNOWN

    @property
    def worst(self) -> float:
        """By how much the larger of the two estimates, of all windows and of this step's, is beyond the guard."""
        return max(self.overall.beyond(self.terms.guard), self.this_step.beyond(self.terms.guard))

    @property
    def is_harmful(self) -> bool:
        """The effect guard: harm that is shown but small is no reason to haul back."""
        return bool(self.overall.weight) and self.worst > 0

    @property
    def is_safe(self) -> bool:
        """Proven; the bets are closed then, so a proof stays one until a Fail overrules it."""
        return self.proof.log_evidence >= self.terms.to_pass

    @property
    def worst_case(self) -> Margin | None:
        """The smallest margin that the evidence excludes by now; None while it excludes none."""
        excluded = (f for f, log in zip(BOUND_FACTORS, self.bounds, strict=True) if log >= self.terms.to_pass)
        smallest = next(excluded, None)
        if self.is_safe and (smallest is None or smallest > 1 or self.terms.unit != self.terms.proof):
            return self.terms.proof
        return self.terms.unit.times(smallest) if smallest is not None else None

    def is_doubtful(self, discount: float) -> bool:
        """The estimated harm, overall or at this step, is above its guard by more than its own uncertainty.

        A Mantel-Haenszel difference of weight W has variance p (1 - p) / W, p being the rate that both arms share.
        """
        rate = self.candidate.plus(self.stable).rate
        for difference in (self.overall, self.this_step):
            if rate and difference.weight:
                error = math.sqrt(discount * rate * (1 - rate) / difference.weight)
                if difference.beyond(self.terms.guard) > DOUBT * error:
                    return True
        return False

    def vector(self) -> tuple[float, ...]:
        """All of it as one vector of finite numbers."""
        differences = (self.overall, self.this_step)
        return (
            *arm_vector(self.candidate),
            *arm_vector(self.stable),
            *(value for sums in differences for value in (sums.excess, sums.weight, sums.base)),
            self.ahead,
            *mixture_vector(self.harm),
            *mixture_vector(self.proof),
            *self.bounds,
        )

    @classmethod
    def read(cls, vectors: Vectors, name: str, terms: Terms) -> Self:
        """The inverse of `vector`, out of the vector of that name.

        Raises EvidenceError when it is not such a comparison.
        """
        bets, proofs = 11 + 1 + len(terms.factors), 1 + len(PROOF_FACTORS)
        numbers = read(vectors, name, bets + proofs + len(BOUND_FACTORS))
        return cls(
            terms,
            harm=mixture(numbers[11:bets], name),
            proof=mixture(numbers[bets : bets + proofs], name),
            bounds=numbers[bets + proofs :],
            candidate=arm(name, numbers[0], numbers[1]),
            stable=arm(name, numbers[2], numbers[3]),
            overall=_difference(numbers[4:7], name),
            this_step=_difference(numbers[7:10], name),
            ahead=numbers[10],
        )


def waiting(logs: Sequence[float], growths: Sequence[float], needed: float) -> float:
    """How many more windows capitals take together that grow so much in each; infinite when none grows.

    The logarithm of their sum is convex in time, so that Newton's method falls from above, where the first of them
    alone is enough, to what they take together.
    """
    waits = [(needed - log) / grown for log, grown in zip(logs, growths, strict=True) if grown > 0]
    if not waits:
        return math.inf
    wait = max(min(waits), 0.0)
    for _ in range(REFINEMENTS):
        terms = [log + wait * grown for log, grown in zip(logs, growths, strict=True)]
        total = log_sum_exp(terms)
        steep = sum(math.exp(term - total) * grown for term, grown in zip(terms, growths, strict=True))
        if steep > 0:
            wait = max(wait - (total - needed) / steep, 0.0)
    return wait


def exceeds(counts: ArmCounts, limit: float, discount: float) -> bool:
    """True when a rate is above its limit by more than its own uncertainty."""
    return bool(counts.total) and counts.rate - limit > DOUBT * math.sqrt(discount * limit * (1 - limit) / counts.total)


def smoothed(counts: ArmCounts) -> float:
    """A rate that is neither 0 nor 1 (Jeffreys)."""
    return (counts.bad + 0.5) / (counts.total + 1)


def _difference(numbers: tuple[float, ...], name: str) -> Difference:
    excess, weight, base = numbers
    if not 0 <= abs(excess) <= weight or not 0 <= base <= weight:
        raise EvidenceError(f"{name}: no rates differ by {excess} in {weight}")
    return Difference(excess, weight, base)
