"""The verbs that describe a revision to somebody else: card, bom, lineage."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

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


def _described(name: str, revision: str | None, place: Place, describe: Callable[[Tried], str]) -> None:
    async def work(cluster: Cluster, found: str) -> str:
        from slipway.cli.picture import read
        from slipway.cli.reporting import chosen

        return describe(chosen(await read(cluster, found, name), revision))

    typer.echo(in_cluster(place, work))


def card(
    name: Name,
    revision: Revision = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Print a model card in Markdown: what a release is, its evidence, limits and groups, and who approved it."""
    from slipway.cli.card import card as written

    place = Place(namespace, kubeconfig, context)
    _described(name, revision, place, lambda tried: written(name, tried, datetime.now(UTC)).rstrip())


def bom(
    name: Name,
    revision: Revision = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Print the bill of materials of a release as an ML-BOM: CycloneDX 1.6, JSON."""
    from slipway.cli.bom import bom as made

    place = Place(namespace, kubeconfig, context)
    _described(name, revision, place, lambda tried: json.dumps(made(name, tried, datetime.now(UTC)), indent=2))


def lineage(
    name: Name,
    revision: Revision = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Print what a release was made from and became, as OpenLineage events: one line of JSON each."""
    from slipway.cli.openlineage import events

    place = Place(namespace, kubeconfig, context)
    _described(name, revision, place, lambda tried: "\n".join(json.dumps(one) for one in events(name, tried)))
