"""The verbs with which a person decides about one rollout: promote, approve, pause, resume, abort, retry, undo.

Each writes one annotation and waits for the operator's answer. Nothing here changes a rollout by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from slipway.cli.exits import Exit, Stop
from slipway.cli.looking import a_duration
from slipway.cli.session import Context, Kubeconfig, Name, Namespace, Place, in_cluster

if TYPE_CHECKING:
    from slipway.cli.picture import Picture
    from slipway.cluster import Cluster

TRIES: Final = 5
"""How often a command is written anew when the object changed since it was read."""

Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the operator's answer.")]
Timeout = Annotated[
    timedelta,
    typer.Option(
        parser=a_duration, metavar="DURATION", show_default=False, help="Longest time to wait for it. Default: 30s."
    ),
]
PATIENCE: Final = timedelta(seconds=30)


def _say(verb: str, name: str, place: Place, *, wait: bool, timeout: timedelta) -> None:
    async def work(cluster: Cluster, namespace: str) -> None:
        await _commanded(cluster, namespace, name, verb, wait=wait, timeout=timeout)

    in_cluster(place, work)


async def _commanded(cluster: Cluster, namespace: str, name: str, verb: str, *, wait: bool, timeout: timedelta) -> None:
    """Give a command and print its outcome. Raises Stop where it was not accepted."""
    from slipway.cli.commands import ACCEPTED
    from slipway.cli.watching import answer

    text = await _written(cluster, namespace, name, verb)
    typer.echo(text)
    if not wait:
        return
    picture = await answer(cluster, namespace, name, text, timeout)
    last = picture.status.last_command if picture is not None else None
    if last is None:
        from slipway.api import format_duration

        message = (
            f"the command was written, and not answered within {format_duration(timeout)}: is the operator running?"
        )
        raise Stop(message, Exit.TIMED_OUT)
    if last.outcome != ACCEPTED:
        raise Stop(f"{last.outcome}: {last.message}", Exit.REFUSED)
    typer.echo(f"{last.outcome}: {last.message}")


async def _written(cluster: Cluster, namespace: str, name: str, verb: str) -> str:
    """Write the command on the version that it was decided on; it stays about the step that was seen first."""
    import secrets

    from slipway.cli.commands import Verb, command, patch
    from slipway.cli.picture import read
    from slipway.cluster import MODEL_DEPLOYMENT, Conflict

    nonce = secrets.token_hex(4)
    picture = await read(cluster, namespace, name)
    text = command(Verb(verb), picture, nonce)
    _mention(picture)
    person = await _who(cluster)
    for _ in range(TRIES):
        try:
            await cluster.merge_patch(MODEL_DEPLOYMENT, namespace, name, patch(picture, text, person))
        except Conflict:
            picture = await read(cluster, namespace, name)
            if command(Verb(verb), picture, nonce) != text:
                raise Stop(f"the rollout of {name} moved on meanwhile: look again with slipway status {name}") from None
        else:
            return text
    raise Stop(f"{name} changes faster than the command can be written: try again")


async def _who(cluster: Cluster) -> str | None:
    """The name by which the API server knows the person; None where it does not tell."""
    from slipway.cluster import ClusterError

    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview", "metadata": {}}
    try:
        status: dict[str, Any] = (await cluster.create(review)).get("status") or {}
    except ClusterError:
        return None  # the command counts without a name, and the record says with which tool it was written
    return (status.get("userInfo") or {}).get("username") or None


def _mention(picture: Picture) -> None:
    """An earlier command that nobody has answered is lost by writing another one."""
    from slipway.cli.view import pending

    if pending(picture):
        typer.echo(f"slipway: this takes the place of {picture.command}, which was not answered", err=True)


def promote(  # noqa: PLR0917 - typer makes options of them
    name: Name,
    full: Annotated[
        bool, typer.Option("--full", help="Pass all steps that are left; only capacity is waited for.")
    ] = False,
    wait: Wait = True,
    timeout: Timeout = PATIENCE,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """End the present step without waiting for its gates and its time."""
    verb = "promote-full" if full else "promote"
    _say(verb, name, Place(namespace, kubeconfig, context), wait=wait, timeout=timeout)


VERDICTS: Final = {
    "approve": "Approve what follows the present step, where the step asks for it.",
    "pause": "Hold a rollout where it is; what fails is still hauled back.",
    "resume": "Go on with a rollout that was paused.",
    "abort": "Haul the candidate back, also after its promotion while it is watched.",
    "retry": "Try a release again that was rolled back.",
}
"""Verbs that take nothing but the name, with their help."""


def verdict(verb: str) -> Callable[..., None]:
    """The function of one of them."""

    def say(  # noqa: PLR0917
        name: Name,
        wait: Wait = True,
        timeout: Timeout = PATIENCE,
        namespace: Namespace = None,
        kubeconfig: Kubeconfig = None,
        context: Context = None,
    ) -> None:
        _say(verb, name, Place(namespace, kubeconfig, context), wait=wait, timeout=timeout)

    return say


def undo(  # noqa: PLR0917
    name: Name,
    apply: Annotated[
        bool, typer.Option("--apply", help="Declare the earlier release in the cluster; git would put it back.")
    ] = False,
    wait: Wait = True,
    timeout: Timeout = PATIENCE,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Go back: abort a rollout that is on or still watched; else say, or declare, the earlier release."""

    async def work(cluster: Cluster, found: str) -> None:
        from slipway.cli.commands import subject
        from slipway.cli.picture import read
        from slipway.cli.undo import earlier, in_flight

        picture = await read(cluster, found, name)
        if in_flight(subject(picture)):
            await _commanded(cluster, found, name, "abort", wait=wait, timeout=timeout)
            return
        to = earlier(picture)
        if to is None:
            raise Stop(
                f"there is no earlier release of {name} that was stable: see slipway history {name}", Exit.REFUSED
            )
        if apply:
            from slipway.cli.undo import patch
            from slipway.cluster import MODEL_DEPLOYMENT

            await cluster.merge_patch(MODEL_DEPLOYMENT, found, name, patch(picture, to))
            typer.echo(f"spec.release of {name} is that of release {to.version} ({to.name}) again.")
            typer.echo("If git declares another one, GitOps will put that back: revert it there too.")
            return
        serves = picture.of(picture.status.stable) is to
        was = (
            f"Release {to.version} ({to.name}) serves" if serves else f"The release before was {to.version} ({to.name})"
        )
        typer.echo(f"No rollout of {name} is on. {was}.")
        typer.echo("Revert spec.release in git, or declare it in the cluster alone:")
        typer.echo(f"  slipway undo {name} --namespace {found} --apply")

    in_cluster(Place(namespace, kubeconfig, context), work)
