"""What a release was made from, in the words in which a report and a model card say it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from slipway.cli.picture import Tried

_DECLARED: Final = (
    ("Model", ("model", "name")),
    ("Version", ("model", "version")),
    ("Weights", ("model", "uri")),
    ("Digest of the weights", ("model", "digest")),
    ("Format", ("model", "format")),
    ("Container image", ("container", "image")),
    ("Transformer image", ("transformer", "container", "image")),
    ("Feature pipeline", ("featurePipeline", "name")),
    ("Pipeline version", ("featurePipeline", "version")),
    ("Pipeline", ("featurePipeline", "uri")),
    ("Digest of the pipeline", ("featurePipeline", "digest")),
    ("Training data", ("lineage", "dataset", "uri")),
    ("Version of the data", ("lineage", "dataset", "version")),
    ("Digest of the data", ("lineage", "dataset", "digest")),
    ("Training code", ("lineage", "code", "repository")),
    ("Commit", ("lineage", "code", "commit")),
    ("Training run", ("lineage", "trainingRun", "id")),
    ("Run", ("lineage", "trainingRun", "uri")),
)
_RESOLVED: Final = (
    ("Runtime", ("runtime", "name")),
    ("Digest of the runtime", ("runtime", "digest")),
    ("Verified digest of the weights", ("artifact", "digest")),
)


def at(values: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """What stands at a path; None where nothing does."""
    found: Any = values
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def made_from(tried: Tried) -> list[tuple[str, str]]:
    """Names and values of what was declared, and of what it came to; what is not known is left out."""
    found = (
        *((name, at(tried.release, path)) for name, path in _DECLARED),
        *_adapters(tried.release),
        *((name, at(tried.resolved, path)) for name, path in _RESOLVED),
    )
    return [(name, str(value)) for name, value in found if value not in (None, "")]


def _adapters(release: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for adapter in release.get("adapters") or ():
        yield f"Adapter {adapter['name']}", adapter.get("uri")
        yield f"Digest of adapter {adapter['name']}", adapter.get("digest")
