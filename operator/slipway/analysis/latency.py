"""Latency, without estimating a quantile: is a larger share of requests slower than the edges that stable used to keep?

A quantile that is read off buckets is interpolated, and one of the last minute is noise. The share of requests slower
than a bucket's edge is a plain ratio, exact at the edge. The edges of stable's median, 90th and 99th percentile are
fixed from its past; at each runs one comparison of two arms, and their evidence is averaged (the mean of e-values is
one, whatever they depend on each other), so that no correction for three looks is paid.
"""

import math
from dataclasses import dataclass, replace
from typing import Self

from slipway.analysis import wording
from slipway.analysis.bets import SHARE_FACTORS
from slipway.analysis.dispersion import Dispersion
from slipway.analysis.eprocess import NO_REQUESTS, ArmCounts, condensed, log_sum_exp
from slipway.analysis.histogram import Edge, Histogram, edges_of
from slipway.analysis.interval import difference_estimate
from slipway.analysis.standing import STANDSTILL, Pace, read_pace
from slipway.analysis.twoarm import EARLY_SHARE, UNKNOWN, Terms, TwoArm
from slipway.analysis.vectors import (
    EvidenceError,
    Vectors,
    arm,
    arm_vector,
    dispersion_vector,
    gate_vectors,
    read,
    read_counts,
    read_dispersion,
    read_flags,
    read_gates,
)
from slipway.analysis.verdict import Capital, Gates, Judgement, Verdict, no_data

LEARNED_REQUESTS = 200
"""Requests of stable from which its edges are fixed, where no past was given: they are no evidence themselves."""


@dataclass(frozen=True, slots=True)
class EdgeTest:
    """The comparison at one edge; `stable` is all that stable did at it during the rollout."""

    edge: Edge
    comparison: TwoArm
    stable: ArmCounts = NO_REQUESTS
    dispersion: Dispersion | None = None

    @property
    def discount(self) -> float:
        """What log-evidence of the next window will be divided by."""
        return self.dispersion.factor if self.dispersion else 1.0

    def after(self, candidate: ArmCounts, stable: ArmCounts) -> "EdgeTest":
        """The test with one more window."""
        comparison = self.comparison
        if candidate.total and stable.total:
            earlier = condensed(self.edge.past).plus(self.stable)
            comparison = comparison.after(candidate, stable, self.discount, earlier)
        measured = self.dispersion and self.dispersion.after_window(stable)
        return replace(self, comparison=comparison, stable=self.stable.plus(stable), dispersion=measured)


