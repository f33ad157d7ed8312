"""Pages for whoever looks at a rollout, written from the code: what is wrong by its symptom, conditions, Events.

`slipway.rollout.document` writes them. A reason that asks a person for something stands under exactly one symptom.
"""

from __future__ import annotations

# ruff: noqa: E501 - sentences are data that reaches readers as one line
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from slipway.rollout import reasons
from slipway.rollout.advice import ADVICE
from slipway.rollout.status import (
    ARTIFACT_CHANGED,
    AVAILABLE,
    DRIFTED,
    PAUSED,
    READY,
    RECONCILING,
    REGISTRY_FAILING,
    RUNTIME_CHANGED,
    STALLED,
    SUGGESTED,
)

TROUBLESHOOTING_FILE: Final = "troubleshooting.md"
CONDITIONS_FILE: Final = "reference/conditions.md"
EVENTS_FILE: Final = "reference/events.md"

IDLE: Final = "Nothing to do"
"""What an advice begins with where nobody is asked for anything."""


@dataclass(frozen=True, slots=True)
class Symptom:
    """What a person sees, how to tell what is behind it, and the reasons that can be."""

    title: str
    text: str
    reasons: tuple[str, ...]


SYMPTOMS: Final = (
    Symptom(
        "Nothing happens after I applied a manifest",
        "`kubectl get mdep` shows the phase `Pending`, `Holding` or `InvalidSpec`, and no pod of the new release.",
        (
            "InvalidSpec",
            "StrategyUnsupported",
            "GatewayNotReady",
            "RouteConflict",
            "WaitingForTurn",
            "ApplyRefused",
            "PolicyUnreadable",
            "RuntimeNotFound",
            "RuntimeAmbiguous",
            "RuntimeDigestDiffers",
            "RuntimeInvalid",
        ),
    ),
    Symptom(
        "The candidate does not come up",
        "The phase is `Verifying` or `Starting`, or the rollout stands still because pods went away.",
        (
            "WaitingForModel",
            "WarmingUp",
            "WaitingForCapacity",
            "WaitingForArtifact",
            "StartDeadlineExceeded",
            "VerificationDeadlineExceeded",
            "VerificationFailed",
            "CapacityDeadlineExceeded",
        ),
    ),
    Symptom(
        "The weight does not rise",
        "The phase is `Evaluating`, `Shadowing`, `Stepping` or `Holding`, and stays. `slipway status NAME` says of each gate what "
        "is missing.",
        (
            "GatheringEvidence",
            "NoData",
            "RoutingMismatch",
            "MetricsUnavailable",
            "WaitingForRoute",
            "MinimumDuration",
            "Inconclusive",
        ),
    ),
    Symptom(
        "It waits for a person",
        "The phase is `Paused` or `AwaitingApproval`, or a command did nothing.",
        ("AwaitingApproval", "Paused", "CommandRefused"),
    ),
    Symptom(
        "The release was hauled back",
        "`Stalled` is True: stable serves, and it is not what the manifest says. `slipway report NAME -o report.html` has all of "
        "the evidence on one page.",
        ("RejectedBefore", "AnalysisFailed", "CapacityLost", "Aborted", "RolledBack", "StableRestored"),
    ),
    Symptom(
        "A promoted release is bad",
        "`Ready` is True, and users complain. While it is watched an abort goes back at once; after that, declare the earlier "
        "release again.",
        ("PromotionWatched",),
    ),
    Symptom(
        "Nothing serves",
        "`Available` is False. Traffic is led to where pods are ready, if there are any.",
        ("StableUnavailable", "NothingServes"),
    ),
    Symptom(
        "Pods of a release that serves do not start again",
        "The condition `ArtifactChanged` is True.",
        ("ArtifactChanged",),
    ),
    Symptom(
        "Drift is told of, or is not",
        "The condition `Drifted` is True or Unknown.",
        ("DriftFound", "DriftUnreadable", "DriftReactionFailed"),
    ),
    Symptom(
        "The registry names a version, and nothing happens",
        "The condition `Suggested` or `RegistryFailing` is True.",
        (
            "ReleaseSuggested",
            "AwaitingRegistry",
            "RegistryUnreachable",
            "RegistryRefused",
            "RegistryNotFound",
            "RegistryAnswer",
            "RegistryNotWritten",
        ),
    ),
    Symptom(
        "Nobody was told",
        "A message did not arrive. The rollout does not depend on it.",
        ("NotificationFailed",),
    ),
)
"""What a person sees first, most common cause first."""

CONDITIONS: Final = {
    READY: ("always", "the release of this generation takes all traffic", "it does not, or not yet"),
    AVAILABLE: ("always", "a release that is known to be good serves", "none does"),
    RECONCILING: (
        "while a rollout is on, or what the API server refused is tried again",
        "something goes on by itself",
        "",
    ),
    STALLED: (
        "when nothing goes on by itself",
        "the release was hauled back, or the manifest cannot be read: only a change of the manifest or a command helps",
        "",
    ),
    PAUSED: ("while a person or `spec.paused` holds a rollout", "nothing advances, and what fails is hauled back", ""),
    DRIFTED: (
        "where `spec.drift` asks for it",
        "what the stable release is asked, or answers, has changed",
        "it has not; Unknown while nobody knows",
    ),
    SUGGESTED: (
        "while the registry names another version, under the policy Suggest",
        "`status.suggestion` holds what to declare",
        "",
    ),
    REGISTRY_FAILING: (
        "while the registry of `spec.release.from` names nothing",
        "nothing new is declared, and what serves goes on serving; it became True when that began",
        "",
    ),
    RUNTIME_CHANGED: (
        "while the runtime of the declared release is another one than it was settled with",
        "what serves stays as it is; the message says what to write to roll the edit out",
        "",
    ),
    ARTIFACT_CHANGED: (
        "while pods of a release that serves find other bytes at its URI than those that were verified",
        "what runs goes on, and pods that restart do not start; the message names the URI and both digests",
        "",
    ),
}
"""When each condition is present, and what True and False say."""

