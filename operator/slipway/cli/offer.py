"""What a registry offers, as text for a manifest. Pure."""

from __future__ import annotations

import yaml

from slipway.cli.picture import Picture
from slipway.release import to_declare


def suggested(picture: Picture) -> str | None:
    """The merge patch that declares what the registry names, in YAML; None where nothing is suggested."""
    suggestion = picture.status.suggestion
    if suggestion is None:
        return None
    declared = (picture.raw_spec.get("release") or {}).get("model") or {}
    return yaml.safe_dump(to_declare(declared, suggestion.release.model), sort_keys=False)


def nothing_suggested(picture: Picture) -> str:
    """Why there is nothing to declare."""
    status, written = picture.status, (picture.raw_spec.get("release") or {}).get("from")
    problem = status.registry.problem if status.registry is not None else None
    if not written:
        return f"{picture.name} has no spec.release.from: no registry is asked for it"
    if problem is not None:
        return f"nothing is suggested: {problem.message}"
    if status.resolved is not None:
        version = status.resolved.release.model.version
        return f"nothing is suggested: the policy is Automatic, and version {version} is declared"
    return f"nothing is suggested: {picture.name} declares what its registry names, or it was not asked yet"
