"""The verb that prints what a registry offers, as a patch of the manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from slipway.cli.exits import Exit, Stop
from slipway.cli.session import Context, Kubeconfig, Name, Namespace, Place, in_cluster

if TYPE_CHECKING:
    from slipway.cluster import Cluster


def suggest(
    name: Name,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Print what to put into the manifest to roll out the version that the registry names.

    It is a merge patch in YAML, for a pull request or for kubectl patch --type merge --patch-file. Nothing is changed.
    """

    async def work(cluster: Cluster, found: str) -> None:
        from slipway.cli.offer import nothing_suggested, suggested
        from slipway.cli.picture import read

        picture = await read(cluster, found, name)
        text = suggested(picture)
        if text is None:
            raise Stop(nothing_suggested(picture), Exit.REFUSED)
        typer.echo(text, nl=False)

    in_cluster(Place(namespace, kubeconfig, context), work)
