"""Label selectors in their one-line form: `tier=prod, shard in (a, b), !old`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

_TERM: Final = re.compile(
    r"\s*(?:!\s*(?P<no>[^\s,!=()]+)"
    r"|(?P<key>[^\s,!=()]+)(?:\s*(?P<equal>==?|!=)\s*(?P<value>[^\s,()]*)"
    r"|\s+(?P<set>in|notin)\s*\((?P<values>[^()]*)\))?)\s*(?:,|$)"
)


def selector(labels: Mapping[str, str] | str) -> str:
    """The selector of what carries these labels; one that is a text already stays as it is."""
    return labels if isinstance(labels, str) else ",".join(f"{key}={value}" for key, value in labels.items())


def matcher(labels: Mapping[str, str] | str) -> Callable[[Mapping[str, str]], bool]:
    """Whether labels are selected, as an API server decides it. Raises ValueError for a text that is no selector."""
    if not isinstance(labels, str):
        wanted = labels.items()
        return lambda found: wanted <= found.items()
    terms, at = [], 0
    while at < len(labels):
        term = _TERM.match(labels, at)
        if term is None:
            raise ValueError(f"{labels!r} is no label selector from {labels[at:]!r} on")
        terms.append(term)
        at = term.end()
    return lambda found: all(_holds(term, found) for term in terms)


def _holds(term: re.Match[str], labels: Mapping[str, str]) -> bool:
    if term["no"]:
        return term["no"] not in labels
    found = labels.get(term["key"])
    if term["equal"]:
        return (found == term["value"]) is (term["equal"] != "!=")
    if term["set"]:
        return (found in {one.strip() for one in term["values"].split(",")}) is (term["set"] == "in")
    return found is not None
