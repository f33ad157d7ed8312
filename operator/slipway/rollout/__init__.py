"""The core: from what is there now to the next move. Pure, and the first thing to read.

`decide` looks at an `Observation` and returns a `Decision`; `plan` says beforehand which evidence that look needs. The
state machine is a table (`TABLE`) that can be printed; the course that a strategy sets, capacity arithmetic,
evidence, the candidate's move, the watch, the way out and the status are a module each. No clock, no I/O, no
randomness: the shell passes all of it in.
"""

from slipway.rollout import reasons
from slipway.rollout.advice import ADVICE
from slipway.rollout.budget import Limits
from slipway.rollout.course import FULL, Course, Judging, Need, Shadow, Shift, Step, course_of, needs, problems
from slipway.rollout.decide import decide, roles, trial
from slipway.rollout.decision import Announcement, Decision, FleetTarget, Notice
from slipway.rollout.drift import DriftPlan, at_rest, drift_plan
from slipway.rollout.evidence import EvidencePlan, GoldenRequest, plan
from slipway.rollout.firing import Reaction, ReactionOutcome, cloud_event
from slipway.rollout.labels import windows_due
from slipway.rollout.live import edges_judged, edges_learned, tells_pods_apart
from slipway.rollout.measured import record_of
from slipway.rollout.observation import (
    Beside,
    CounterWindow,
    DriftLook,
    Durations,
    Evidence,
    Fleet,
    GoldenBatch,
    JobCounts,
    LabelWindow,
    LatencyWindow,
    Matured,
    NoticeOutcome,
    NumberReading,
    Observation,
    Reported,
    Revision,
    Role,
    Route,
    SourceFailure,
    Verification,
    Waiting,
)
from slipway.rollout.payloads import CONTENT_TYPES, payload, text_of
from slipway.rollout.registering import RegistryAnswer, noted
from slipway.rollout.sealing import sealed
from slipway.rollout.signals import GOLDEN_ID, DistributionRequest, DistributionWindow, SignalFailure, SignalId
from slipway.rollout.status import AVAILABLE, DRIFTED, refused
from slipway.rollout.table import TABLE, WITHOUT_PODS, Event, Transition
from slipway.rollout.targets import Roles
from slipway.rollout.warming import WarmUpError, golden_set_of, item_of, warm_up_problem

__all__ = [
    "WarmUpError",
    "golden_set_of",
    "item_of",
    "warm_up_problem",
    "RegistryAnswer",
    "noted",
    "CONTENT_TYPES",
    "Notice",
    "NoticeOutcome",
    "payload",
    "text_of",
    "AVAILABLE",
    "DRIFTED",
    "decide",
    "plan",
    "Observation",
    "Decision",
    "Durations",
    "Announcement",
    "Beside",
    "CounterWindow",
    "Course",
    "Event",
    "Evidence",
    "EvidencePlan",
    "DistributionRequest",
    "DistributionWindow",
    "DriftLook",
    "DriftPlan",
    "GOLDEN_ID",
    "Reaction",
    "ReactionOutcome",
    "SignalFailure",
    "SignalId",
    "FULL",
    "Fleet",
    "FleetTarget",
    "GoldenBatch",
    "JobCounts",
    "GoldenRequest",
    "LabelWindow",
    "LatencyWindow",
    "NumberReading",
    "Matured",
    "Reported",
    "Revision",
    "Role",
    "Roles",
    "Route",
    "SourceFailure",
    "Verification",
    "WITHOUT_PODS",
    "Waiting",
    "Step",
    "Judging",
    "Limits",
    "Need",
    "Shadow",
    "Shift",
    "ADVICE",
    "TABLE",
    "Transition",
    "reasons",
    "at_rest",
    "cloud_event",
    "course_of",
    "drift_plan",
    "edges_judged",
    "edges_learned",
    "needs",
    "problems",
    "record_of",
    "sealed",
    "refused",
    "roles",
    "tells_pods_apart",
    "trial",
    "windows_due",
]
