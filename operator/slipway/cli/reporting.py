"""The verb that writes a rollout down as a page: report."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from slipway.cli.exits import Exit, Stop
from slipway.cli.session import Context, Kubeconfig, Name, Namespace, Place, fail, in_cluster

if TYPE_CHECKING:
    from slipway.cli.picture import Picture, Tried
    from slipway.cluster import Cluster

STDOUT: Final = "-"


def report(  # noqa: PLR0917 - typer makes options of them
    name: Name,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE|-", help="Where to write the page; - for standard output.")
    ],
    revision: Annotated[
        str | None,
        typer.Option(
            help="Name of the ModelRevision, as history lists it. Default: the candidate, or the release that serves."
        ),
    ] = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Write down what became of a release, and why, as one page of HTML that stands by itself."""

    async def work(cluster: Cluster, found: str) -> tuple[str, Tried]:
        from slipway.cli.picture import read
        from slipway.cli.report import page

        picture = await read(cluster, found, name)
        about = chosen(picture, revision)
        return page(picture, about, datetime.now(UTC)), about

    text, about = in_cluster(Place(namespace, kubeconfig, context), work)
    if output == STDOUT:
        typer.echo(text, nl=False)
        return
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"{output}: cannot be written: {error.strerror or error}")
    typer.echo(f"{output}: release {about.version} ({about.name})")


def chosen(picture: Picture, revision: str | None) -> Tried:
    """The revision of that name; without one the candidate, or else the release that serves.

    Raises Stop where there is none.
    """
    if revision is None:
        about = picture.of(picture.status.candidate) or picture.of(picture.status.stable)
        if about is None:
            raise Stop(f"no release of {picture.name} was tried yet", Exit.NOT_FOUND)
        return about
    found = next((tried for tried in picture.revisions.values() if tried.name == revision), None)
    if found is None:
        known = ", ".join(sorted(tried.name for tried in picture.revisions.values())) or "none"
        raise Stop(f"{picture.name} has no revision {revision}; there are: {known}", Exit.NOT_FOUND)
    return found
