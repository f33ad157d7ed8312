"""The verb that runs the operator."""

from __future__ import annotations

from typing import Annotated

import typer


def run(  # noqa: PLR0917 - typer makes options of them
    namespaces: Annotated[
        list[str] | None,
        typer.Option(
            "--namespace", "-n", envvar="SLIPWAY_NAMESPACES", help="Namespace to work in; all when not given."
        ),
    ] = None,
    gateway_metrics: Annotated[
        list[str] | None,
        typer.Option(
            "--gateway-metrics",
            envvar="SLIPWAY_GATEWAY_METRICS",
            help="Metrics page of a replica of the gateway, such as http://HOST:PORT/metrics. May be repeated.",
        ),
    ] = None,
    egress: Annotated[
        list[str] | None,
        typer.Option(
            "--egress",
            envvar="SLIPWAY_EGRESS",
            metavar="RULE",
            help="What URLs in specifications may lead to beside public addresses and the own namespace's Services: "
            "a host, *.suffix, an address or a network, with :port or not, such as *.monitoring.svc. May be repeated.",
        ),
    ] = None,
    max_rollouts: Annotated[
        int | None,
        typer.Option(
            min=1,
            envvar="SLIPWAY_MAX_ROLLOUTS",
            help="Rollouts that may be under way at a time; those beyond wait for their turn. Default: no limit.",
        ),
    ] = None,
    max_rollouts_per_namespace: Annotated[
        int | None,
        typer.Option(
            min=1,
            envvar="SLIPWAY_MAX_ROLLOUTS_PER_NAMESPACE",
            help="The same for each namespace by itself. Default: no limit.",
        ),
    ] = None,
    kubeconfig: Annotated[
        str | None, typer.Option(help="Default: KUBECONFIG, ~/.kube/config or the pod's own.")
    ] = None,
    context: Annotated[str | None, typer.Option(help="Context of the kubeconfig. Default: its current one.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log every look, not only decisions.")] = False,
) -> None:
    """Run the operator."""
    import asyncio

    from slipway.cluster import ClusterError
    from slipway.controller import MissingCrdError, Settings
    from slipway.controller import run as run_operator
    from slipway.outside import Egress
    from slipway.rollout import Limits

    _log_to_stderr(verbose=verbose)
    try:
        reachable = Egress(tuple(egress or ()))
    except ValueError as error:
        typer.echo(f"slipway: --egress: {error}", err=True)
        raise typer.Exit(2) from error
    options = Settings(
        kubeconfig=kubeconfig,
        context=context,
        namespaces=tuple(namespaces or ()),
        gateway_metrics=tuple(gateway_metrics or ()),
        egress=reachable,
        limits=Limits(per_namespace=max_rollouts_per_namespace, per_cluster=max_rollouts),
    )
    try:
        asyncio.run(run_operator(options))
    except (MissingCrdError, ClusterError) as error:
        typer.echo(f"slipway: {error}", err=True)
        raise typer.Exit(1) from error


def _log_to_stderr(*, verbose: bool) -> None:
    """What the operator decides, and with ``verbose`` what it looks at."""
    import logging
    import sys

    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    logging.getLogger("kopf").setLevel(logging.WARNING)
    logging.getLogger("httpx").setLevel(logging.WARNING)
