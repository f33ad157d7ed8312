"""What a manifest would change of what there is: field by field, and what that means for releases. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from slipway.api import RegistrySpec, RollbackSpec
from slipway.cli.lint import dotted
from slipway.cli.manifests import FieldPath, Manifest
from slipway.cli.picture import Picture, Tried
from slipway.cli.view import ON_TRIAL, Branch, Tone
from slipway.release import declared_release, is_automatic, release_hash, revision_name, source_of

LONGEST: Final = 80
"""Characters of a value; the rest says little about what changes."""


def _gates(spec: Mapping[str, Any]) -> tuple[Any, Any]:
    """What a candidate is judged under: it is judged anew when this changes."""
    return spec.get("analysis"), (spec.get("rollback") or {}).get("progressDeadline")


@dataclass(frozen=True, slots=True)
class Change:
    """A field with its values before and after; None for a field that is not there."""

    path: FieldPath
    before: Any
    after: Any

    def line(self, gone: str = "") -> Branch:
        """The change as a line. ``gone`` is added where there is no value after it."""
        field = dotted(self.path)
        if self.before is None:
            return Branch(f"+ {field}: {_short(self.after)}", Tone.GOOD)
        if self.after is None:
            return Branch(f"- {field}: {_short(self.before)}{gone}", Tone.BAD)
        return Branch(f"~ {field}: {_short(self.before)} -> {_short(self.after)}", Tone.WAITING)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def changes(before: Any, after: Any, path: FieldPath = ()) -> Iterator[Change]:
    """The fields that differ, each as deep as both sides have it."""
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys([*before, *after]):
            yield from changes(before.get(name), after.get(name), (*path, name))
    elif isinstance(before, list) and isinstance(after, list):
        for index in range(max(len(before), len(after))):
            pair = (before[index : index + 1] or [None], after[index : index + 1] or [None])
            yield from changes(pair[0][0], pair[1][0], (*path, index))
    else:
        yield Change(path, before, after)


def difference(live: Picture | None, manifest: Manifest, namespace: str, now: datetime) -> Branch:
    """What applying the manifest would do. The manifest has to be without problems."""
    document = manifest.document
    name, spec = str(document["metadata"]["name"]), document["spec"]
    title = f"{name} in namespace {namespace}"
    release = _declared(spec["release"], live)
    if release is None:
        text = "which release it declares the registry of spec.release.from says: nothing is known of it yet"
        return Branch(title, Tone.TITLE, (Branch(text, Tone.WAITING),))
    wanted = release_hash(release)
    version = str(release["model"]["version"])
    if live is None:
        text = f"it is created, with release {version} as its first revision {revision_name(name, wanted)}"
        return Branch(title, Tone.TITLE, (Branch(text, Tone.GOOD),))
    found = list(changes(live.raw_spec, spec, ("spec",)))
    if not found:
        return Branch(title, Tone.TITLE, (Branch("nothing changes", Tone.DIM),))
    lines = [change.line("  (not in the manifest: it stays if something else has set it)") for change in found]
    return Branch(title, Tone.TITLE, (*lines, *_effects(live, spec, wanted, version, now)))


def _declared(release: Mapping[str, Any], live: Picture | None) -> Mapping[str, Any] | None:
    """The release that a manifest declares; None where only a registry's answer will tell."""
    if not is_automatic(release):
        return release
    resolved = live.status.resolved if live is not None else None
    if resolved is None or resolved.source != source_of(RegistrySpec.model_validate(release["from"])):
        return None
    return declared_release(release, resolved.release.model)


def _effects(live: Picture, spec: Mapping[str, Any], wanted: str, version: str, now: datetime) -> Iterator[Branch]:
    """What the changes mean for releases."""
    candidate = live.of(live.status.candidate)
    if wanted == release_hash(live.release):
        yield Branch("no new revision: the release is the one that is declared now")
        if candidate is not None and _gates(live.raw_spec) != _gates(spec):
            what = "is judged anew" if candidate.record.phase in ON_TRIAL else "is tried again"
            yield Branch(f"what it is judged under changes: release {candidate.version} {what}", Tone.WAITING)
        return
    known = live.revisions.get(wanted)
    if known is None:
        yield Branch(f"new revision {revision_name(live.name, wanted)}: release {version} is the candidate", Tone.GOOD)
    else:
        yield Branch(_again(live, known, now), Tone.WAITING)
    if candidate is not None and candidate.hash != wanted and candidate.record.phase in ON_TRIAL:
        yield Branch(f"release {candidate.version}, which is on trial, is superseded", Tone.WAITING)


def _again(live: Picture, known: Tried, now: datetime) -> str:
    record = known.record
    who = f"no new revision: release {known.version} is {known.name}"
    if live.status.stable is not None and live.status.stable.hash == known.hash:
        return f"{who}, which is stable"
    rollback = (live.spec.rollback if live.spec is not None else None) or RollbackSpec()
    if record.stable_until is not None and now < record.stable_until + rollback.window:
        return f"{who}, stable within rollback.window: it comes back without being judged anew"
    return f"{who}, which is {record.phase or 'new'}: it is judged anew"
