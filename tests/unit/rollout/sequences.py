"""Sequences of everything that people, clusters and bad luck do to a rollout, as plain data.

A sequence is the name of a beginning and a list of disturbances, each a name and a number that says which one, how many
or to whom. So a sequence can be drawn by any source of numbers, written down, run again and cut down to what matters.
At the end of each the world is left in peace, and has to come to the right end within a bounded time.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from functools import cache

from unit.rollout.builders import accuracy, errors_in_pods
from unit.rollout.strategies import OF_PODS, SHADOWED, SHIFTING, STRATEGIES
from unit.rollout.world import ABSOLUTE, ANALYSIS, ROLLBACK, Release, Stopped, World

from slipway.api import AnalysisSpec, Phase
from slipway.rollout import FULL, Beside, roles
from slipway.rollout.table import ON_TRIAL

Disturbance = tuple[str, int]

LENGTH = 12
"""Disturbances of a drawn sequence."""
LARGEST = 59
"""The largest number of a disturbance: enough for every choice among its options."""
PEACE = 280
"""Ticks in which a world without disturbances has to come to its end."""

IN_PODS = AnalysisSpec(metrics=[accuracy(), errors_in_pods()])
WATCHED = ROLLBACK.model_copy(update={"watch": timedelta(seconds=30), "window": timedelta(minutes=5)})
FLAWS = ({}, {}, {}, {"accurate": False}, {"healthy": False}, {"starts": False}, {"sound": False})
CALM = ("WatchOver", "GatesPassed")


# --- beginnings ---


def _settings() -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    for name in STRATEGIES:
        analysis = IN_PODS if name in SHADOWED else ANALYSIS
        if name not in OF_PODS or name in ("rolling update", "blue-green", "weighted A-B test"):
            shifting = {"scarce": True} if name in SHIFTING else {}
            found[name] = {"strategy": name, "analysis": analysis, "rollback": WATCHED, **shifting}
        if name in OF_PODS:
            found[f"{name} by pods"] = {
                "strategy": name,
                "by_replicas": True,
                "analysis": IN_PODS,
                "rollback": WATCHED,
            }
    for name in ("canary", "blue-green", "full canary", "A-B test"):
        found[f"{name}, autoscaled"] = {**found[name], "autoscaled": (2, 8)}
    for name in ("canary", "blue-green"):
        found[f"{name}, delivered"] = {**found[name], "delivers": True}
    found["canary without a watch"] = {**found["canary"], "rollback": ROLLBACK, "analysis": ABSOLUTE}
    return found


SETTINGS = _settings()

PLACES = ("first", "declared", "under way", "half way", "late", "replaced")
"""How far the rollout of the second release is when a sequence begins."""

BEGINNINGS = [f"{name}/{place}" for name in SETTINGS for place in PLACES]


def begin(beginning: str) -> World:
    """A world of one's own at this beginning."""
    return _begun(beginning).fork()


@cache
def _begun(beginning: str) -> World:
    name, place = beginning.split("/")
    world = World(**SETTINGS[name])  # type: ignore[arg-type]
    world.declare(Release("1"))
    if place == "first":
        return world
    world.until_rest(60)
    if place == "replaced":  # an earlier release that was stable lately is there to come back
        world.declare(Release("0"))
        world.until_rest(80)
    world.declare(Release("2"))
    world.tick({"declared": 0, "under way": 5, "half way": 9, "late": 13, "replaced": 4}[place])
    world.checks.thorough = False
    return world


# --- disturbances ---


def _pick(options: Iterable[str], number: int) -> str | None:
    known = sorted(options)
    return known[number % len(known)] if known else None


def _new_release(world: World, n: int) -> None:
    world.declare(Release(str(len(world.releases) + 1), **FLAWS[n % len(FLAWS)]))


