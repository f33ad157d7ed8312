"""What a decision is made on: a frozen picture of one ModelDeployment, its revisions, its route and the evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from slipway.analysis import ArmCounts, F1Cell, GroupCounts, GroupOutcomes, Histogram, ItemScores, PodWindow
from slipway.api import (
    AnalysisSpec,
    ArtifactStatus,
    Counter,
    DriftSpec,
    ModelDeploymentStatus,
    ModelRevisionStatus,
    Notification,
    RollbackSpec,
    WriteBack,
)
from slipway.rollout.course import Course, Step
from slipway.rollout.firing import ReactionOutcome
from slipway.rollout.signals import DistributionWindow, SignalFailure


class Role(StrEnum):
    """What a revision is to its ModelDeployment."""

    STABLE = "stable"
    CANDIDATE = "candidate"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Fleet:
    """A revision's Deployment as the API shows it.

    ``replicas`` is what was asked for, ``ready`` how many pods are ready, ``current`` whether the counts are of the
    present specification, and ``problem`` the most telling sentence about pods that do not come up.
    """

    exists: bool = False
    replicas: int = 0
    ready: int = 0
    current: bool = True
    problem: str | None = None
    other_bytes: str | None = None
    """What a pod says that found other bytes at the release's URI than those that were verified, and does not start."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What is known of the declared release's artifact, where something has to be verified before its pods start.

    At most one of ``artifact`` and ``refused`` is there: what was found, or reason and message of why it is not what
    it has to be. Where neither is, ``waits`` says what is waited for. ``known`` says that it holds already.
    """

    artifact: ArtifactStatus | None = None
    refused: tuple[str, str] | None = None
    waits: str = ""
    known: bool = False
    unruled: str = ""
    """Why it is not known what has to be verified: nothing begins before it is."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision: its identity, its record so far and its fleet.

    ``answers`` says whether the model answered in its inference protocol; None when it was not asked. ``cold`` is why
    its pods are not warmed up yet; None where they are, or nothing asks for it.
    """

    hash: str
    name: str
    version: str
    record: ModelRevisionStatus = field(default_factory=ModelRevisionStatus)
    fleet: Fleet = field(default_factory=Fleet)
    exists: bool = True
    answers: bool | None = None
    answer: str = ""
    cold: str | None = None


@dataclass(frozen=True, slots=True)
class Beside:
    """What the route leads to a revision beside its share, by the revision's hash: copies, matched requests, previews.

    ``mirrored`` is the share of the requests that are copied, in basis points.
    """

    mirror: str | None = None
    mirrored: int = 0
    matched: str | None = None
    previewed: str | None = None

    def names(self, hash_: str) -> bool:
        """Whether anything is led to this revision."""
        return hash_ in (self.mirror, self.matched, self.previewed)


@dataclass(frozen=True, slots=True)
class Route:
    """The owned route. ``written`` is what it says, ``observed`` what the gateway accepted of it (None: not known).

    Both map a revision's hash to basis points; a revision that is not in the mapping gets nothing. ``beside`` is what
    the route says beside the shares; it is in force when the shares are.
    """

    exists: bool = False
    foreign: bool = False
    written: Mapping[str, int] = field(default_factory=dict)
    observed: Mapping[str, int] | None = None
    problem: str | None = None
    beside: Beside = field(default_factory=Beside)
    unread: bool = False
    """It could not be read: ``written`` is what was last asked of it."""
    settles_in: timedelta | None = None
    """When a route that nobody answers for counts as taken up."""


@dataclass(frozen=True, slots=True)
class Durations:
    """How long answers to replayed items took, in seconds, and the whole part of the replay."""

    candidate: tuple[float, ...] = ()
    stable: tuple[float, ...] = ()
    replay: float = 0.0


@dataclass(frozen=True, slots=True)
class GoldenBatch:
    """Answers to some items of a golden set, beginning at item ``start`` of ``size`` in their shuffled order.

    Of items without labels a tie that is right is an answer like stable's, and a loss is another one.
    """

    metric: str
    dataset: str
    size: int
    start: int
    losses: int = 0
    wins: int = 0
    ties_right: int = 0
    ties_wrong: int = 0
    excluded: int = 0
    examples: tuple[str, ...] = ()
    left_out: str = ""
    """Which items of the set are not judged, or not in each of its slices."""
    groups: tuple[GroupCounts, ...] = ()
    """The same by groups: each group of the whole set, whether items of it are in the batch or not."""
    outcomes: tuple[GroupOutcomes, ...] = ()
    """What each group was predicted to be, where fairness is asked for: each group of the whole set."""
    scores: tuple[ItemScores | None, ...] | None = None
    """What each item scores, where it is not right and wrong answers that are counted; None for one without a score."""
    cells: tuple[F1Cell | None, ...] | None = None
    """What each item is to F1, where that is asked for; None for one that neither arm answered."""
    scale: float = 1.0
    """What the mean of scores is to be multiplied by to be the measure's."""
    durations: Durations = field(default_factory=Durations)

    @property
    def items(self) -> int:
        """How many items the batch has answers to."""
        return self.losses + self.wins + self.ties_right + self.ties_wrong + self.excluded


