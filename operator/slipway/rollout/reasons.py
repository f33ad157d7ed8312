"""The reasons that conditions, timelines and Events carry: what users grep for. Each one means one thing."""

from __future__ import annotations

from typing import Final

from slipway.analysis import Reason

# --- on the way -----------------------------------------------------------------------------------------------------

CREATED: Final = "RevisionCreated"
"""The release was seen for the first time and became a revision."""

RETRIED: Final = "RevisionRetried"
"""A release that had been given up or replaced is a candidate again."""

STARTING: Final = "CandidateStarting"
"""The candidate's pods are being brought up. Nothing is routed to them."""

EVALUATING: Final = "CandidateEvaluating"
"""The candidate is up and is judged on the golden set. Nothing is routed to it."""

STEPPING: Final = "StepStarted"
"""The candidate passed what was asked of it and goes to the next weight."""

PROMOTING: Final = "CandidatePromoting"
"""The candidate passed every gate: full capacity first, then all traffic."""

PROMOTED: Final = "CandidatePromoted"
"""The candidate is the stable release now."""

SERVING: Final = "ReleaseServing"
"""The declared release serves all traffic."""

SUPERSEDED: Final = "Superseded"
"""Another release took its place."""

GATES_RESET: Final = "GatesChanged"
"""The analysis or the progress deadline changed: evidence is collected anew under them."""

# --- holding --------------------------------------------------------------------------------------------------------

GATEWAY_NOT_READY: Final = "GatewayNotReady"
"""The Gateway that the route shall attach to does not exist or cannot take the route."""

ROUTE_CONFLICT: Final = "RouteConflict"
"""An HTTPRoute of the same name belongs to someone else; it is not touched."""

WAITING_FOR_CAPACITY: Final = "WaitingForCapacity"
"""Not enough of the candidate's pods are ready for the next weight."""

WAITING_FOR_MODEL: Final = "WaitingForModel"
"""The pods are ready, but the model does not answer in its inference protocol yet."""

WAITING_FOR_ROUTE: Final = "WaitingForRoute"
"""The gateway has not accepted the weights that were written."""

STABLE_UNAVAILABLE: Final = "StableUnavailable"
"""The stable release has no ready pod; other releases with ready pods keep the traffic that they have until it has."""

# --- giving up ------------------------------------------------------------------------------------------------------

START_DEADLINE: Final = "StartDeadlineExceeded"
"""The candidate's pods were not ready, or its model did not answer, within rollback.progressDeadline."""

CAPACITY_DEADLINE: Final = "CapacityDeadlineExceeded"
"""The candidate lacked ready pods for its weight for longer than rollback.progressDeadline."""

CAPACITY_LOST: Final = "CapacityLost"
"""The candidate takes traffic and none of its pods is ready."""

ROLLED_BACK: Final = "RolledBack"
"""The gateway routes nothing to the candidate any more."""

# --- of the ModelDeployment -----------------------------------------------------------------------------------------

INVALID_SPEC: Final = "InvalidSpec"
"""The specification cannot be read; what serves is left as it is."""

APPLY_REFUSED: Final = "ApplyRefused"
"""The API server refused an object that the operator applied: a quota, an admission policy or a missing permission."""

NOTHING_SERVES: Final = "NothingServes"
"""No release has served yet, or the one that serves has no ready pod."""

STABLE_SERVING: Final = "StableServing"
"""A release that is known to be good takes the traffic."""

CANDIDATE_SERVING: Final = "CandidateServing"
"""The candidate takes all traffic at its last step, with the stable release at full size beside it."""

NEEDS_A_PERSON: Final = frozenset(
    {GATEWAY_NOT_READY, ROUTE_CONFLICT, str(Reason.METRICS_UNAVAILABLE), str(Reason.INCONCLUSIVE)}
)
"""Holds that end only when somebody changes something: announced once, when they begin."""

PASSING: Final = frozenset(
    {str(Reason.GATHERING_EVIDENCE), str(Reason.MINIMUM_DURATION), str(Reason.GATES_PASSED), str(Reason.NO_DATA)}
)
"""The course of things: not worth a status write on the ModelDeployment at every look."""