@dataclass(frozen=True, slots=True)
class LatencyEvidence:
    """What is known of the candidate's latency, and the gates it is collected for.

    The margin of the gates is that of a share: with 0.01, 5 points more requests may be slower than stable's median, 2
    more than its 90th percentile, half a point more than its 99th. Windows are folded as in `RatioEvidence`. `learned`
    collects stable's latencies while there are no edges yet.
    """

    gates: Gates
    step_share: float
    tests: tuple[EdgeTest, ...] = ()
    learned: Histogram | None = None
    dispersed: bool = False
    pace: Pace = STANDSTILL
    failed: bool = False

    @classmethod
    def begin(cls, gates: Gates, *, steps: int, past: Histogram | None = None, dispersed: bool = False) -> Self:
        """No evidence yet, with edges from stable's past where it is known.

        `dispersed` says that evidence is discounted for requests that are slow together, as they are in a queue.
        Raises ValueError when no gate compares with stable by a difference of shares, or when the past is empty.
        """
        if steps < 1:
            raise ValueError(f"steps: {steps} is not at least 1")
        _check(gates)
        blank = cls(gates, step_share=(1 - EARLY_SHARE) / steps, dispersed=dispersed)
        return blank._fixed(past) if past is not None else blank

    def _fixed(self, past: Histogram) -> Self:
        tests = tuple(
            EdgeTest(edge, TwoArm.begin(_terms(self.gates, edge)), dispersion=Dispersion() if self.dispersed else None)
            for edge in edges_of(past)
        )
        return replace(self, tests=tests, learned=None)

    @property
    def edges(self) -> tuple[float, ...]:
        """The latencies in seconds at which the arms are compared, ascending; none before they are fixed."""
        return tuple(test.edge.seconds for test in self.tests)

    def enter_step(self) -> Self:
        """A new weight begins: harm that begins with it is measured without the good time before."""
        if self.failed:
            return self
        started = tuple(replace(test, comparison=test.comparison.start(self.step_share)) for test in self.tests)
        return replace(self, tests=started, pace=STANDSTILL)

    def fold(self, candidate: Histogram, stable: Histogram, *, seconds: float = 0.0) -> Self:
        """The evidence with one more window.

        Raises ValueError when the time is none or an arm's buckets do not end at the edges that were fixed.
        """
        if not 0 <= seconds < math.inf:
            raise ValueError(f"seconds: {seconds} is no length of a window")
        if self.failed:
            return self
        pace = Pace(self.pace.seconds + seconds, self.pace.requests + candidate.total) if seconds else self.pace
        if not self.tests:
            learned = self.learned.plus(stable) if self.learned else stable
            if learned.total < LEARNED_REQUESTS:
                return replace(self, learned=learned, pace=pace)
            return replace(self, pace=pace)._fixed(learned)
        tests = tuple(
            test.after(candidate.slower_than(test.edge.seconds), stable.slower_than(test.edge.seconds))
            for test in self.tests
        )
        folded = replace(self, tests=tests, pace=pace)
        return replace(folded, failed=folded._harm(guarded=True) >= math.log(1 / self.gates.harm_alpha))

    def _harm(self, *, guarded: bool) -> float:
        """The mean of the edges' evidence; for a Fail, of those at which the estimated harm is above the margin."""
        logs = [t.comparison.harm.log_evidence for t in self.tests if t.comparison.is_harmful or not guarded]
        return log_sum_exp(logs) - math.log(len(self.tests)) if logs else -math.inf

    def judge(self) -> Judgement:
        """The verdict, valid at any time: Fail on the mean of the edges, Pass when each is proven."""
        if not self.tests or not self._samples()[0]:
            return self._nothing()
        verdict, (candidate, stable) = self._verdict(), self._samples()
        harm, proof = self._harm(guarded=False), min(test.comparison.proof.log_evidence for test in self.tests)
        waits_for_proof = verdict is Verdict.PASS or (self.gates.proves and not self.failed)
        worst = max(self.tests, key=_excess)
        seconds = self._seconds() if verdict is Verdict.CONTINUE else None
        bound = worst.comparison.worst_case
        return Judgement(
            verdict=verdict,
            message=self._message(verdict, worst, seconds),
            evidence=wording.from_log(proof if waits_for_proof else harm),
            needed=1 / (self.gates.pass_alpha if waits_for_proof else self.gates.harm_alpha),
            candidate_samples=candidate,
            stable_samples=stable,
            difference=worst.comparison.overall.value,
            samples_sufficient=min(candidate, stable) >= self.gates.min_samples,
            doubtful=not self.failed and any(test.comparison.is_doubtful(test.discount) for test in self.tests),
            worst_case=bound.at(worst.comparison.overall.stable_rate) if bound else None,
            seconds_to_decide=seconds,
            capital=Capital(harm, math.log(1 / self.gates.harm_alpha), proof, math.log(1 / self.gates.pass_alpha)),
            estimate=difference_estimate(worst.comparison, self.gates.pass_alpha, worst.discount),
        )

    def _nothing(self) -> Judgement:
        learned = self.learned.total if self.learned else 0
        if not self.tests:
            return no_data(f"n=0/{learned}, {LEARNED_REQUESTS} requests to stable wanted to know its latency")
        return no_data("n=0/0, no requests on both arms in the same window yet")

    def _samples(self) -> tuple[int, int]:
        compared = self.tests[0].comparison
        return compared.candidate.total, compared.stable.total

    def _verdict(self) -> Verdict:
        if self.failed:
            return Verdict.FAIL
        proven = all(test.comparison.is_safe for test in self.tests)
        return Verdict.PASS if proven and min(self._samples()) >= self.gates.min_samples else Verdict.CONTINUE

    def _seconds(self) -> float | None:
        """The slowest proof or the first harm, whatever the estimates point to."""
        waits = [test.comparison.ahead for test in self.tests if not test.comparison.is_safe]
        harms = [test.comparison.ahead for test in self.tests if test.comparison.is_harmful]
        if not waits or (not harms and UNKNOWN in waits):
            return None
        return self.pace.seconds_for(min(harms) if harms else max(waits))

    def _message(self, verdict: Verdict, worst: EdgeTest, seconds: float | None) -> str:
        (candidate, stable), compared = self._samples(), worst.comparison
        share = wording.percent(compared.candidate.rate)
        words = [
            f"n={candidate}/{stable} slower than {worst.edge.seconds:g}s: {share}",
            f"diff={wording.points(compared.overall.value or 0.0)} (margin {wording.margin(compared.terms.guard)})",
        ]
        if verdict is not Verdict.FAIL:
            words.append(wording.worst_case(compared.worst_case, self.gates.pass_alpha))
        harm = wording.from_log(self._harm(guarded=verdict is Verdict.FAIL))
        words.append(wording.evidence("harm", harm, 1 / self.gates.harm_alpha))
        if verdict is Verdict.FAIL:
            return ", ".join(words)
        if self.gates.proves and verdict is not Verdict.PASS:
            proof = min(test.comparison.proof.log_evidence for test in self.tests)
            words.append(wording.evidence("safety", wording.from_log(proof), 1 / self.gates.pass_alpha))
        wanted = min(self._samples()) < self.gates.min_samples
        words += [f"{self.gates.min_samples} requests on both arms wanted"] * wanted
        if worst.dispersion is not None:
            words += wording.bursts(worst.discount, measured=worst.dispersion.measured)
        return ", ".join([*words, *wording.remaining(seconds)])

    def to_vectors(self) -> Vectors:
        """The evidence as named vectors of finite numbers, gates included."""
        vectors = gate_vectors(self.gates) | {
            "step_share": (self.step_share,),
            "flags": (float(self.dispersed), float(self.failed)),
            "pace": (self.pace.seconds, self.pace.requests),
            "edges": tuple(v for t in self.tests for v in (t.edge.seconds, t.edge.width, *arm_vector(t.edge.past))),
        }
        for index, test in enumerate(self.tests):
            vectors[f"comparison.{index}"] = test.comparison.vector()
            vectors[f"stable.{index}"] = arm_vector(test.stable)
            if test.dispersion is not None:
                vectors[f"dispersion.{index}"] = dispersion_vector(test.dispersion)
        if self.learned is not None:
            vectors["bounds"] = self.learned.bounds
            vectors["learned"] = tuple(map(float, self.learned.counts))
        return vectors

    @classmethod
    def from_vectors(cls, vectors: Vectors) -> Self:
        """The inverse of `to_vectors`.

        Raises EvidenceError when the vectors are not such evidence.
        """
        gates = read_gates(vectors)
        try:
            _check(gates)
            learned = _read_learned(vectors)
        except ValueError as problem:
            raise EvidenceError(str(problem)) from problem
        dispersed, failed = read_flags(vectors, "flags", 2)
        return cls(
            gates,
            read(vectors, "step_share", 1)[0],
            tuple(_read_test(vectors, index, edge, gates) for index, edge in enumerate(_read_edges(vectors))),
            learned,
            dispersed,
            read_pace(vectors),
            failed,
        )


