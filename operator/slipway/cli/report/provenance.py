"""What an auditor asks for: the gates that were declared, and what the release was made from. Pure.

Values of environment variables and arguments are left out: a report travels further than the object that it is about.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from slipway.cli.origins import made_from
from slipway.cli.picture import Picture, Tried
from slipway.cli.report.markup import Markup, element, joined
from slipway.cli.report.tables import facts, folded
from slipway.release import NotCanonicalError, gates_hash


def provenance(tried: Tried) -> Markup:
    """The release: what was recorded of it, and all of it as it was hashed but for values that may be secret."""
    told = facts(*made_from(tried))
    missing = element("p", "No lineage was declared with this release.", class_="soft")
    return joined(
        told,
        None if tried.release.get("lineage") else missing,
        folded("The release as it was declared", element("pre", _written(_without_values(tried.release)))),
    )


def gates(picture: Picture, tried: Tried) -> Markup:
    """The gates as they are declared, where they are those that the release was judged under."""
    analysis = picture.raw_spec.get("analysis")
    if tried.record.gates is None:
        return element("p", "It has not been judged.", class_="soft")
    if not _are_those(picture, tried):
        return element(
            "p",
            "The gates were changed since: those that this release was judged under are no longer declared. "
            "What its verdicts needed is told with the evidence.",
            class_="soft",
        )
    if not isinstance(analysis, Mapping) or not analysis.get("metrics"):
        return element(
            "p", "No metric is declared: the release was judged by its pods and its time alone.", class_="soft"
        )
    return element("pre", _written(analysis))


def _are_those(picture: Picture, tried: Tried) -> bool:
    try:
        return gates_hash(picture.raw_spec) == tried.record.gates
    except NotCanonicalError:
        return False


def _without_values(release: Mapping[str, Any]) -> Mapping[str, Any]:
    out = dict(release)
    for name, part in (("container", release), ("transformer", release.get("transformer"))):
        container = part.get("container") if isinstance(part, Mapping) else None
        if isinstance(container, Mapping):
            shown = _names_only(container)
            out[name] = shown if name == "container" else {**release[name], "container": shown}
    return out


def _names_only(container: Mapping[str, Any]) -> Mapping[str, Any]:
    names = [{"name": entry.get("name")} for entry in container.get("env") or () if isinstance(entry, Mapping)]
    shown = {key: value for key, value in container.items() if key not in ("env", "args", "command")}
    return {**shown, **({"env": names} if names else {})}


def _written(value: Any) -> str:
    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100))
