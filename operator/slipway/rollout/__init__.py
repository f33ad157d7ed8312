"""The core: from what is there now to the next move. Pure, and the first thing to read.

`decide` looks at an `Observation` and returns a `Decision`; `plan` says beforehand which evidence that look needs. The
state machine is a table (`TABLE`) that can be printed; capacity arithmetic, evidence, the candidate's move, the way out
and the status are a module each. No clock, no I/O, no randomness: the shell passes all of it in.
"""

from slipway.rollout import reasons
from slipway.rollout.decide import Roles, decide, roles
from slipway.rollout.decision import Announcement, Decision, FleetTarget
from slipway.rollout.evidence import EvidencePlan, GoldenRequest, plan, record_of
from slipway.rollout.observation import (
    FULL,
    CounterWindow,
    Evidence,
    Fleet,
    GoldenBatch,
    Observation,
    Revision,
    Role,
    Route,
    SourceFailure,
    Step,
)
from slipway.rollout.status import refused
from slipway.rollout.table import TABLE, Event, Transition

__all__ = [
    "decide",
    "plan",
    "Observation",
    "Decision",
    "Announcement",
    "CounterWindow",
    "Event",
    "Evidence",
    "EvidencePlan",
    "FULL",
    "Fleet",
    "FleetTarget",
    "GoldenBatch",
    "GoldenRequest",
    "Revision",
    "Role",
    "Roles",
    "Route",
    "SourceFailure",
    "Step",
    "TABLE",
    "Transition",
    "reasons",
    "record_of",
    "refused",
    "roles",
]
