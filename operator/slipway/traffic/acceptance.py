"""Whether the parents of an HTTPRoute have taken it up as it is now.

A weight is in force when every parent has said so about the route's current generation: ``Accepted`` and
``ResolvedRefs`` are True and their observedGeneration has caught up. That is what the standard lets anybody know. The
data plane of an implementation may follow a little later: Traefik 3.7 answers when it has read a route, and acts on it
up to its throttle later (``providersThrottleDuration``: 2 s by default, and 2.3 s were the most that was measured).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

GROUP: Final = "gateway.networking.k8s.io"
_CONDITIONS: Final = ("Accepted", "ResolvedRefs")


def refused_by(parents: Iterable[Mapping[str, Any]], route: Mapping[str, Any]) -> str | None:
    """Why the first of the parents has not taken up the live route; None when all have.

    `parents` are parentRefs as they are written, those that the route is meant to have.
    """
    metadata = route.get("metadata") or {}
    answers = (route.get("status") or {}).get("parents") or []
    generation, namespace = metadata.get("generation", 0), metadata.get("namespace", "")
    return next(filter(None, (_refusal(parent, answers, generation, namespace) for parent in parents)), None)


def _refusal(
    parent: Mapping[str, Any], answers: Sequence[Mapping[str, Any]], generation: int, namespace: str
) -> str | None:
    """Why one parent has not taken up the route as it is now; None when it has.

    More than one controller may have written about the same parent, for instance when a Gateway moved to another
    implementation. Answers about older generations do not count, and one current refusal does.
    """
    wanted = _identity(parent, namespace)
    mine = [answer for answer in answers if _identity(answer.get("parentRef") or {}, namespace) == wanted]
    name = _name_of(parent, namespace)
    if not mine:
        return f"no controller has answered for {name}"
    states = [_state(answer.get("conditions") or [], generation, name) for answer in mine]
    refusals = [problem for current, problem in states if current and problem]
    if refusals:
        return refusals[0]
    if any(current for current, _ in states):
        return None
    return f"{name} has not taken up the latest version of the route yet (generation {generation})"


def _identity(parent: Mapping[str, Any], namespace: str) -> tuple[Any, ...]:
    return (
        parent.get("group", GROUP),
        parent.get("kind", "Gateway"),
        parent.get("namespace") or namespace,
        parent.get("name"),
        parent.get("sectionName") or None,
        parent.get("port") or None,
    )


def _state(conditions: Sequence[Mapping[str, Any]], generation: int, name: str) -> tuple[bool, str | None]:
    """Whether the answer is about the current generation, and what it refuses."""
    by_type = {condition.get("type"): condition for condition in conditions}
    current = True
    for kind in _CONDITIONS:
        condition = by_type.get(kind, {})
        if condition.get("observedGeneration", -1) < generation:
            current = False
        elif condition.get("status") != "True":
            message = " ".join(str(condition.get("message", "")).split())
            return True, f"{name}: {kind} is {condition.get('status')} ({condition.get('reason')}): {message}"
    return current, None


def _name_of(parent: Mapping[str, Any], namespace: str) -> str:
    section = parent.get("sectionName")
    listener = f", listener {section}" if section else ""
    kind = parent.get("kind", "Gateway")
    return f"{kind} {parent.get('namespace') or namespace}/{parent.get('name')}{listener}"
