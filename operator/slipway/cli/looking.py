"""The verbs that look and change nothing: list, status, history, explain."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from slipway.cli import console
from slipway.cli.exits import Exit, Stop
from slipway.cli.session import Context, Kubeconfig, Name, Namespace, Place, in_cluster

if TYPE_CHECKING:
    from slipway.cli.outcome import Outcome
    from slipway.cli.picture import Picture
    from slipway.cli.watching import Tell
    from slipway.cluster import Cluster


class Form(StrEnum):
    """Forms of data."""

    JSON = "json"
    YAML = "yaml"


def _now() -> datetime:
    return datetime.now(UTC)


def a_duration(text: str | timedelta) -> timedelta:
    """Read an option such as `90s`. Raises BadParameter."""
    from slipway.api import parse_duration

    try:
        return text if isinstance(text, timedelta) else parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def list_(
    everywhere: Annotated[bool, typer.Option("--all-namespaces", "-A", help="Those of all namespaces.")] = False,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """List the ModelDeployments of a namespace, or of all."""

    async def work(cluster: Cluster, found: str) -> None:
        from slipway.cli.listing import DEPLOYMENTS, deployment_rows
        from slipway.cli.picture import read_all

        pictures = await read_all(cluster, None if everywhere else found)
        if not pictures:
            typer.echo(f"There are no ModelDeployments in {'any namespace' if everywhere else f'namespace {found}'}.")
            return
        console.table(DEPLOYMENTS, deployment_rows(pictures, _now()))

    in_cluster(Place(namespace, kubeconfig, context), work)


def status(  # noqa: PLR0917 - typer makes options of them
    name: Name,
    watch: Annotated[
        bool,
        typer.Option("--watch", "-w", help="Stay until it is promoted, rolled back, stalled, or waits for a person."),
    ] = False,
    output: Annotated[Form | None, typer.Option("--output", "-o", help="As data instead of a tree.")] = None,
    timeout: Annotated[
        timedelta | None,
        typer.Option(
            parser=a_duration, metavar="DURATION", help="Longest time to watch, such as 30m. Default: for ever."
        ),
    ] = None,
    generation: Annotated[
        int | None,
        typer.Option(min=1, help="Answer for this generation alone: metadata.generation of what was applied."),
    ] = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Show where a rollout is: releases, pods, weights, gates and what it waits for.

    The exit code says how it stands: 0 promoted, 3 rolled back, 4 waits for a person, 7 on its way.
    """
    if timeout is not None and not watch:
        raise typer.BadParameter("--timeout goes with --watch")

    look = _Look(name, generation, output, stream=watch)

    async def work(cluster: Cluster, found: str) -> Exit:
        return await (look.watched(cluster, found, timeout) if watch else look.once(cluster, found))

    raise typer.Exit(in_cluster(Place(namespace, kubeconfig, context), work))


@dataclass(frozen=True, slots=True)
class _Look:
    """What `status` was asked."""

    name: str
    generation: int | None
    output: Form | None
    stream: bool
    """Whether more is to come."""

    async def once(self, cluster: Cluster, namespace: str) -> Exit:
        """Show how it stands."""
        from slipway.cli.outcome import outcome
        from slipway.cli.picture import read
        from slipway.cli.view import tree

        picture = await read(cluster, namespace, self.name)
        result = outcome(picture, self.generation)
        if self.output is not None:
            self._data(picture, result)
        else:
            console.show(tree(picture, result, _now()))
        return result.code

    async def watched(self, cluster: Cluster, namespace: str, timeout: timedelta | None) -> Exit:
        """Show it again and again until it is at its end."""
        from slipway.cli.view import tree
        from slipway.cli.watching import watch

        async def until_the_end(tell: Tell, *, always: bool) -> Outcome:
            return await watch(
                cluster,
                namespace,
                self.name,
                generation=self.generation,
                timeout=timeout,
                tell=tell,
                always=always,
            )

        if self.output is None and console.on_terminal():
            with console.live() as draw:
                result = await until_the_end(lambda picture, result: draw(tree(picture, result, _now())), always=True)
        else:
            result = await until_the_end(self._line if self.output is None else self._data, always=False)
        if result.code is Exit.TIMED_OUT:
            raise Stop(result.sentence, Exit.TIMED_OUT)
        return result.code

    def _line(self, picture: Picture, result: Outcome) -> None:
        from slipway.cli.view import word

        progress = f" {picture.status.progress}" if picture.status.progress else ""
        phase = f"{picture.status.phase or 'new'}{progress}"
        typer.echo(f"{_now():%H:%M:%S}Z  {word(result.code)}  {phase}  {result.sentence}")

    def _data(self, picture: Picture, result: Outcome) -> None:
        from slipway.cli.view import document

        if self.output is not None:
            console.data(document(picture, result, _now()), self.output, stream=self.stream)


def history(
    name: Name,
    lineage: Annotated[
        bool, typer.Option("--lineage", help="What each was made from, instead of what became of it.")
    ] = False,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """List the releases that were tried, the latest first, and what became of each."""

    async def work(cluster: Cluster, found: str) -> None:
        from slipway.cli.listing import LINEAGE, REVISIONS, lineage_rows, revision_rows
        from slipway.cli.picture import read

        picture = await read(cluster, found, name)
        if not picture.revisions:
            typer.echo(f"No release of {name} was tried yet.")
            return
        if lineage:
            console.table(LINEAGE, lineage_rows(picture))
        else:
            console.table(REVISIONS, revision_rows(picture, _now()))

    in_cluster(Place(namespace, kubeconfig, context), work)


def explain(
    name: Name,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Tell why a rollout is where it is, and what can be done about it."""

    async def work(cluster: Cluster, found: str) -> None:
        from slipway.cli.advice import explain as explained
        from slipway.cli.outcome import outcome
        from slipway.cli.picture import read

        picture = await read(cluster, found, name)
        console.show(explained(picture, outcome(picture), _now()))

    in_cluster(Place(namespace, kubeconfig, context), work)