def _terms(gates: Gates, edge: Edge) -> Terms:
    return Terms.of(gates, factors=SHARE_FACTORS, width=edge.width)


def _check(gates: Gates) -> None:
    if gates.threshold_max is not None or gates.threshold_min is not None:
        raise ValueError("gates: latency is compared with stable's; a limit on a share of slow requests is a ratio's")
    if not gates.compares or gates.is_relative:
        raise ValueError("gates: latency needs comparison_margin or non_inferiority_margin, a difference of shares")


def _excess(test: EdgeTest) -> float:
    """How many margins the difference is large: the edge to speak of."""
    return test.comparison.overall.beyond(test.comparison.terms.guard) / test.edge.width


def _read_learned(vectors: Vectors) -> Histogram | None:
    if "learned" not in vectors:
        return None
    bounds = read(vectors, "bounds", len(vectors.get("bounds", ())))
    return Histogram(bounds, read_counts(vectors, "learned", len(bounds) + 1))


def _read_edges(vectors: Vectors) -> list[Edge]:
    numbers = read(vectors, "edges", len(vectors.get("edges", ())) // 4 * 4)
    quads = [numbers[index : index + 4] for index in range(0, len(numbers), 4)]
    return [Edge(seconds, width, arm("edges", bad, total)) for seconds, width, bad, total in quads]


def _read_test(vectors: Vectors, index: int, edge: Edge, gates: Gates) -> EdgeTest:
    return EdgeTest(
        edge,
        TwoArm.read(vectors, f"comparison.{index}", _terms(gates, edge)),
        arm(f"stable.{index}", *read(vectors, f"stable.{index}", 2)),
        read_dispersion(vectors, f"dispersion.{index}"),
    )
