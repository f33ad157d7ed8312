"""What is different between two revisions, in the words of somebody who answers for a model. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from slipway.cli.changes import Change, changes
from slipway.cli.picture import Tried
from slipway.cli.view import Branch, Tone

ASPECTS: Final = (
    ("weights", (("model",), ("artifact",), ("adapters",))),
    ("data", (("lineage", "dataset"),)),
    ("code", (("lineage", "code"), ("lineage", "trainingRun"))),
    ("pipeline", (("featurePipeline",), ("transformer",))),
    ("evaluations and approvals", (("lineage", "evaluations"), ("lineage", "approvals"))),
    ("configuration", ((),)),
)
"""What a release is made of, and which fields say so; the first that fits counts."""


def comparison(before: Tried, after: Tried) -> Branch:
    """What changed from one release to the other, aspect by aspect; what stayed is said too."""
    found: dict[str, list[Change]] = {name: [] for name, _ in ASPECTS}
    left, right = _adapters(before), _adapters(after)
    for change in changes(_told(before, right), _told(after, left)):
        found[_aspect(change)].append(change)
    order = [name for name in left if name in right], [name for name in right if name in left]
    if order[0] != order[1]:
        found["configuration"].append(Change(("adapters",), *order))
    title = f"{before.name} (release {before.version}) -> {after.name} (release {after.version})"
    return Branch(title, Tone.TITLE, tuple(_branches(found)))


def _adapters(tried: Tried) -> Mapping[str, Any]:
    """The adapters by name: one that comes or goes is no change of its neighbours."""
    adapters = tried.release.get("adapters") or ()
    return {str(one["name"]): {key: value for key, value in one.items() if key != "name"} for one in adapters}


def _told(tried: Tried, others: Collection[str]) -> Mapping[str, Any]:
    """The release as it was declared, with what it resolved to. Adapters that only the other release has are there
    without fields, so that each of these is told in full."""
    resolved = {"artifact": tried.resolved.get("artifact"), "runtime": tried.resolved.get("runtime")}
    declared = tried.release.get("runtime")
    runtime = {**(resolved["runtime"] or {}), **({"declared": declared} if declared else {})} or None
    adapters = {**{name: {} for name in others}, **_adapters(tried)}
    told = {**tried.release, "artifact": resolved["artifact"], "runtime": runtime, "adapters": adapters}
    return {name: value for name, value in told.items() if value is not None}


def _aspect(change: Change) -> str:
    path = change.path
    return next(name for name, prefixes in ASPECTS if any(path[: len(prefix)] == prefix for prefix in prefixes))


def _branches(found: Mapping[str, list[Change]]) -> Iterator[Branch]:
    for name, differences in found.items():
        if differences:
            yield Branch(name, Tone.TITLE, tuple(change.line() for change in differences))
    same = [name for name, differences in found.items() if not differences]
    if same:
        yield Branch(f"the same: {', '.join(same)}", Tone.DIM)