@dataclass(frozen=True, slots=True)
class JobCounts:
    """What a Job of the user counted: bad outcomes among all of each arm. ``job`` is its name."""

    metric: str
    job: str
    candidate: ArmCounts
    stable: ArmCounts | None


@dataclass(frozen=True, slots=True)
class CounterWindow:
    """What the counters grew by since the cursor, for each arm; None for the first look, which only sets the cursor."""

    metric: str
    candidate: ArmCounts | None
    stable: ArmCounts | None
    counters: tuple[Counter, ...]
    pods: PodWindow | None = None
    """The same by pod, where the source tells pods apart."""


@dataclass(frozen=True, slots=True)
class LatencyWindow:
    """The same for latencies, in buckets that end where the arms are compared. The counters are those of each edge.

    ``past`` is all that stable did before, on a look at which the edges are not fixed yet; the counters then are those
    of the edges that it fixes, and none where it is too little.
    """

    metric: str
    candidate: Histogram | None
    stable: Histogram | None
    counters: tuple[Counter, ...]
    past: Histogram | None = None


@dataclass(frozen=True, slots=True)
class NumberReading:
    """One look at a number that is read and not counted: one for each pod, or one for the release. Empty where there is
    none yet, of which ``missing`` says what to look at."""

    metric: str
    candidate: tuple[float, ...]
    stable: tuple[float, ...]
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Reported:
    """Reports on requests of one arm in one window: so many, and so many of them that speak against the release."""

    labelled: int = 0
    wrong: int = 0


@dataclass(frozen=True, slots=True)
class Matured:
    """Reports on the requests of both arms from ``start`` up to ``end`` (milliseconds of Unix time)."""

    start: int
    end: int
    candidate: Reported
    stable: Reported


@dataclass(frozen=True, slots=True)
class LabelWindow:
    """Requests of each arm since the cursor, None for the first look, and the reports on windows that are mature."""

    metric: str
    candidate: int | None
    stable: int | None
    counters: tuple[Counter, ...]
    matured: tuple[Matured, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceFailure:
    """A source that gave no evidence, and what to do about it. Never counted for or against a release."""

    metric: str
    message: str


@dataclass(frozen=True, slots=True)
class DriftLook:
    """What a look found of the stable release, whose hash is named, while no rollout was under way."""

    revision: str
    distributions: tuple[DistributionWindow | SignalFailure, ...] = ()
    golden: GoldenBatch | SignalFailure | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A source that is still at work, such as a Job that runs. The message stays the same while nothing changes."""

    metric: str
    message: str


@dataclass(frozen=True, slots=True)
class NoticeOutcome:
    """How far a message of this process is: Sending, Sent or Failed."""

    id: str
    state: str
    message: str = ""


Evidence = (
    GoldenBatch | JobCounts | CounterWindow | LatencyWindow | NumberReading | LabelWindow | SourceFailure | Waiting
)


@dataclass(frozen=True, slots=True)
class Observation:
    """All that `decide` looks at. The shell passes the time in."""

    now: datetime
    name: str
    generation: int
    desired: str
    """Hash of the release that the specification declares."""
    desired_name: str
    desired_version: str
    replicas: int
    """Pods that carry all traffic."""
    course: Course
    gates: str
    """Hash of the settings that candidates are judged under."""
    analysis: AnalysisSpec = field(default_factory=AnalysisSpec)
    rollback: RollbackSpec = field(default_factory=RollbackSpec)
    revisions: Mapping[str, Revision] = field(default_factory=dict)
    route: Route = field(default_factory=Route)
    gateway_problem: str | None = None
    """Why no Gateway can take the route as it is declared. A route that exists stays where it is meanwhile."""
    status: ModelDeploymentStatus = field(default_factory=ModelDeploymentStatus)
    evidence: tuple[Evidence, ...] = ()
    paused: bool = False
    """The specification holds every rollout."""
    command: str | None = None
    """The annotation with a person's command, word for word."""
    commanded_by: str | None = None
    """Who gave it, where that is said."""
    unsupported: str | None = None
    """Why the strategy cannot be carried out as it is declared."""
    unresolved: tuple[str, str] | None = None
    """Reason and message of why the declared release comes to nothing that could serve; it has no revision then."""
    edited: str | None = None
    """What to say of a runtime that was edited after the declared release was settled with it."""
    verification: Verification | None = None
    """What is known of the declared release's artifact; None where nothing has to be verified."""
    write_back: WriteBack | None = None
    """What the registry is told of verdicts."""
    written_back: tuple[NoticeOutcome, ...] = ()
    """What this process has told it, and is telling it."""
    router: str = ""
    """Name of the router that the specification declares."""
    queued: str | None = None
    """What a rollout that has not begun waits for, where the number of rollouts is limited."""
    drift: DriftSpec | None = None
    """What is watched of the stable release."""
    drift_look: DriftLook | None = None
    reactions: tuple[ReactionOutcome, ...] = ()
    """What came of what was done about drift."""
    receivers: tuple[Notification, ...] | None = ()
    """Who is told of decisions; None while it is not known."""
    notified: tuple[NoticeOutcome, ...] = ()
    """What this process has sent, and is sending."""
    autoscaled: tuple[int, int] | None = None
    """Fewest and most pods of a release with all traffic, where an autoscaler decides."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """The ladder."""
        return self.course.steps
