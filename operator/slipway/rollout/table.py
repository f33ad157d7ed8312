"""The state machine of a revision, as data. A transition that is not in this table does not exist.

An event is what the present observation amounts to for a revision in its phase; `decide` names exactly one, or none,
and looks the next phase up here. The documentation is generated from this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from slipway.api import Phase


class Event(StrEnum):
    """What an observation amounts to for one revision."""

    DECLARED = "the specification declares this release, or a person has it tried again"
    WITHDRAWN = "the specification declares another release"
    ROUTE_USABLE = "the gateway can take the route, and there is room for another rollout"
    REJECTED_BEFORE = "it was hauled back before under the same gates, and nobody has it tried again"
    UNVERIFIED = "the same, and its artifact has to be verified first"
    VERIFIED = "its artifact is what it has to be"
    ARTIFACT_REFUSED = "its artifact is not what it has to be"
    VERIFICATION_DEADLINE = "its artifact could not be verified in time"
    READY = "enough pods are ready and the model answers"
    READY_AGAIN = "the same, and it needs no further evidence: it was stable lately, or a person promoted it"
    START_DEADLINE = "pods were not ready, or the model did not answer, in time"
    EVALUATED = "every gate on the golden set is passed"
    EVALUATED_FOR_SHADOW = "every gate on the golden set is passed, and requests are to be copied first"
    FIRST_EVALUATED = "every gate on the golden set is passed, and no stable release exists"
    SHADOW_PASSED = "the time of copied requests is over and its gates are passed"
    SHADOW_ENDED = "the time of copied requests is over and its gates are passed, and no step follows"
    GATES_CHANGED = "what it is judged under, or compared with, changed: the evidence so far is void"
    FAILED = "a gate failed"
    ABORTED = "a person aborted it"
    CAPACITY_LOST = "traffic goes to it and none of its pods is ready"
    CAPACITY_DEADLINE = "it lacked ready pods for its weight for too long"
    STEP_PASSED = "the step's time is over and its gates are passed"
    LADDER_PASSED = "the last step's time is over and its gates are passed"
    PROMOTED_FULLY = "a person promoted it past everything that was left"
    ALL_TRAFFIC_OBSERVED = "the gateway was seen to send it all traffic"
    ALL_TRAFFIC_WATCHED = "the same, and the release that it replaced is kept warm for a while"
    WATCH_OVER = "the watch is over, or another release was declared"
    NO_TRAFFIC_OBSERVED = "the gateway was seen to send it nothing"
    REPLACED = "another release was promoted"
    RESTORED = "the release that had replaced it was hauled back"


@dataclass(frozen=True, slots=True)
class Transition:
    """From a phase, on an event, to a phase."""

    phase: Phase
    event: Event
    next: Phase


def _transitions() -> tuple[Transition, ...]:
    p, e = Phase, Event
    judged = (p.EVALUATING, p.SHADOWING, p.STEPPING, p.PROMOTING)
    on_trial = (p.PENDING, p.VERIFYING, p.STARTING, *judged)
    return (
        Transition(p.PENDING, e.ROUTE_USABLE, p.STARTING),
        Transition(p.PENDING, e.REJECTED_BEFORE, p.ROLLED_BACK),
        Transition(p.PENDING, e.UNVERIFIED, p.VERIFYING),
        Transition(p.VERIFYING, e.VERIFIED, p.STARTING),
        Transition(p.VERIFYING, e.VERIFICATION_DEADLINE, p.ROLLING_BACK),
        *(Transition(phase, e.ARTIFACT_REFUSED, p.ROLLING_BACK) for phase in (p.VERIFYING, p.STARTING)),
        Transition(p.STARTING, e.READY, p.EVALUATING),
        Transition(p.STARTING, e.READY_AGAIN, p.PROMOTING),
        Transition(p.STARTING, e.START_DEADLINE, p.ROLLING_BACK),
        Transition(p.EVALUATING, e.EVALUATED, p.STEPPING),
        Transition(p.EVALUATING, e.EVALUATED_FOR_SHADOW, p.SHADOWING),
        Transition(p.EVALUATING, e.FIRST_EVALUATED, p.PROMOTING),
        Transition(p.SHADOWING, e.SHADOW_PASSED, p.STEPPING),
        Transition(p.SHADOWING, e.SHADOW_ENDED, p.PROMOTING),
        Transition(p.STEPPING, e.STEP_PASSED, p.STEPPING),
        Transition(p.STEPPING, e.LADDER_PASSED, p.PROMOTING),
        *(Transition(phase, e.PROMOTED_FULLY, p.PROMOTING) for phase in (p.EVALUATING, p.SHADOWING, p.STEPPING)),
        Transition(p.PROMOTING, e.ALL_TRAFFIC_OBSERVED, p.STABLE),
        Transition(p.PROMOTING, e.ALL_TRAFFIC_WATCHED, p.WATCHING),
        Transition(p.WATCHING, e.WATCH_OVER, p.STABLE),
        *(Transition(phase, e.GATES_CHANGED, p.EVALUATING) for phase in (p.SHADOWING, p.STEPPING, p.PROMOTING)),
        *(Transition(phase, event, p.ROLLING_BACK) for phase in judged for event in (e.FAILED, e.CAPACITY_DEADLINE)),
        *(Transition(phase, e.CAPACITY_LOST, p.ROLLING_BACK) for phase in (p.STEPPING, p.PROMOTING, p.WATCHING)),
        Transition(p.WATCHING, e.FAILED, p.ROLLING_BACK),
        *(Transition(phase, e.ABORTED, p.ROLLING_BACK) for phase in (*on_trial, p.WATCHING)),
        Transition(p.ROLLING_BACK, e.NO_TRAFFIC_OBSERVED, p.ROLLED_BACK),
        *(Transition(phase, e.WITHDRAWN, p.SUPERSEDED) for phase in on_trial),
        *(Transition(phase, e.REPLACED, p.SUPERSEDED) for phase in (p.STABLE, p.WATCHING)),
        Transition(p.SUPERSEDED, e.RESTORED, p.STABLE),
        *(Transition(phase, e.DECLARED, p.PENDING) for phase in (p.ROLLED_BACK, p.SUPERSEDED)),
    )


TABLE: Final = _transitions()

_NEXT: Final = {(transition.phase, transition.event): transition.next for transition in TABLE}

ON_TRIAL: Final = frozenset(
    {
        Phase.PENDING,
        Phase.VERIFYING,
        Phase.STARTING,
        Phase.EVALUATING,
        Phase.SHADOWING,
        Phase.STEPPING,
        Phase.PROMOTING,
    }
)
"""A candidate in one of these phases is on its way up."""

PROMOTED: Final = frozenset({Phase.WATCHING, Phase.STABLE})
"""A revision in one of these phases is the stable release."""

WITHOUT_PODS: Final = frozenset({Phase.PENDING, Phase.VERIFYING})
"""A candidate in one of these phases has no pods yet."""

GIVEN_UP: Final = frozenset({Phase.ROLLING_BACK, Phase.ROLLED_BACK})
"""A revision in one of these phases was found wanting."""

OVER: Final = frozenset({Phase.ROLLED_BACK, Phase.SUPERSEDED})
"""A revision in one of these phases no longer serves and is not tried."""


def next_phase(phase: Phase, event: Event) -> Phase:
    """The phase that follows. Raises KeyError for a transition that does not exist."""
    return _NEXT[phase, event]
