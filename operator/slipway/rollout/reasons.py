"""The reasons that conditions, timelines and Events carry: what users grep for. Each one means one thing."""

from __future__ import annotations

from typing import Final

from slipway.analysis import Reason

# --- on the way -----------------------------------------------------------------------------------------------------

CREATED: Final = "RevisionCreated"
"""The release was seen for the first time and became a revision."""

RETRIED: Final = "RevisionRetried"
"""A release that had been given up or replaced is a candidate again."""

REJECTED_BEFORE: Final = "RejectedBefore"
"""The release was hauled back before, its revision is gone since, and nobody has it tried again."""

STARTING: Final = "CandidateStarting"
"""The candidate's pods are being brought up. Nothing is routed to them."""

VERIFYING: Final = "ArtifactVerifying"
"""The candidate's artifact is fetched and verified. No pod of it exists."""

EVALUATING: Final = "CandidateEvaluating"
"""The candidate is up and is judged on the golden set. Nothing is routed to it."""

SHADOWING: Final = "ShadowStarted"
"""The candidate passed the golden set and gets copies of live requests; users see only the stable release."""

STEPPING: Final = "StepStarted"
"""The candidate passed what was asked of it and goes to the next weight."""

PROMOTING: Final = "CandidatePromoting"
"""The candidate passed every gate: full capacity first, then all traffic."""

PROMOTED: Final = "CandidatePromoted"
"""The candidate is the stable release now."""

WATCHING: Final = "PromotionWatched"
"""The candidate is the stable release now, and the one that it replaced is kept warm for rollback.watch."""

WATCH_OVER: Final = "WatchOver"
"""The time of rollback.watch is over: the release that was replaced may go."""

RESTORED: Final = "StableRestored"
"""The release that had replaced it was hauled back: it is the stable release again."""

RETURNING: Final = "ReleaseReturns"
"""A release that was stable within rollback.window comes back without being judged anew."""

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

WAITING_FOR_ARTIFACT: Final = "WaitingForArtifact"
"""The candidate's artifact is still being fetched, or cannot be reached. No pod of it exists."""

POLICY_UNREADABLE: Final = "PolicyUnreadable"
"""The ConfigMap slipway-policy, which says what the namespace asks of releases, cannot be read. None begins before."""

WAITING_FOR_CAPACITY: Final = "WaitingForCapacity"
"""Not enough of the candidate's pods are ready for the next weight."""

WAITING_FOR_MODEL: Final = "WaitingForModel"
"""The pods are ready, but the model does not answer in its inference protocol yet."""

WARMING_UP: Final = "WarmingUp"
"""The model answers, and its pods have not answered all requests of the warm-up yet."""

WAITING_FOR_ROUTE: Final = "WaitingForRoute"
"""The gateway has not accepted the weights that were written."""

STABLE_UNAVAILABLE: Final = "StableUnavailable"
"""The stable release has no ready pod; other releases with ready pods keep the traffic that they have until it has."""

QUEUED: Final = "WaitingForTurn"
"""As many rollouts as the operator's settings allow are under way."""

UNSUPPORTED: Final = "StrategyUnsupported"
"""The strategy asks for something that the router, or the rest of the specification, rules out."""

PAUSED: Final = "Paused"
"""spec.paused, or the command pause, holds the rollout: nothing advances, and what fails is still hauled back."""

AWAITING_APPROVAL: Final = "AwaitingApproval"
"""The step is passed, and a person has to approve what follows."""

RUNTIME_NOT_FOUND: Final = "RuntimeNotFound"
"""The release names a runtime that does not exist, or a format that no runtime serves. Nothing is created for it."""

RUNTIME_AMBIGUOUS: Final = "RuntimeAmbiguous"
"""Two runtimes serve the format with the same priority, and the release names neither. Nothing is created for it."""

RUNTIME_DIGEST_DIFFERS: Final = "RuntimeDigestDiffers"
"""The runtime is not the one whose digest the release names. Nothing is created for it."""

RUNTIME_INVALID: Final = "RuntimeInvalid"
"""What the runtime and the release come to is no container: a variable that is not known, or a value that does not
fit. Nothing is created for it."""

RUNTIME_EDITED: Final = "RuntimeEdited"
"""The runtime was edited after the release was settled with it. What serves stays as it is."""

# --- commands -------------------------------------------------------------------------------------------------------

COMMAND_ACCEPTED: Final = "CommandAccepted"
"""A person's command was carried out."""

COMMAND_REFUSED: Final = "CommandRefused"
"""A person's command does not fit what is going on now; nothing was done."""

RESUMED: Final = "Resumed"
"""A person resumed a paused rollout."""

APPROVED: Final = "StepApproved"
"""A person approved what follows the step."""

SKIPPED: Final = "StepSkipped"
"""A person ended the step before its gates or its time did."""

# --- giving up ------------------------------------------------------------------------------------------------------

