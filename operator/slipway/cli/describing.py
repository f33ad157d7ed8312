"""The verbs that describe a revision to somebody else: card, bom, lineage."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from slipway.cli.session import Context, Kubeconfig, Name, Namespace, Place, in_cluster

if TYPE_CHECKING:
    from slipway.cli.picture import Tried
    from slipway.cluster import Cluster

Revision = Annotated[
    str | None,
    typer.Option(
        help="Name of the ModelRevision, as history lists it. Default: the candidate, or the release that serves."
    ),
]


def _card(name: str, tried: Tried) -> str:
    from slipway.cli.card import card

    return card(name, tried, datetime.now(UTC)).rstrip()


def _bom(name: str, tried: Tried) -> str:
    from slipway.cli.bom import bom

    return json.dumps(bom(name, tried, datetime.now(UTC)), indent=2)


def _lineage(name: str, tried: Tried) -> str:
    from slipway.cli.openlineage import events

    return "\n".join(json.dumps(one) for one in events(name, tried))


DESCRIPTIONS: Final[Mapping[str, tuple[Callable[[str, Tried], str], str]]] = {
    "card": (
        _card,
        "Print a model card in Markdown: what a release is, its evidence, limits and groups, and who approved it.",
    ),
    "bom": (_bom, "Print the bill of materials of a release as an ML-BOM: CycloneDX 1.6, JSON."),
    "lineage": (
        _lineage,
        "Print what a release was made from and became, as OpenLineage events: one line of JSON each.",
    ),
}
"""Verbs, with what writes them and their help."""


def description(verb: str) -> Callable[..., None]:
    """The function of one of them."""
    describe, _ = DESCRIPTIONS[verb]

    def say(
        name: Name,
        revision: Revision = None,
        namespace: Namespace = None,
        kubeconfig: Kubeconfig = None,
        context: Context = None,
    ) -> None:
        async def work(cluster: Cluster, found: str) -> str:
            from slipway.cli.picture import read
            from slipway.cli.reporting import chosen

            return describe(name, chosen(await read(cluster, found, name), revision))

        typer.echo(in_cluster(Place(namespace, kubeconfig, context), work))

    return say
