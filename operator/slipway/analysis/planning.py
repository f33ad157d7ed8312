"""What a rollout can find out in its time, told before it begins.

Evidence grows with each request by its expected log e-value, G; a verdict that needs log-evidence L so takes about L/G
requests (Wald 1945). That is exact enough to warn: a service that takes one request a second cannot show a half-point
harm within half an hour, and it is better to know it then than at the deadline.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

from slipway.analysis import wording
from slipway.analysis.bets import HARM_FACTORS, nearest
from slipway.analysis.eprocess import MOST_LIKELY_RATE
from slipway.analysis.verdict import Gates, Margin

BISECTIONS = 40
"""Halvings of [0, 1] in the search for the smallest harm."""

SMALLEST_RATE = 1e-6
"""A rate of zero is planned for as one in a million."""


def requests_to_fail(
    stable_rate: float, candidate_rate: float, *, share: float, alpha: float, discount: float = 1.0
) -> float:
    """Candidate requests until harm of this size is shown, about; infinite when it is none.

    `share` is the candidate's share of the traffic. G is KL(p_c | q) + (n_s / n_c) KL(p_s | q), q the pooled rate, and
    L is ln(1/alpha) with the logarithm of the number of bets, of which one is right.
    """
    _check(share, alpha, discount)
    stable_rate, candidate_rate = _rate(stable_rate), _rate(candidate_rate)
    if candidate_rate <= stable_rate:
        return math.inf
    pooled = share * candidate_rate + (1 - share) * stable_rate
    growth = _divergence(candidate_rate, pooled) + (1 - share) / share * _divergence(stable_rate, pooled)
    return discount * (math.log(1 / alpha) + math.log(len(HARM_FACTORS))) / growth


def requests_to_pass(
    stable_rate: float, margin: Margin, *, share: float, alpha: float, discount: float = 1.0, excess: float = 0.0
) -> float:
    """Candidate requests until a harm beyond the margin is excluded, about, if the true one is `excess`.

    Infinite when it is not within the margin. G is as in `requests_to_fail`, with q the nearest rates at the margin;
    the bets on safety are so alike that spreading capital over them costs nothing.
    """
    _check(share, alpha, discount)
    stable_rate, candidate_rate = _rate(stable_rate), _rate(stable_rate + excess)
    if candidate_rate >= stable_rate + margin.at(stable_rate):
        return math.inf
    parts = 1_000_000
    own, slope = round(parts * share), 1 + margin.relative
    near = nearest((own, parts - own), (candidate_rate, stable_rate), slope, margin.absolute)
    edge = slope * near + margin.absolute
    growth = _divergence(candidate_rate, edge) + (1 - share) / share * _divergence(stable_rate, near)
    return discount * math.log(1 / alpha) / growth


def smallest_harm(stable_rate: float, *, requests: float, share: float, alpha: float, discount: float = 1.0) -> float:
    """The minimum detectable effect: the difference of rates that so many candidate requests show, about.

    Infinite when they show not even that every request fails.
    """
    low, high = _rate(stable_rate), MOST_LIKELY_RATE
    if requests_to_fail(stable_rate, high, share=share, alpha=alpha, discount=discount) > requests:
        return math.inf
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if requests_to_fail(stable_rate, middle, share=share, alpha=alpha, discount=discount) > requests:
            low = middle
        else:
            high = middle
    return high - stable_rate


def chance_to_pass(items: int, *, discordant: float, margin: float, alpha: float, loss: float = 0.0) -> float:
    """The probability that a golden set of so many items shows non-inferiority, about.

    `discordant` is the share of items that one arm has right and the other wrong, `loss` the true loss of accuracy. By
    the final test, at half of alpha, in its normal approximation (Bonett and Price 2012).
    """
    if items < 1 or not abs(loss) <= discordant <= 1 or not 0 < alpha < 1:
        raise ValueError(f"items: {items} with {discordant} discordant and a loss of {loss} are no golden set")
    spread = math.sqrt(((items * discordant + 2) / (items + 2) - loss**2) / (items + 2))
    normal = NormalDist()
    return normal.cdf((margin - loss) / spread - normal.inv_cdf(1 - alpha / 2))


@dataclass(frozen=True, slots=True)
class Plan:
    """What the gates of one live metric take, in candidate requests, and what can be had in the time there is.

    `to_fail` finds a harm of twice the margin, `to_pass` excludes the margin when there is no harm, `available` is what
    comes within the time, `smallest_harm` the difference that so much shows.
    """

    to_fail: float
    to_pass: float
    available: float
    smallest_harm: float
    per_second: float

    @property
    def decides(self) -> bool:
        """True when the time is enough to prove what a Pass has to prove."""
        return self.to_pass <= self.available

    @property
    def sentence(self) -> str:
        """For people, at admission and at the deadline."""
        found = f"{wording.points(self.smallest_harm)} is the smallest harm" if self.smallest_harm < 1 else "no harm"
        clauses = [f"{self._requests(self.to_pass)} exclude the margin when there is no harm"]
        clauses.append(f"{found} that {self.available:.0f} requests show")
        return "; ".join(clauses if self.decides else ["the time is too short to decide", *clauses])

    def _requests(self, count: float) -> str:
        if math.isinf(count):
            return "no number of candidate requests"
        (time,) = wording.remaining(count / self.per_second) if self.per_second else ("for ever",)
        return f"{count:.0f} candidate requests ({time.removesuffix(' to decide')})"


def plan(
    gates: Gates, *, stable_rate: float, per_second: float, share: float, seconds: float, discount: float = 1.0
) -> Plan:
    """What to expect of a comparison: `per_second` requests in all, of which the candidate gets `share`.

    Raises ValueError when the gates do not compare, or for a traffic or a time that is negative or not finite.
    """
    if not (0 <= per_second < math.inf and 0 <= seconds < math.inf):
        raise ValueError(f"traffic: {per_second} requests a second for {seconds} s can not be planned with")
    own = per_second * share
    common = {"share": share, "discount": discount}
    harm = gates.harm_margin.at(_rate(stable_rate)) * 2
    return Plan(
        to_fail=requests_to_fail(stable_rate, stable_rate + harm, alpha=gates.harm_alpha, **common),
        to_pass=requests_to_pass(stable_rate, gates.proof_margin, alpha=gates.pass_alpha, **common),
        available=own * seconds,
        smallest_harm=smallest_harm(stable_rate, requests=own * seconds, alpha=gates.harm_alpha, **common),
        per_second=own,
    )


def _check(share: float, alpha: float, discount: float) -> None:
    if not 0 < share < 1:
        raise ValueError(f"share: {share} of the traffic leaves one arm without requests")
    if not 0 < alpha < 1 or not 1 <= discount < math.inf:
        raise ValueError(f"alpha: {alpha}, or a discount of {discount}, is out of range")


def _rate(rate: float) -> float:
    if not 0 <= rate <= 1:
        raise ValueError(f"rate: {rate} is not between 0 and 1")
    return min(max(rate, SMALLEST_RATE), MOST_LIKELY_RATE)


def _divergence(p: float, q: float) -> float:
    """Kullback-Leibler divergence of two coins."""
    return p * math.log(p / q) + (1 - p) * (math.log1p(-p) - math.log1p(-q))
