"""What an analysis says: verdicts, the gates they are measured against, and the sentence that explains them."""

from dataclasses import dataclass
from enum import StrEnum


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
class Gates:
    """What one metric has to meet. Rates, margins and alphas are fractions: 0.005 is half a percentage point.

    `threshold_max` limits the candidate's rate of bad requests, `threshold_min` its accuracy. `comparison_margin`
    guards against being worse than stable by more than the margin; `non_inferiority_margin` asks for proof of the
    opposite. `fail_alpha` is the probability with which a harmless candidate fails, over all looks and steps together;
    `pass_alpha` the probability with which a harmful one passes. `min_samples` counts requests or items an arm and
    concerns Pass alone: Fail is valid at any sample size.

    Raises ValueError, naming the field, for a value with which the gate would mean nothing.
    """

    threshold_max: float | None = None
    threshold_min: float | None = None
    comparison_margin: float | None = None
    non_inferiority_margin: float | None = None
    min_samples: int = 100
    fail_alpha: float = 0.01
    pass_alpha: float = 0.05

    def __post_init__(self) -> None:
        for name in ("threshold_max", "threshold_min", "non_inferiority_margin", "fail_alpha", "pass_alpha"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1:
                raise ValueError(f"{name}: {value} is not between 0 and 1 (both excluded)")
        if self.comparison_margin is not None and not 0 <= self.comparison_margin < 1:
            raise ValueError(f"comparison_margin: {self.comparison_margin} is not in [0, 1)")
        if self.min_samples < 1:
            raise ValueError(f"min_samples: {self.min_samples} is not at least 1")

    @property
    def compares(self) -> bool:
        """True when the candidate is measured against stable."""
        return self.comparison_margin is not None or self.non_inferiority_margin is not None

    @property
    def harm_margin(self) -> float:
        """The smallest estimated harm, as a difference to stable, that a Fail needs: the effect guard.

        Raises ValueError when no gate compares with stable.
        """
        margin = self.comparison_margin if self.comparison_margin is not None else self.non_inferiority_margin
        if margin is None:
            raise ValueError("no gate compares the candidate with stable")
        return margin

    @property
    def proof_margin(self) -> float:
        """The largest harm that a Pass must exclude.

        Raises ValueError when no gate compares with stable.
        """
        margin = self.non_inferiority_margin if self.non_inferiority_margin is not None else self.comparison_margin
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


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one metric, with the numbers behind it.

    `evidence` is a likelihood-like ratio that a verdict needs `needed` of: the evidence of harm for a Fail and for a
    guardrail that watches, the evidence of safety for a Pass and for a gate that must be proven. `difference` is the
    candidate's rate minus stable's (a loss of accuracy is positive too), None where nothing is compared. `doubtful`
    says that harm looks likely though it is not shown: no reason to haul back, and none to go on.
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
