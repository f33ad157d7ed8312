"""The verbs for auditors: whether the record of a ModelDeployment is as it was written, and the record as data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slipway.cli.exits import Exit, Stop
from slipway.cli.session import Context, Kubeconfig, Name, Namespace, Place, fail, in_cluster

if TYPE_CHECKING:
    from collections.abc import Iterable

    from slipway.cluster import Cluster, Object

app = typer.Typer(
    name="audit",
    help="Check and export the record of decisions: who let which release serve, on what evidence.",
    no_args_is_help=True,
)


@app.command()
def verify(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Name of the ModelDeployment.")] = None,
    file: Annotated[
        Path | None, typer.Option("--filename", "-f", help="An export, instead of what is in a cluster.")
    ] = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Check the chain of decisions: what was changed, removed or inserted is named with its position."""
    if (name is None) == (file is None):
        raise typer.BadParameter("name a ModelDeployment, or an export with --filename")
    if file is not None:
        _conclude(_of_export(file))
        return

    async def work(cluster: Cluster, found: str) -> None:
        from slipway.cli.records import findings

        _conclude(
            [finding for revision in await _revisions(cluster, found, name or "") for finding in findings(revision)]
        )

    in_cluster(Place(namespace, kubeconfig, context), work)


def _of_export(file: Path) -> list[tuple[str, bool]]:
    from slipway.cli.records import of_export

    try:
        found = of_export(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        fail(f"{file}: {error}")
    return found or fail(f"{file}: there is no decision in it: write it with slipway audit export NAME")


def _conclude(findings: Iterable[tuple[str, bool]]) -> None:
    broken = 0
    for sentence, sound in findings:
        typer.echo(sentence)
        broken += not sound
    if broken:
        raise typer.Exit(Exit.REFUSED)


@app.command()
def export(
    name: Name,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Print every decision as JSON Lines, each with the digest that it follows: what `verify --filename` checks."""

    async def work(cluster: Cluster, found: str) -> None:
        from slipway.cli.records import exported

        for revision in await _revisions(cluster, found, name):
            for line in exported(revision):
                typer.echo(line)

    in_cluster(Place(namespace, kubeconfig, context), work)


async def _revisions(cluster: Cluster, namespace: str, name: str) -> list[Object]:
    """The revisions of a ModelDeployment, the oldest first; also of one that is gone, as long as they are there."""
    from slipway.api import LABEL_MODEL_DEPLOYMENT
    from slipway.cluster import MODEL_REVISION

    found = await cluster.list(MODEL_REVISION, namespace, labels={LABEL_MODEL_DEPLOYMENT: name})
    if not found:
        raise Stop(f"there is no ModelRevision of {name} in namespace {namespace}", Exit.NOT_FOUND)

    def age(revision: Object) -> tuple[Any, ...]:
        return revision["metadata"].get("creationTimestamp", ""), revision["metadata"]["name"]

    return sorted(found, key=age)
