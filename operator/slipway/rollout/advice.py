"""What a person can do, for each reason that a status can show. `{name}` is the ModelDeployment's name.

The command line says it beside the status, and `docs/reasons.md` beside what the reason means.
"""

from __future__ import annotations

# ruff: noqa: E501 - sentences are data that reaches users as one line
from typing import Final

ADVICE: Final = {
    "NotificationFailed": "Check the receiver's address and its Secret; status.notifications of {name} says what came of each message. It is not sent again.",
    # on the way
    "RevisionCreated": "Nothing to do: the operator has begun with it.",
    "RevisionRetried": "Nothing to do: it is tried again from the start.",
    "CandidateStarting": "Nothing to do while its pods come up. kubectl get pods -l slipway.dev/model-deployment={name}",
    "ArtifactVerifying": "Nothing to do while it is fetched. kubectl get jobs -l slipway.dev/model-deployment={name}",
    "CandidateEvaluating": "Nothing to do: the golden set is being replayed, and no request is routed to it.",
    "ShadowStarted": "Nothing to do: it gets copies of live requests, and users see only the stable release.",
    "StepStarted": "Nothing to do: the next weight follows when its pods are ready.",
    "CandidatePromoting": "Nothing to do: it gets its pods first, and all traffic then.",
    "CandidatePromoted": "Nothing to do.",
    "PromotionWatched": "It takes all traffic, and the old release is kept warm. To go back at once: slipway abort {name}",
    "WatchOver": "Nothing to do.",
    "StableRestored": "The later release was hauled back. Revert it in git, or declare a better one.",
    "ReleaseReturns": "Nothing to do: it was stable lately, so only its pods are waited for.",
    "ReleaseServing": "Nothing to do. To go back to an earlier release: slipway undo {name}",
    "Superseded": "Nothing to do: another release took its place.",
    "GatesChanged": "Nothing to do: what it is judged under changed, so evidence is collected anew.",
    "GatheringEvidence": "More requests bring the decision sooner. To decide yourself: slipway promote {name}, or slipway abort {name}",
    "MinimumDuration": "The step lasts a while longer by its minDuration. To end it now: slipway promote {name}",
    "GatesPassed": "Nothing to do: the gates are passed.",
    # holding
    "Paused": "Go on with slipway resume {name}; if spec.paused is true, set it to false in the manifest.",
    "AwaitingApproval": "Look at the gates (slipway status {name}), then slipway approve {name}, or slipway abort {name}",
    "WaitingForTurn": "It waits for other rollouts to end: slipway list --all-namespaces. The limit is a setting of the operator.",
    "StrategyUnsupported": "The message names the field that does not fit: change spec.strategy or spec.traffic. slipway lint finds it beforehand.",
    "GatewayNotReady": "Look at the Gateway that spec.traffic.gateway.parentRefs names: kubectl describe gateway",
    "RouteConflict": "A route of that name belongs to somebody else: remove it, or rename the ModelDeployment.",
    "WaitingForArtifact": "The message says what is missing: reach, credentials or room. kubectl describe jobs -l slipway.dev/model-deployment={name}",
    "PolicyUnreadable": "Correct the ConfigMap slipway-policy of the namespace: the message names the field. What serves goes on.",
    "WaitingForCapacity": "Its pods are not ready: kubectl describe pods -l slipway.dev/model-deployment={name}",
    "WaitingForModel": "The pods are ready, but the model does not answer: look at the container's log, and at spec.release.model.name.",
    "WarmingUp": "It goes on by itself while requests are answered. Where the message tells of one that was not: look at the pod's log, and at warmUp of the release or of its runtime.",
    "WaitingForRoute": "The gateway has not taken the weights yet: kubectl describe httproute {name}",
    "StableUnavailable": "The stable release has no ready pod: kubectl describe pods -l slipway.dev/model-deployment={name}",
    "MetricsUnavailable": "The source of a metric does not answer; the weight is held. Repair the source, or slipway promote {name}, or slipway abort {name}",
    "RoutingMismatch": "The gateway's counts do not fit the weights: do all requests go through the route that Slipway leads?",
    "NoData": "No request was counted yet: does live traffic reach the gateway, and does the metric name the right counters?",
    "Inconclusive": "analysis.maxDuration passed without a decision: slipway promote {name}, slipway abort {name}, or change the gates.",
    "RuntimeNotFound": "Create the runtime, or name another one: kubectl get modelruntimes,clustermodelruntimes. What serves goes on.",
    "RuntimeAmbiguous": "Name one of the runtimes in spec.release.runtime.name, or give one more priority for the format. What serves goes on.",
    "RuntimeDigestDiffers": "Write the digest of the runtime as it is now, or bring the runtime back to what it was. What serves goes on.",
    "RuntimeInvalid": "The message names the field of the release or of the runtime: correct it. What serves goes on.",
    "RuntimeEdited": "Nothing to do: what serves stays as it is. To roll the edit out, write the digest that the message names into spec.release.runtime.",
    # commands
    "CommandAccepted": "Nothing to do: a person's command was carried out.",
    "CommandRefused": "The command did not fit any more: look again with slipway status {name}, and give it anew if it is still meant.",
    "Resumed": "Nothing to do: a person resumed it.",
    "StepApproved": "Nothing to do: a person approved the step.",
    "StepSkipped": "Nothing to do: a person ended the step.",
    # giving up
    "AnalysisFailed": "A gate failed; the message has the numbers. Declare a better release, or revert spec.release; slipway retry {name} tries it again.",
    "RejectedBefore": "It was hauled back before, and comes back only on purpose: declare a better release, or have it tried again with slipway retry {name}",
    "StartDeadlineExceeded": "It did not come up in time: look at its pods' events and logs, then declare a repaired release or slipway retry {name}",
    "VerificationDeadlineExceeded": "Look at what the message says of the store, the credentials and the size, then slipway retry {name}",
    "VerificationFailed": "The message names the field: correct the release, or what is at its URI. slipway retry {name} looks again.",
    "ArtifactChanged": "What serves goes on, and pods that restart do not start. Bring the bytes back, or roll the new ones out: declare their digest beside that uri.",
    "CapacityDeadlineExceeded": "Pods were missing for too long: look for quotas and crashes, then slipway retry {name}",
    "CapacityLost": "All its pods failed under traffic: look at their logs, then declare a repaired release.",
    "Aborted": "A person aborted it. Revert spec.release in git, or slipway retry {name}",
    "RolledBack": "The release was hauled back, and what served before goes on. Declare a better release, or revert spec.release; slipway retry {name} tries it again.",
    # between rollouts
    "DriftFound": "Look at what feeds the model, and at the bins that the message names; then train anew and declare the release. Nothing is hauled back.",
    "NoDrift": "Nothing to do.",
    "DriftCollecting": "Nothing to do: more requests, or more time, bring the first answer. slipway status {name} tells what is missing.",
    "DriftUnreadable": "The message names the field of spec.drift, or the pod: repair the source. What was counted before stays.",
    "DriftReacted": "Nothing to do: whoever spec.drift.onDrift names was told.",
    "DriftReactionFailed": "The message says why: repair the receiver, its Secret or spec.drift.onDrift. It is carried out again when drift is found after the cooldown.",
    # registries
    "ReleaseSuggested": "To roll the version out, put what slipway suggest {name} prints into the manifest.",
    "ReleaseResolved": "Nothing to do: the version that the registry names is rolled out.",
    "AwaitingRegistry": "Look at the condition RegistryFailing, or at the alias in the registry. To go on without it, set spec.release.from.policy to Suggest and declare a version.",
    "RegistryUnreachable": "Nothing serves differently for it. Look whether the registry runs, and whether a NetworkPolicy lets the operator reach it.",
    "RegistryRefused": "The message names the field: repair the Secret of spec.release.from.credentials, or let the operator reach the address by --egress.",
    "RegistryNotFound": "The message names the field: repair the name in spec.release.from, or set the alias in the registry.",
    "RegistryAnswer": "Look what answers at the address of spec.release.from; the message says what it lacks.",
    "RegistryWritten": "Nothing to do.",
    "RegistryNotWritten": "The message says why: repair it, and set the alias or the tag in the registry by hand. The next verdict is written again.",
    # of the ModelDeployment
    "InvalidSpec": "The manifest cannot be read: the message names the fields. slipway lint -f FILE checks it without a cluster.",
    "ApplyRefused": "The API server refused an object: a quota, an admission policy or a missing permission, as the message says.",
    "NothingServes": "No release serves: look at the pods, and at the candidate's reason.",
    "StableServing": "Nothing to do.",
    "CandidateServing": "Nothing to do: the candidate is at its last step.",
}
"""What a person can do, for each reason that a status can show."""