START_DEADLINE: Final = "StartDeadlineExceeded"
"""The candidate's pods were not ready, or its model did not answer, within rollback.progressDeadline."""

VERIFICATION_DEADLINE: Final = "VerificationDeadlineExceeded"
"""The candidate's artifact could not be verified within rollback.progressDeadline. No pod of it was started."""

VERIFICATION_FAILED: Final = "VerificationFailed"
"""The candidate's artifact is not what it has to be, or is not there. No pod of it was started."""

ARTIFACT_CHANGED: Final = "ArtifactChanged"
"""A pod found other bytes at the release's URI than those that were verified, and does not start."""

CAPACITY_DEADLINE: Final = "CapacityDeadlineExceeded"
"""The candidate lacked ready pods for its weight for longer than rollback.progressDeadline."""

CAPACITY_LOST: Final = "CapacityLost"
"""The candidate takes traffic and none of its pods is ready."""

ABORTED: Final = "Aborted"
"""A person aborted the rollout."""

ROLLED_BACK: Final = "RolledBack"
"""The gateway routes nothing to the candidate any more."""

# --- between rollouts -----------------------------------------------------------------------------------------------

DRIFT_FOUND: Final = "DriftFound"
"""What the stable release is asked, what it answers, or its accuracy is not what was recorded after its promotion."""

NO_DRIFT: Final = "NoDrift"
"""Everything that spec.drift names is as it was recorded."""

DRIFT_COLLECTING: Final = "DriftCollecting"
"""There is too little yet to say whether anything has changed: a reference is being recorded, or requests are few."""

DRIFT_UNREADABLE: Final = "DriftUnreadable"
"""Something that spec.drift names could not be read; the message says what and where."""

DRIFT_REACTED: Final = "DriftReacted"
"""What spec.drift.onDrift asks for was done."""

DRIFT_REACTION_FAILED: Final = "DriftReactionFailed"
"""What spec.drift.onDrift asks for could not be done, and is not tried again."""

NOTIFICATION_FAILED: Final = "NotificationFailed"
"""A receiver of spec.notifications, or of the namespace's, could not be told, and is not told again."""

# --- registries -----------------------------------------------------------------------------------------------------

RELEASE_SUGGESTED: Final = "ReleaseSuggested"
"""The registry names another version than is declared; status.suggestion says what to declare."""

RELEASE_RESOLVED: Final = "ReleaseResolved"
"""The registry names another version, and it is declared, as spec.release.from.policy says."""

AWAITING_REGISTRY: Final = "AwaitingRegistry"
"""No release is declared before the registry of spec.release.from has named one."""

REGISTRY_UNREACHABLE: Final = "RegistryUnreachable"
"""The registry does not answer, or says that it fails; it is asked again. What serves goes on serving."""

REGISTRY_REFUSED: Final = "RegistryRefused"
"""The registry does not take the credentials, there are none, or its address may not be reached."""

REGISTRY_NOT_FOUND: Final = "RegistryNotFound"
"""The registry has no such model, alias, revision, tag or version."""

REGISTRY_WRITTEN: Final = "RegistryWritten"
"""The registry was told of a verdict, as spec.release.from.writeBack asks."""

REGISTRY_NOT_WRITTEN: Final = "RegistryNotWritten"
"""The registry could not be told of a verdict, and is not told again. The rollout does not depend on it."""

REGISTRY_ANSWER: Final = "RegistryAnswer"
"""The registry's answer cannot be read: something else may be at its address."""

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

OF_REGISTRIES: Final = frozenset({RELEASE_SUGGESTED, RELEASE_RESOLVED, REGISTRY_WRITTEN})
"""Good news from registries."""

REGISTRY_FAILURES: Final = frozenset(
    {REGISTRY_UNREACHABLE, REGISTRY_REFUSED, REGISTRY_NOT_FOUND, REGISTRY_ANSWER, REGISTRY_NOT_WRITTEN}
)
"""Why a registry names nothing, or knows nothing."""

WARNINGS: Final = frozenset({DRIFT_FOUND, DRIFT_REACTION_FAILED})
"""Entries of a timeline that are Warnings, in whichever phase."""

NEEDS_A_PERSON: Final = frozenset(
    {
        GATEWAY_NOT_READY,
        ROUTE_CONFLICT,
        UNSUPPORTED,
        POLICY_UNREADABLE,
        AWAITING_APPROVAL,
        str(Reason.METRICS_UNAVAILABLE),
        str(Reason.ROUTING_MISMATCH),
        str(Reason.INCONCLUSIVE),
    }
)
"""Holds that end only when somebody changes something: announced once, when they begin."""

PASSING: Final = frozenset(
    {str(Reason.GATHERING_EVIDENCE), str(Reason.MINIMUM_DURATION), str(Reason.GATES_PASSED), str(Reason.NO_DATA)}
)
"""The course of things: not worth a status write on the ModelDeployment at every look."""
