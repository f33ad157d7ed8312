"""The verbs about manifests: lint, which needs no cluster, and diff, which compares with one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from slipway.cli import console
from slipway.cli.exits import Exit, Stop
from slipway.cli.session import Context, Kubeconfig, Namespace, Place, fail, in_cluster

if TYPE_CHECKING:
    from slipway.cli.manifests import Manifest
    from slipway.cluster import Cluster

Files = Annotated[
    list[str],
    typer.Option("--filename", "-f", metavar="FILE|DIR|-", help="A manifest, a folder of them, or standard input."),
]


def lint(files: Files) -> None:
    """Check manifests without a cluster: schema, rules, and what makes no sense together."""
    checked, wrong = _checked(files)
    if wrong:
        fail(f"{wrong} of {len(checked)} objects cannot be applied as they are")
    typer.echo(f"{len(checked)} objects are right.")


def diff(
    revisions: Annotated[
        list[str] | None,
        typer.Argument(metavar="[REVISION REVISION]", help="Two ModelRevisions, as history lists them."),
    ] = None,
    files: Annotated[
        list[str] | None,
        typer.Option("--filename", "-f", metavar="FILE|DIR|-", help="Manifests, to compare with what is applied."),
    ] = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Show what applying manifests would change, or what is different between two revisions: weights, data, code,
    pipeline, configuration."""
    place = Place(namespace, kubeconfig, context)
    if bool(revisions) == bool(files) or len(revisions or ()) not in (0, 2):
        raise typer.BadParameter("name two revisions, or manifests with --filename")
    if revisions:
        in_cluster(place, lambda cluster, found: _revisions(cluster, found, *revisions))
        return
    _manifests(files or [], place)


async def _revisions(cluster: Cluster, namespace: str, before: str, after: str) -> None:
    from slipway.cli.comparing import comparison
    from slipway.cli.picture import tried
    from slipway.cluster import MODEL_REVISION

    found = []
    for name in (before, after):
        revision = await cluster.get(MODEL_REVISION, namespace, name)
        if revision is None:
            raise Stop(f"there is no ModelRevision {name} in namespace {namespace}", Exit.NOT_FOUND)
        found.append(tried(revision))
    console.show(comparison(*found))


def _manifests(files: list[str], place: Place) -> None:
    from slipway.api import MODEL_DEPLOYMENT_KIND

    checked, wrong = _checked(files)
    if wrong:
        fail("what cannot be applied cannot be compared")
    wanted = [manifest for manifest in checked if manifest.document["kind"] == MODEL_DEPLOYMENT_KIND]

    async def work(cluster: Cluster, found: str) -> None:
        for manifest in wanted:
            await _compare(cluster, manifest, manifest.document["metadata"].get("namespace") or found)

    in_cluster(place, work)


async def _compare(cluster: Cluster, manifest: Manifest, namespace: str) -> None:
    from datetime import UTC, datetime

    from slipway.cli.changes import difference
    from slipway.cli.picture import read

    try:
        live = await read(cluster, namespace, manifest.document["metadata"]["name"])
    except Stop as stop:
        if stop.code is not Exit.NOT_FOUND:
            raise
        live = None
    console.show(difference(live, manifest, namespace, datetime.now(UTC)))


def _checked(files: list[str]) -> tuple[list[Manifest], int]:
    """Slipway's objects in the files, and how many of them have problems; these are told."""
    from slipway.cli import manifests
    from slipway.cli.lint import concerns, problems

    try:
        read = [one for given in files for file in manifests.files(given) for one in manifests.read(file)]
    except Stop as stop:
        fail(str(stop), stop.code)
    checked = [manifest for manifest in read if concerns(manifest.document)]
    wrong = 0
    for manifest in checked:
        found = problems(manifest, checked)
        wrong += bool(found)
        for problem in found:
            line = manifest.line_of(problem.path)
            typer.echo(f"{manifest.source}:{line}: {manifest.title}: {problem.field}: {problem.message}")
    if not checked:
        fail(f"there are no objects of slipway.dev in {', '.join(files)}")
    return checked, wrong
