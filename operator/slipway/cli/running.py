"""The verb that runs the operator."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

Namespaces = Annotated[
    list[str] | None,
    typer.Option("--namespace", "-n", envvar="SLIPWAY_NAMESPACES", help="Namespace to work in; all when not given."),
]
NamespaceSelector = Annotated[
    str | None,
    typer.Option(
        envvar="SLIPWAY_NAMESPACE_SELECTOR",
        metavar="SELECTOR",
        help="Work only in namespaces with these labels, such as shard=a: several groups of replicas share a cluster.",
    ),
]
GatewayMetrics = Annotated[
    list[str] | None,
    typer.Option(
        "--gateway-metrics",
        envvar="SLIPWAY_GATEWAY_METRICS",
        help="Metrics page of a replica of the gateway, such as http://HOST:PORT/metrics. May be repeated.",
    ),
]
Egress = Annotated[
    list[str] | None,
    typer.Option(
        "--egress",
        envvar="SLIPWAY_EGRESS",
        metavar="RULE",
        help="What URLs in specifications may lead to beside public addresses and the own namespace's Services: "
        "a host, *.suffix, an address or a network, with :port or not, such as *.monitoring.svc. May be repeated.",
    ),
]
NoPublicEgress = Annotated[
    bool,
    typer.Option(
        "--no-public-egress",
        envvar="SLIPWAY_NO_PUBLIC_EGRESS",
        help="Public addresses need a rule too: those of --egress are then the whole list.",
    ),
]
MlflowTrackingUri = Annotated[
    str | None,
    typer.Option(
        envvar="SLIPWAY_MLFLOW_TRACKING_URI",
        metavar="URL",
        help="The MLflow server that releases come from where neither spec.release.from nor its Secret names one. "
        "What it takes to reach it is a matter of --egress.",
    ),
]
Image = Annotated[
    str | None,
    typer.Option(
        envvar="SLIPWAY_IMAGE",
        help="The operator's own image, whose entry point is slipway: Jobs that replay golden sets run it. "
        "Without it, golden sets on volumes and in stores cannot be replayed.",
    ),
]
MaxRollouts = Annotated[
    int | None,
    typer.Option(
        min=1,
        envvar="SLIPWAY_MAX_ROLLOUTS",
        help="Rollouts that may be under way at a time; those beyond wait for their turn. Default: no limit.",
    ),
]
MaxRolloutsPerNamespace = Annotated[
    int | None,
    typer.Option(
        min=1,
        envvar="SLIPWAY_MAX_ROLLOUTS_PER_NAMESPACE",
        help="The same for each namespace by itself. Default: no limit.",
    ),
]
SettleSeconds = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=300,
        envvar="SLIPWAY_SETTLE_SECONDS",
        help="Seconds that gateways and nodes which do not report back take to follow a change of traffic: for "
        "Traefik's own resources, twice its providersThrottleDuration. Default: 2 to 6, by the kind of router.",
    ),
]
HealthAddress = Annotated[
    str | None,
    typer.Option(
        envvar="SLIPWAY_HEALTH_ADDRESS",
        metavar="HOST:PORT",
        help="Where to answer /healthz, /readyz and /metrics, such as :8081. Default: nowhere.",
    ),
]
LeaderElect = Annotated[
    bool,
    typer.Option(
        "--leader-elect", envvar="SLIPWAY_LEADER_ELECT", help="Act only while holding a lease: for several replicas."
    ),
]
LeaseName = Annotated[
    str, typer.Option(envvar="SLIPWAY_LEASE_NAME", help="Name of the lease, one for each group of replicas.")
]
LeaseNamespace = Annotated[
    str | None,
    typer.Option(envvar="SLIPWAY_LEASE_NAMESPACE", help="Where the lease is. Default: the operator's own namespace."),
]
LeaseDuration = Annotated[
    int,
    typer.Option(
        min=3,
        max=300,
        envvar="SLIPWAY_LEASE_DURATION",
        help="Seconds that a leader which is not heard of any more is waited for.",
    ),
]
Feedback = Annotated[
    str | None,
    typer.Option(
        envvar="SLIPWAY_FEEDBACK",
        metavar="HOST:PORT",
        help="Where to take reports on answers, and the webhooks of registries, such as :8089. Default: nowhere.",
    ),
]
Kubeconfig = Annotated[str | None, typer.Option(help="Default: KUBECONFIG, ~/.kube/config or the pod's own.")]
Context = Annotated[str | None, typer.Option(help="Context of the kubeconfig. Default: its current one.")]
LogFormat = Annotated[
    Literal["text", "json"],
    typer.Option(envvar="SLIPWAY_LOG_FORMAT", help="Lines for people, or one JSON object a line."),
]
Debug = Annotated[
    bool,
    typer.Option(
        "--debug",
        envvar="SLIPWAY_DEBUG",
        help="Show /debug/queue beside the health: what is due, and what is worked on.",
    ),
]
Verbose = Annotated[bool, typer.Option("--verbose", help="Log every look, not only decisions.")]


def run(  # noqa: PLR0917 - typer makes options of them
    namespaces: Namespaces = None,
    namespace_selector: NamespaceSelector = None,
    gateway_metrics: GatewayMetrics = None,
    egress: Egress = None,
    no_public_egress: NoPublicEgress = False,
    mlflow_tracking_uri: MlflowTrackingUri = None,
    image: Image = None,
    max_rollouts: MaxRollouts = None,
    max_rollouts_per_namespace: MaxRolloutsPerNamespace = None,
    settle_seconds: SettleSeconds = None,
    health_address: HealthAddress = None,
    feedback: Feedback = None,
    leader_elect: LeaderElect = False,
    lease_name: LeaseName = "slipway",
    lease_namespace: LeaseNamespace = None,
    lease_duration: LeaseDuration = 15,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    log_format: LogFormat = "text",
    debug: Debug = False,
    verbose: Verbose = False,
) -> None:
    """Run the operator."""
    import asyncio
    import gc

    gc.disable()  # an import makes no garbage: looking for some takes a tenth of the start
    from slipway import outside
    from slipway.cluster import ClusterError, LeaseTimes, LostLeadError
    from slipway.controller import AddressError, Settings, listen_address, log_to_stderr
    from slipway.controller import run as run_operator
    from slipway.rollout import Limits

    gc.freeze()
    gc.enable()
    log_to_stderr(form=log_format, verbose=verbose)
    try:
        reachable = outside.Egress(tuple(egress or ()), public=not no_public_egress)
    except ValueError as error:
        typer.echo(f"slipway: --egress: {error}", err=True)
        raise typer.Exit(2) from error
    if namespaces and namespace_selector:
        typer.echo("slipway: --namespace and --namespace-selector: name namespaces, or select them, not both", err=True)
        raise typer.Exit(2)
    try:
        taken_at = listen_address(feedback) if feedback is not None else None
    except AddressError as error:
        typer.echo(f"slipway: --feedback: {error}", err=True)
        raise typer.Exit(2) from error
    options = Settings(
        kubeconfig=kubeconfig,
        context=context,
        namespaces=tuple(namespaces or ()),
        namespace_selector=namespace_selector,
        gateway_metrics=tuple(gateway_metrics or ()),
        egress=reachable,
        mlflow_tracking_uri=mlflow_tracking_uri,
        image=image,
        limits=Limits(per_namespace=max_rollouts_per_namespace, per_cluster=max_rollouts),
        settle_seconds=settle_seconds,
        health=health_address,
        feedback=taken_at,
        elect=leader_elect,
        lease_name=lease_name,
        lease_namespace=lease_namespace,
        lease=LeaseTimes.of(lease_duration),
        debug=debug,
    )
    try:
        asyncio.run(run_operator(options))
    except AddressError as error:
        typer.echo(f"slipway: --health-address: {error}", err=True)
        raise typer.Exit(2) from error
    except (ClusterError, LostLeadError, OSError) as error:
        typer.echo(f"slipway: {error}", err=True)
        raise typer.Exit(1) from error
