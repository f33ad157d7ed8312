"""What every verb that talks to a cluster shares: the options that say which one, and how trouble is told.

Nothing slow is imported before a verb runs: `slipway version` and completion have to answer at once.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, NoReturn, TypeVar

import typer

from slipway.cli.exits import Exit, Stop

if TYPE_CHECKING:
    from slipway.cluster import Cluster

Result = TypeVar("Result")

DEFAULT_NAMESPACE: Final = "default"
"""Where objects are looked for when neither an option nor the kubeconfig names a namespace, as kubectl does."""

FIELD_MANAGER: Final = "slipway-cli"
"""Who owns what a person writes with this command. GitOps tools take over what names that begin with kubectl own."""

_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


def _a_name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise typer.BadParameter(f"{value!r} cannot be the name of an object: lower-case letters, digits and dashes")
    return value


Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the ModelDeployment.", callback=_a_name)]
Namespace = Annotated[
    str | None,
    typer.Option("--namespace", "-n", envvar="SLIPWAY_NAMESPACE", help="Default: that of the kubeconfig's context."),
]
Kubeconfig = Annotated[
    str | None, typer.Option("--kubeconfig", envvar="KUBECONFIG", help="Default: ~/.kube/config or the pod's own.")
]
Context = Annotated[
    str | None,
    typer.Option("--context", envvar="SLIPWAY_CONTEXT", help="Context of the kubeconfig. Default: its current one."),
]


@dataclass(frozen=True, slots=True)
class Place:
    """Which cluster, and which namespace of it; None for what the kubeconfig says."""

    namespace: str | None
    kubeconfig: str | None
    context: str | None


def in_cluster(place: Place, work: Callable[[Cluster, str], Awaitable[Result]]) -> Result:
    """Do the work with a connection and a namespace. Trouble ends the process with one line on standard error."""
    import asyncio

    from slipway.cluster import ClusterError, NotServed

    try:
        return asyncio.run(_connected(place, work))
    except Stop as stop:
        fail(str(stop), stop.code)
    except NotServed as error:
        fail(f"{error}. Are the CRDs of Slipway installed in this cluster (kubectl get crd | grep slipway.dev)?")
    except ClusterError as error:
        fail(str(error))


async def _connected(place: Place, work: Callable[[Cluster, str], Awaitable[Result]]) -> Result:
    from slipway import cluster as clusters

    cluster = await clusters.connect(kubeconfig=place.kubeconfig, context=place.context, field_manager=FIELD_MANAGER)
    try:
        namespace = place.namespace
        if namespace is None:
            info = await clusters.connection_info(kubeconfig=place.kubeconfig, context=place.context)
            namespace = info.default_namespace or DEFAULT_NAMESPACE
        return await work(cluster, namespace)
    finally:
        await cluster.close()


def fail(message: str, code: Exit = Exit.ERROR) -> NoReturn:
    """One line on standard error, and the end."""
    typer.echo(f"slipway: {message}", err=True)
    raise typer.Exit(code)
