"""The sentence that explains what live evidence says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway.analysis import wording
from slipway.analysis.limit import upper_bound
from slipway.analysis.standing import Broken
from slipway.analysis.verdict import Verdict

if TYPE_CHECKING:
    from slipway.analysis.ratio import RatioEvidence


def ratio_sentence(seen: RatioEvidence, verdict: Verdict) -> str:
    """Samples, what is compared and how it stands, and what is still wanted."""
    gates = seen.gates
    if verdict is Verdict.NO_DATA:
        arm = "on both arms in the same window" if seen.candidate.total else "to the candidate"
        return f"n={_arms(seen, seen.candidate.total, seen.stable.total)}, no requests {arm} yet"
    samples = _arms(seen, seen.candidate.total, seen.stable.total)
    clauses = [f"n={samples}, bad={_arms(seen, seen.candidate.bad, seen.stable.bad)}"]
    if gates.compares and seen.broken is not Broken.LIMIT:
        clauses.append(_comparison(seen))
    if gates.threshold_max is not None and seen.broken is not Broken.COMPARISON:
        clauses.append(_limit(seen, gates.threshold_max))
    if not seen.broken:
        clauses += _wanted(seen)
        clauses[-1] = ", ".join([clauses[-1], *wording.remaining(seen.seconds_to_decide(verdict))])
    return "; ".join(clauses)


def _arms(seen: RatioEvidence, candidate: int, stable: int) -> str:
    return f"{candidate}/{stable}" if seen.gates.compares else str(candidate)


def _wanted(seen: RatioEvidence) -> list[str]:
    clauses = []
    if not seen.is_sufficient:
        arms = "on both arms" if seen.gates.compares else "to the candidate"
        clauses.append(f"{seen.gates.min_samples} requests {arms} wanted")
    if seen.is_doubtful:
        clauses.append("harm looks likely, and more requests will tell")
    if seen.dispersion is not None:
        clauses += wording.bursts(seen.discount, measured=seen.dispersion.measured)
    return clauses


def _comparison(seen: RatioEvidence) -> str:
    comparison, gates = seen.comparison, seen.gates
    if comparison is None:
        return ""
    harm, _, proof, _ = seen.capital()
    difference = comparison.overall.value or 0.0
    words = [f"diff={wording.points(difference)} (margin {wording.margin(gates.harm_margin)})"]
    if seen.watched is not None:
        counts, ceiling = seen.watched.counts, seen.watched.ceiling
        words.append(
            f"since the promotion rate={wording.percent(counts.rate)} of {counts.total} "
            f"(ceiling {wording.percent(ceiling)}, from stable's rate at most and the margin)"
        )
    elif seen.broken and (comparison.this_step.value or 0.0) > difference:
        words.append(f"at this step {wording.points(comparison.this_step.value or 0.0)}")
    if not seen.broken:
        words.append(wording.worst_case(comparison.worst_case, gates.pass_alpha))
    words.append(wording.evidence("harm", harm, 1 / gates.harm_alpha))
    if gates.proves and not seen.is_safe and not seen.broken:
        words.append(wording.evidence("safety", proof, 1 / gates.pass_alpha))
    if not seen.broken and harm >= 1 / gates.harm_alpha and seen.pods is not None and not seen.pods.confirms:
        words.append("which the ranks of single pods do not confirm")
    return ", ".join(words)


def _limit(seen: RatioEvidence, limit: float) -> str:
    _, above, _, below = seen.capital()
    rate = f"rate={wording.percent(seen.candidate.rate)} (max {wording.percent(limit)})"
    harm = wording.evidence("excess", above, 1 / seen.gates.harm_alpha)
    if seen.broken or seen.gates.compares:
        return f"{rate}, {harm}"
    alpha = seen.gates.pass_alpha
    bound = upper_bound(seen.candidate, alpha, seen.discount)
    worst = f"worst case ≤ {wording.percent(bound)} at {wording.confidence(alpha)}"
    return f"{rate}, {worst}, {harm}, {wording.evidence('safety', below, 1 / alpha)}"
