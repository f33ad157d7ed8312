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

    DECLARED = "the specification declares this release"
    WITHDRAWN = "the specification declares another release"
    ROUTE_USABLE = "the gateway can take the route"
    READY = "enough pods are ready and the model answers"
    START_DEADLINE = "pods were not ready, or the model did not answer, in time"
    EVALUATED = "every gate on the golden set is passed"
    FIRST_EVALUATED = "every gate on the golden set is passed, and no stable release exists"
    GATES_CHANGED = "what it is judged under, or compared with, changed: the evidence so far is void"
    FAILED = "a gate failed"
    CAPACITY_LOST = "traffic goes to it and none of its pods is ready"
    CAPACITY_DEADLINE = "it lacked ready pods for its weight for too long"
    STEP_PASSED = "the step's time is over and its gates are passed"
    LADDER_PASSED = "the last step's time is over and its gates are passed"
    ALL_TRAFFIC_OBSERVED = "the gateway was seen to send it all traffic"
    NO_TRAFFIC_OBSERVED = "the gateway was seen to send it nothing"
    REPLACED = "another release was promoted"


@dataclass(frozen=True, slots=True)
class Transition:
    """From a phase, on an event, to a phase."""

    phase: Phase
    event: Event
    next: Phase


def _transitions() -> tuple[Transition, ...]:
    p, e = Phase, Event
    on_trial = (p.PENDING, p.STARTING, p.EVALUATING, p.STEPPING, p.PROMOTING)
    return (
        Transition(p.PENDING, e.ROUTE_USABLE, p.STARTING),
        Transition(p.STARTING, e.READY, p.EVALUATING),
        Transition(p.STARTING, e.START_DEADLINE, p.ROLLING_BACK),
        Transition(p.EVALUATING, e.EVALUATED, p.STEPPING),
        Transition(p.EVALUATING, e.FIRST_EVALUATED, p.PROMOTING),
        Transition(p.STEPPING, e.STEP_PASSED, p.STEPPING),
        Transition(p.STEPPING, e.LADDER_PASSED, p.PROMOTING),
        Transition(p.PROMOTING, e.ALL_TRAFFIC_OBSERVED, p.STABLE),
        *(Transition(phase, e.GATES_CHANGED, p.EVALUATING) for phase in (p.STEPPING, p.PROMOTING)),
        *(
            Transition(phase, event, p.ROLLING_BACK)
            for phase in (p.EVALUATING, p.STEPPING, p.PROMOTING)
            for event in (e.FAILED, e.CAPACITY_DEADLINE)
        ),
        *(Transition(phase, e.CAPACITY_LOST, p.ROLLING_BACK) for phase in (p.STEPPING, p.PROMOTING)),
        Transition(p.ROLLING_BACK, e.NO_TRAFFIC_OBSERVED, p.ROLLED_BACK),
        *(Transition(phase, e.WITHDRAWN, p.SUPERSEDED) for phase in on_trial),
        Transition(p.STABLE, e.REPLACED, p.SUPERSEDED),
        *(Transition(phase, e.DECLARED, p.PENDING) for phase in (p.ROLLED_BACK, p.SUPERSEDED)),
    )


TABLE: Final = _transitions()

_NEXT: Final = {(transition.phase, transition.event): transition.next for transition in TABLE}

ON_TRIAL: Final = frozenset({Phase.PENDING, Phase.STARTING, Phase.EVALUATING, Phase.STEPPING, Phase.PROMOTING})
"""A candidate in one of these phases is on its way up."""

GIVEN_UP: Final = frozenset({Phase.ROLLING_BACK, Phase.ROLLED_BACK})
"""A revision in one of these phases was found wanting."""

OVER: Final = frozenset({Phase.ROLLED_BACK, Phase.SUPERSEDED})
"""A revision in one of these phases no longer serves and is not tried."""


def next_phase(phase: Phase, event: Event) -> Phase:
    """The phase that follows. Raises KeyError for a transition that does not exist."""
    return _NEXT[phase, event]
