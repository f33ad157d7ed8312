"""What an analysis says: verdicts, the gates they are measured against, and the sentence that explains them."""

from dataclasses import dataclass
from enum import StrEnum

LARGEST_RELATIVE = 100.0
"""A margin of more than a hundred times stable's rate is a mistake in the unit."""


class Verdict(StrEnum):
    """What the evidence on one metric amounts to."""

    PASS = "Pass"  # noqa: S105  a verdict, not a password
    """It is shown that the candidate is within its margin or limit."""
    FAIL = "Fail"
    """It is shown that the candidate does harm, and by its estimate more than the margin allows. Never taken back."""
    CONTINUE = "Continue"
    """Neither is shown yet."""
    NO_DATA = "NoData"
    """Nothing has been counted: neither good news nor bad."""
    ERROR = "Error"
    """The source of the numbers did not answer. It says nothing about the candidate."""


class Action(StrEnum):
    """What a Fail of a metric sets off."""

    ROLLBACK = "Rollback"
    """Haul back at once, at any step."""
    HOLD = "Hold"
    """Stay at the present weight until something changes."""
    OBSERVE = "Observe"
    """Report only; the metric moves nothing and blocks nothing."""


@dataclass(frozen=True, slots=True)
class Margin:
    """How much worse than stable the candidate may be: a difference of rates, or a share of stable's own rate.

    At a rate p of stable, p + `absolute` + `relative` x p is still accepted; gates use one of the two.
    """

    absolute: float = 0.0
    relative: float = 0.0

    def at(self, stable_rate: float) -> float:
        """The margin as a difference of rates, where stable's rate is this."""
        return self.absolute + self.relative * stable_rate

    def times(self, factor: float) -> "Margin":
        """A margin so many times as wide."""
        return Margin(self.absolute * factor, self.relative * factor)