def _runtimes(world: World, n: int) -> None:
    """No runtime serves what is declared next, or one does again; sometimes another release is declared with it."""
    world.without_runtime = n % 3 > 0
    if n % 3 == 2:
        _new_release(world, n // 3)
    else:
        world.settle()


def _earlier_release(world: World, n: int) -> None:
    world.declare(world.releases[_pick(world.releases, n) or ""])


def _stable_again(world: World, n: int) -> None:
    known = [hash_ for hash_, record in world.records.items() if record.phase in ("Stable", "Superseded")]
    hash_ = _pick(known, n)
    if hash_:
        world.declare(world.releases[hash_])


def _replicas(world: World, n: int) -> None:
    world.replicas = (4, 8, 3)[n % 3] if world.by_replicas else 2 + n % 6 if world.scarce else n % 8
    world.edited()


def _strategy(world: World, n: int) -> None:
    possible = OF_PODS if world.by_replicas else SHIFTING if world.scarce else tuple(set(STRATEGIES) - set(SHIFTING))
    world.strategy = _pick(possible, n) or ""
    world.checks.redirected = True
    world.edited()


def _gates(world: World, n: int) -> None:
    stricter = timedelta(seconds=10 + n % 3 * 5)
    world.analysis = world.analysis.model_copy(update={"interval": stricter})
    world.edited()


def _rollback(world: World, n: int) -> None:
    changes = (
        {"watch": timedelta(0)},
        {"watch": timedelta(seconds=30)},
        {"watch": timedelta(minutes=10)},
        {"window": timedelta(0)},
        {"window": timedelta(hours=1)},
        {"revision_history_limit": 0},
    )
    world.rollback = world.rollback.model_copy(update=changes[n % len(changes)])
    world.edited()


def _pause(world: World, n: int) -> None:
    world.paused = n % 2 == 0
    world.edited()


VERBS = ("promote", "promote-full", "approve", "pause", "resume", "abort", "retry")


def _command(world: World, n: int) -> None:
    """A command that fits: about the release on trial, or the one that is watched, at its present step."""
    seen = world.look().seen
    who = roles(seen)
    hash_ = who.candidate or who.stable
    if hash_ in world.records:
        step = _stage(world, hash_ or "") if n % 2 else ""
        world.say(f"{VERBS[n // 2 % len(VERBS)]}@{hash_[:8] if hash_ else ''}{step}#{world.looks}")


def _stage(world: World, hash_: str) -> str:
    record = world.records[hash_]
    match record.phase:
        case Phase.SHADOWING:
            return "/shadow"
        case Phase.EVALUATING:
            return "/golden"
        case Phase.STEPPING:
            return f"/{min(record.step or 0, max(0, len(world.on_course.steps) - 1)) + 1}"
    return ""


def _stale_command(world: World, n: int) -> None:
    """A command about any release, at any step."""
    hash_ = _pick(world.records, n) or "0" * 64
    world.say(f"{VERBS[n % len(VERBS)]}@{hash_[:8]}/{n % 5 + 1}#{world.looks}")


GARBAGE = (
    "",
    "promote",
    "promote@x#1",
    "destroy@12345678#1",
    "abort@00000000#1",
    "abort@12345678/0#2",
    "x" * 300,
    "@#",
)


def _garbage(world: World, n: int) -> None:
    text = GARBAGE[n % len(GARBAGE)]
    world.checks.answered.discard(text[:256])  # the same text may be given again after another one
    world.say(text)


def _route(world: World, n: int) -> None:
    """Someone else edits the route."""
    if not world.written:
        return
    known = sorted(world.written)
    if world.by_replicas:
        world.edit_route({known[n % len(known)]: FULL})
    elif n % 4 == 3:
        world.edit_route(world.written, Beside())
    else:
        share = n * 170
        weights = {known[0]: FULL - share, known[-1]: share} if len(known) > 1 else {}
        world.edit_route({hash_: weight for hash_, weight in weights.items() if weight > 0})


def _tick(world: World, n: int) -> None:
    world.tick(n % 4 + 1)


def _silence(world: World, n: int) -> None:
    world.pass_time()
    world.skipped += timedelta(minutes=(1, 5, 60)[n % 3])
    world.settle()


def _back(world: World, n: int) -> None:
    """The clock is set back a little, and goes on."""
    world.skipped -= timedelta(seconds=n % 20)
    world.settle()


def _crash(world: World, n: int) -> None:
    hash_ = _pick(world.fleets, n)
    if hash_:
        world.crashed.add(hash_)


def _all_crash(world: World, n: int) -> None:
    world.crashed |= set(world.fleets)


def _recover(world: World, n: int) -> None:
    world.crashed.clear()


def _flap(world: World, n: int) -> None:
    """Some pods are not ready for a while."""
    hash_ = _pick(world.fleets, n)
    if hash_:
        moments = world.fleets[hash_].ready_at
        half = len(moments) // 2 + 1
        later = tuple(max(moment, world.clock + n % 4) for moment in moments[:half])
        world.fleets[hash_] = type(world.fleets[hash_])((*later, *moments[half:]))


def _scale(world: World, n: int) -> None:
    hash_ = _pick(world.fleets, n)
    if hash_:
        world.scale(hash_, n % 10)


def _sicken(world: World, n: int) -> None:
    hash_ = _pick(world.fleets, n)
    if hash_:
        world.checks.excuse(hash_)
        world.sick ^= {hash_}


def _outage(world: World, n: int) -> None:
    world.outages.add(("live", "golden", "store")[n % 3])


def _answer(world: World, n: int) -> None:
    world.outages.clear()


def _gateway(world: World, n: int) -> None:
    world.gateway = n % 2 == 1 or world.by_replicas


def _speed(world: World, n: int) -> None:
    world.start_lag, world.gateway_lag = n % 5, n % 3


def _queue(world: World, n: int) -> None:
    world.queued = "1 of 1 rollouts of namespace shop is under way: other" if n % 2 else None


def _kill(world: World, n: int) -> None:
    """The operator is killed between two writes of one decision."""
    world.pass_time()
    look = world.look()
    try:
        world.carry_out(world.judge(look), look, only=n % 6)
    except Stopped:
        return


def _kill_soon(world: World, n: int) -> None:
    world.kill_at = world.writes + n % 12


def _conflict(world: World, n: int) -> None:
    """Someone else writes first."""
    world.pass_time()
    look = world.look()
    keys = ["status", "route", *(f"record {h}" for h in world.records), *(f"fleet {h}" for h in world.fleets)]
    taken = _pick(keys, n) or ""
    world.versions[taken] = world.versions.get(taken, 0) + 1
    _attempt(world, look)


def _stale(world: World, n: int) -> None:
    """The operator was held up after an earlier look, and acts on it now."""
    known = [look for look in world.history if set(look.seen.revisions) <= set(world.records)]
    if known:
        _attempt(world, world.look_again(known[-min(n % 5 + 1, len(known))]))


def _attempt(world: World, look) -> None:
    try:
        world.carry_out(world.judge(look), look)
    except Stopped:
        return


DISTURBANCES: dict[str, Callable[[World, int], None]] = {
    "new release": _new_release,
    "earlier release": _earlier_release,
    "stable again": _stable_again,
    "replicas": _replicas,
    "strategy": _strategy,
    "gates": _gates,
    "runtimes": _runtimes,
    "rollback": _rollback,
    "pause": _pause,
    "command": _command,
    "stale command": _stale_command,
    "garbage": _garbage,
    "route": _route,
    "tick": _tick,
    "silence": _silence,
    "back": _back,
    "crash": _crash,
    "all crash": _all_crash,
    "recover": _recover,
    "flap": _flap,
    "scale": _scale,
    "sicken": _sicken,
    "outage": _outage,
    "answer": _answer,
    "gateway": _gateway,
    "speed": _speed,
    "queue": _queue,
    "kill": _kill,
    "kill soon": _kill_soon,
    "conflict": _conflict,
    "stale": _stale,
}

_OFTEN = ("tick", "tick", "tick", "tick", "tick", "command", "command", "kill", "recover")
_NAMES = (*DISTURBANCES, *_OFTEN)


def drawn(seed: int) -> tuple[str, list[Disturbance]]:
    """The sequence of a seed."""
    source = random.Random(seed)
    chosen = source.choices(_NAMES, k=LENGTH)
    return BEGINNINGS[seed % len(BEGINNINGS)], [(name, source.randrange(LARGEST + 1)) for name in chosen]


# --- running ---


def run(beginning: str, disturbances: Sequence[Disturbance], *, peace: bool = True, thorough: bool = False) -> World:
    """Run a sequence. Raises AssertionError where an invariant breaks, or the end is not the right one."""
    world = begin(beginning)
    world.checks.thorough = thorough
    for name, number in disturbances:
        DISTURBANCES[name](world, number)
    if peace:
        _peace(world)
    return world


def _peace(world: World) -> None:
    world.crashed.clear()
    world.outages.clear()
    world.sick.clear()
    world.gateway, world.kill_at, world.paused, world.queued = True, None, False, None
    world.without_runtime = False
    world.start_lag, world.gateway_lag = 2, 1
    world.replicas = 4 if world.by_replicas else world.replicas or 1
    world.edited()
    for tick in range(PEACE):
        world.pass_time()
        world.settle()
        _say_what_is_asked_for(world, patient=tick < PEACE // 2)
        if world.resting and world.at_rest:
            break
    _comes_to_the_right_end(world)


def _say_what_is_asked_for(world: World, *, patient: bool) -> None:
    """A person gives the approval that is waited for, ends a pause, and decides what evidence cannot, or not soon."""
    record = world.records.get(world.desired)
    if record is None or record.phase not in ON_TRIAL:
        return
    verbs = {"Paused": "resume", "AwaitingApproval": "approve", "Inconclusive": "promote"}
    if not patient and world.desired in world.checks.excused:  # harm of a bad time takes long to be outweighed
        verbs["GatheringEvidence"] = "promote"
    verb = verbs.get(record.reason or "")
    if verb is not None:
        world.say(f"{verb}@{world.desired[:8]}#{world.looks}")
        world.resting = False


LEGITIMATE = {
    "CapacityLost",
    "CapacityDeadlineExceeded",
    "StartDeadlineExceeded",
    "VerificationDeadlineExceeded",
    "VerificationFailed",
    "AnalysisFailed",
    "Aborted",
    "RolledBack",
}


def _comes_to_the_right_end(world: World) -> None:
    release = world.releases[world.desired]
    stable = [hash_ for hash_, record in world.records.items() if record.phase == Phase.STABLE]
    phase, reason = world.phase(release), world.records[release.hash].reason
    assert len(stable) <= 1
    if phase == Phase.ROLLED_BACK:
        assert reason in LEGITIMATE, f"rolled back for {reason}"
    else:
        assert phase == Phase.STABLE, f"after peace it is {phase}: {reason}: {world.records[release.hash].message}"
    serving = world.written or {}
    assert world.accepted == serving
    if stable:
        assert serving == {stable[0]: FULL}
        size = world.fleets[stable[0]].size
        assert size == world.replicas if world.autoscaled is None else 2 <= size <= 8
    else:
        # A first release that was replaced before it was stable keeps what it serves, should its successor fail.
        assert [world.records[hash_].phase for hash_ in serving] in ([], [Phase.SUPERSEDED])
    status = world.status
    conditions = {condition.type: condition.status for condition in status.conditions or ()}
    assert conditions["Ready"] == str(phase == Phase.STABLE)
    assert conditions["Available"] == str(bool(stable))
    assert conditions.get("Stalled") == ("True" if phase == Phase.ROLLED_BACK else None)
    assert not {"Reconciling", "Paused"} & conditions.keys()
    assert status.standby is None
    assert status.replicas == (world.fleets[stable[0]].size if stable else 0)
    if world.command:
        assert status.last_command is not None
        assert status.last_command.command == world.command[:256], "a command was never answered"
    idle = {hash_ for hash_, fleet in world.fleets.items() if fleet.size} - set(serving)
    assert not idle, "pods of a release that does not serve are still there"
    over = [hash_ for hash_ in world.records if hash_ not in {*serving, world.desired}]
    assert len(over) <= world.rollback.revision_history_limit, "the history is longer than its limit"
    assert world.judge(world.look()).wake_after is None, "nothing is going on, and it looks again"


def shortened(beginning: str, disturbances: Sequence[Disturbance]) -> list[Disturbance]:
    """What is left of a sequence that fails when everything is taken out that it fails without."""
    rest = list(disturbances)
    failure = failure_of(beginning, rest)
    index = 0
    while index < len(rest):
        without = rest[:index] + rest[index + 1 :]
        if _kind(failure_of(beginning, without)) == _kind(failure):
            rest = without
        else:
            index += 1
    return rest


def failure_of(beginning: str, disturbances: Sequence[Disturbance]) -> str | None:
    """What a sequence fails with; None when it does not."""
    try:
        run(beginning, disturbances)
    except (AssertionError, LookupError, ValueError, TypeError, AttributeError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def _kind(failure: str | None) -> str | None:
    """A failure without its numbers."""
    return re.sub(r"[0-9.]+", "", failure.split("(")[0].split("[")[0]) if failure else None
