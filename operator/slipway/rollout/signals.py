"""What is watched of the stable release: signals by their names, and what a look found of each. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import BaseModel

from slipway.api import BinCounts, DriftSignal, DriftSignalStatus, DriftSpec
from slipway.release import settings_hash

Kind = Literal["Feature", "Prediction", "GoldenSet"]

GOLDEN_SET: Final = "golden-set"
"""Name of the signal that is a golden set: there is one at most."""

FALSE_ALARM: Final = 0.01
"""Probability of a false sign of change, over all signals together, each time that one is decided anew."""

RECORDING: Final = "Recording"
"""The reference is not complete."""

COLLECTING: Final = "Collecting"
"""There is a reference, and too little since to decide."""

STEADY: Final = "Steady"
DRIFTED: Final = "Drifted"
ERROR: Final = "Error"


@dataclass(frozen=True, slots=True)
class SignalId:
    """What a signal is called."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        """As sentences name it: ``feature amount``."""
        return "golden set" if self.kind == "GoldenSet" else f"{self.kind.lower()} {self.name}"


GOLDEN_ID: Final = SignalId("GoldenSet", GOLDEN_SET)


@dataclass(frozen=True, slots=True)
class DistributionRequest:
    """Read a distribution, from where the status says that the last look ended."""

    id: SignalId
    signal: DriftSignal
    status: DriftSignalStatus

    @property
    def field(self) -> str:
        """The field of the specification that names it."""
        return f"spec.drift.{'features' if self.id.kind == 'Feature' else 'predictions'}[{self.id.name}]"


@dataclass(frozen=True, slots=True)
class DistributionWindow:
    """What was counted since the last look in each bin; ``counts`` is None at a look that only begins to count."""

    id: SignalId
    bins: tuple[str, ...]
    counts: tuple[int, ...] | None
    counters: tuple[BinCounts, ...]


@dataclass(frozen=True, slots=True)
class SignalFailure:
    """A signal that could not be read, and what to do about it."""

    id: SignalId
    message: str


def distributions_of(spec: DriftSpec) -> tuple[tuple[SignalId, DriftSignal], ...]:
    """The distributions that are watched, in the order of the specification."""
    features = ((SignalId("Feature", one.name), one) for one in spec.features or ())
    predictions = ((SignalId("Prediction", one.name), one) for one in spec.predictions or ())
    return (*features, *predictions)


def number_of(spec: DriftSpec) -> int:
    """How many signals are watched."""
    return len(spec.features or ()) + len(spec.predictions or ()) + (spec.golden_set is not None)


def settings_of(*parts: BaseModel) -> str:
    """A short hash of what a signal is read from and compared with: another one begins anew."""
    told: dict[str, Any] = {
        str(index): part.model_dump(mode="json", by_alias=True, exclude_none=True) for index, part in enumerate(parts)
    }
    return settings_hash(told)[:16]


def blank(id_: SignalId, settings: str) -> DriftSignalStatus:
    """A signal that was never asked."""
    return DriftSignalStatus(
        kind=id_.kind, name=id_.name, verdict=RECORDING, message="not looked at yet", settings=settings
    )


def id_of(status: DriftSignalStatus) -> SignalId:
    """What a status is about."""
    return SignalId(status.kind, status.name)