@dataclass(frozen=True, slots=True)
class Gates:
    """What one metric has to meet. Rates, margins and alphas are fractions: 0.005 is half a percentage point.

    `threshold_max` limits the candidate's rate of bad requests, `threshold_min` its accuracy. `comparison_margin`
    guards against being worse than stable by more than the margin; `non_inferiority_margin` asks for proof of the
    opposite. Either may be relative instead: 0.2 then is a fifth of stable's own rate. `fail_alpha` is the probability
    with which a harmless candidate fails, over all looks and steps together; `pass_alpha` the probability with which a
    harmful one passes. `min_samples` counts requests or items an arm and concerns Pass alone: Fail is valid at any
    sample size.

    Raises ValueError, naming the field, for a value with which the gate would mean nothing.
    """

    threshold_max: float | None = None
    threshold_min: float | None = None
    comparison_margin: float | None = None
    non_inferiority_margin: float | None = None
    min_samples: int = 100
    fail_alpha: float = 0.01
    pass_alpha: float = 0.05
    comparison_relative: float | None = None
    non_inferiority_relative: float | None = None

    def __post_init__(self) -> None:
        for name in ("threshold_max", "threshold_min", "non_inferiority_margin", "fail_alpha", "pass_alpha"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1:
                raise ValueError(f"{name}: {value} is not between 0 and 1 (both excluded)")
        if self.comparison_margin is not None and not 0 <= self.comparison_margin < 1:
            raise ValueError(f"comparison_margin: {self.comparison_margin} is not in [0, 1)")
        for gate in ("comparison", "non_inferiority"):
            value = getattr(self, f"{gate}_relative")
            if value is None:
                continue
            if not 0 < value <= LARGEST_RELATIVE:
                raise ValueError(f"{gate}_relative: {value} is not in (0, {LARGEST_RELATIVE}]")
            if getattr(self, f"{gate}_margin") is not None:
                raise ValueError(f"{gate}_relative: a margin is either a difference or a share of stable's rate")
        if self.min_samples < 1:
            raise ValueError(f"min_samples: {self.min_samples} is not at least 1")

    @property
    def compares(self) -> bool:
        """True when the candidate is measured against stable."""
        return self.proves or self.comparison_margin is not None or self.comparison_relative is not None

    @property
    def proves(self) -> bool:
        """True when the candidate must be shown to be no worse than stable by more than a margin."""
        return self.non_inferiority_margin is not None or self.non_inferiority_relative is not None

    @property
    def is_relative(self) -> bool:
        """True when a margin is a share of stable's rate, which needs a rate to be a share of."""
        return self.comparison_relative is not None or self.non_inferiority_relative is not None

    @property
    def _guard(self) -> Margin | None:
        return _margin(self.comparison_margin, self.comparison_relative)

    @property
    def _proof(self) -> Margin | None:
        return _margin(self.non_inferiority_margin, self.non_inferiority_relative)

    @property
    def harm_margin(self) -> Margin:
        """The smallest estimated harm that a Fail needs: the effect guard.

        Raises ValueError when no gate compares with stable.
        """
        margin = self._guard or self._proof
        if margin is None:
            raise ValueError("no gate compares the candidate with stable")
        return margin

    @property
    def proof_margin(self) -> Margin:
        """The largest harm that a Pass must exclude.

        Raises ValueError when no gate compares with stable.
        """
        margin = self._proof or self._guard
        if margin is None:
            raise ValueError("no gate compares the candidate with stable")
        return margin

    @property
    def accuracy_minimum(self) -> float:
        """The smallest accuracy that is accepted.

        Raises ValueError when no gate asks for one.
        """
        if self.threshold_min is None:
            raise ValueError("no gate asks for an accuracy")
        return self.threshold_min

    @property
    def harm_alpha(self) -> float:
        """The share of `fail_alpha` that each test for harm on this metric may spend.

        Comparison and non-inferiority read the same test for harm, so together they are one.
        """
        tests = sum((self.compares, self.threshold_max is not None, self.threshold_min is not None))
        return self.fail_alpha / max(tests, 1)


def _margin(absolute: float | None, relative: float | None) -> Margin | None:
    if absolute is not None:
        return Margin(absolute=absolute)
    return Margin(relative=relative) if relative is not None else None


class Measure(StrEnum):
    """What an estimate is of."""

    DIFFERENCE = "difference"
    """The candidate's rate minus stable's; a loss of accuracy is positive too."""
    RATE = "rate"
    """The candidate's own rate of bad outcomes."""
    ACCURACY = "accuracy"
    """The candidate's own share of right answers."""
    RELATIVE = "relative"
    """By what share of stable's mean the candidate's is worse."""
    VALUE = "value"
    """A reading, in its own unit."""


@dataclass(frozen=True, slots=True)
class Capital:
    """The log-evidence in both directions, and the log-evidence that a Fail and a Pass need.

    Where nothing can be passed, `safety` and `to_pass` are None.
    """

    harm: float
    to_fail: float
    safety: float | None = None
    to_pass: float | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """How things look, beside what is shown: the estimate, its bounds, and what it is held against.

    A bound has the confidence of a Pass at every look, and is None while nothing is excluded on that side. `allowed` is
    the margin, the limit or the minimum of the gate, in the unit of `value`.
    """

    measure: Measure
    value: float
    low: float | None
    high: float | None
    allowed: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one metric, with the numbers behind it.

    `evidence` is a likelihood-like ratio that a verdict needs `needed` of: the evidence of harm for a Fail and for a
    guardrail that watches, the evidence of safety for a Pass and for a gate that must be proven. `difference` is the
    candidate's rate minus stable's (a loss of accuracy is positive too), None where nothing is compared. `doubtful`
    says that harm looks likely though it is not shown: no reason to haul back, and none to go on. `worst_case` is the
    largest harm that is not excluded, as a difference like `difference` and with the confidence of a Pass, None while
    nothing is excluded; it holds at every look. `seconds_to_decide` is how long a verdict would take if everything went
    on as observed, None where no pace is known or none would come. `capital` and `estimate` say the same at more
    length, for a history and its charts; None where there are no numbers.
    """

    verdict: Verdict
    message: str
    evidence: float
    needed: float
    candidate_samples: int
    stable_samples: int
    difference: float | None
    samples_sufficient: bool
    doubtful: bool = False
    worst_case: float | None = None
    seconds_to_decide: float | None = None
    capital: Capital | None = None
    estimate: Estimate | None = None


def error(message: str) -> Judgement:
    """The judgement on a metric whose source did not answer: an outage is no evidence about the candidate."""
    return _without_numbers(Verdict.ERROR, message)


def no_data(message: str) -> Judgement:
    """The judgement on a metric whose source answered that nothing happened."""
    return _without_numbers(Verdict.NO_DATA, message)


def _without_numbers(verdict: Verdict, message: str) -> Judgement:
    return Judgement(
        verdict=verdict,
        message=message,
        evidence=0.0,
        needed=0.0,
        candidate_samples=0,
        stable_samples=0,
        difference=None,
        samples_sufficient=False,
    )