_TROUBLESHOOTING_HEAD: Final = """<!-- Generated from operator/slipway/rollout/handbook.py by `make generate` -->

# Troubleshooting

Begin with `slipway explain NAME`, or `kubectl slipway explain NAME`. It says where the rollout is, why, on what evidence, what
comes next, and what you can do:

    $ slipway explain fraud
    fraud in namespace shop
      Where it is
        release v2 is stable and takes 100% of the traffic
        release v3 has been RolledBack for 5s
      Why
        AnalysisFailed: release v3 was hauled back: accuracy: Fail n=480 of 600; accuracy 84.38% beside stable's 93.75%
      ...
      What you can do
        A gate failed; the message has the numbers. Declare a better release, or revert spec.release; slipway retry fraud
        tries it again.

The word before the colon is the reason. Below, each reason that asks something of you stands under what you see first. `NAME`
stands for the name of the ModelDeployment. [All reasons](reasons.md) are on a page of their own, and each alert has
[a runbook](runbooks/SlipwayDown.md).

## `slipway explain` says that nobody has looked

No status at all, or a generation that is older than the manifest: the operator does not run, or may not act.

    kubectl get pods --all-namespaces -l app.kubernetes.io/part-of=slipway
    kubectl --namespace slipway-system logs deployment/slipway --tail 50
    kubectl --namespace slipway-system port-forward deployment/slipway 8081 & curl localhost:8081/readyz

`/readyz` has a line for each thing that is missing: [the operator as a process](operator.md#health) explains them. With
`scope.namespaces` or a namespace selector the operator looks at those namespaces alone.
"""

_CONDITIONS_HEAD: Final = """<!-- Generated from operator/slipway/rollout/handbook.py by `make generate` -->

# Conditions

`status.conditions` of a ModelDeployment. They are the contract: `kubectl wait`, Argo CD and Flux read them. All are written
together with `status.observedGeneration`, and each carries the generation that it is about.

| condition | present | True | False |
|---|---|---|---|
"""

_CONDITIONS_TAIL: Final = """
The reason of a condition is one of [these](../reasons.md). After a rollback `Ready` is False, `Available` and `Stalled` are True.

    kubectl wait --for=condition=Ready mdep/fraud --timeout=1h

returns when the release of this generation takes all traffic, and times out when it was hauled back. `slipway status fraud
--watch` tells the two apart by [its exit code](../cli.md#exit-codes).
"""

_EVENTS_HEAD: Final = """<!-- Generated from operator/slipway/rollout/handbook.py by `make generate` -->

# Events

The operator writes core/v1 Events about the ModelDeployment: `kubectl describe mdep NAME`, or `slipway history NAME` for the
timelines, which are kept for longer. An Event whose object, type, reason and message are the same counts up, also after a
restart of the operator. Losing one never costs a decision.

| what is told | type |
|---|---|
| every entry that the timeline of a revision gains, with its reason | Normal; Warning when the phase is `RollingBack` or `RolledBack`{warnings} |
| a hold that ends only when somebody changes something, once when it begins: {holds} | Warning |
| a command that was carried out: `{accepted}` | Normal |
| a command that was not: `{refused}` | Warning |
| a message to a receiver that could not be sent: `{unsent}` | Warning |
| what a registry names, and that it was told of a verdict: {registry} | Normal |
| why a registry names nothing, once for a reason, or was not told of a verdict: {unnamed} | Warning |

The message begins with the release that it is about and has the numbers that the decision was made on. What each reason means is
in [Reasons](../reasons.md).
"""


def troubleshooting_markdown(meanings: Mapping[str, str]) -> str:
    """The page on what is wrong, given what each reason means."""
    return _TROUBLESHOOTING_HEAD + "".join(_symptom(symptom, meanings) for symptom in SYMPTOMS)


def _symptom(symptom: Symptom, meanings: Mapping[str, str]) -> str:
    lines = [f"\n## {symptom.title}", "", symptom.text, "", "| it says | which means | what to do |", "|---|---|---|"]
    return "\n".join([*lines, *_rows(symptom.reasons, meanings)]) + "\n"


def _rows(names: tuple[str, ...], meanings: Mapping[str, str]) -> Iterator[str]:
    for name in names:
        yield f"| `{name}` | {meanings[name]} | {ADVICE[name].format(name='NAME')} |"


def conditions_markdown() -> str:
    """The page on conditions."""
    rows = (f"| `{kind}` | {present} | {true} | {false} |\n" for kind, (present, true, false) in CONDITIONS.items())
    return _CONDITIONS_HEAD + "".join(rows) + _CONDITIONS_TAIL


def events_markdown() -> str:
    """The page on Events."""
    return _EVENTS_HEAD.format(
        warnings=", or the reason is one of " + _listed(reasons.WARNINGS) if reasons.WARNINGS else "",
        holds=_listed(reasons.NEEDS_A_PERSON),
        accepted=reasons.COMMAND_ACCEPTED,
        refused=reasons.COMMAND_REFUSED,
        unsent=reasons.NOTIFICATION_FAILED,
        registry=_listed(reasons.OF_REGISTRIES),
        unnamed=_listed(reasons.REGISTRY_FAILURES),
    )


def _listed(names: frozenset[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))
