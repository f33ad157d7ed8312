"""The verbs: each reads the state folder, does one thing and prints what came of it."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from slipway_sandbox.cli.choice import STATE_HELP, chosen, told_as
from slipway_sandbox.cli.images import pull_images, show_images
from slipway_sandbox.cli.launch import UpOptions, launch
from slipway_sandbox.cli.logs import SERVER, log_files, show
from slipway_sandbox.cli.mapping import read_mappings
from slipway_sandbox.images import BuildError, ImageError, ImageTable
from slipway_sandbox.sandbox import Ending, Endpoints, SandboxError, StateFolder


class _Plain(TyperGroup):
    """What users can put right is one line on standard error and exit code 1, whichever command this is part of."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # as in `logs | head`: whoever reads has seen enough, and typer ends quietly
        except (SandboxError, ImageError, BuildError, OSError) as problem:
            typer.echo(f"Error: {problem}", err=True)
            raise typer.Exit(1) from problem


app = typer.Typer(
    cls=_Plain,
    help="A Kubernetes API with controllers, a node that runs pods as processes, and a gateway, on this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Name = Annotated[str, typer.Option("--name", help="Which sandbox; each has a folder of its own.")]
State = Annotated[Path | None, typer.Option("--state", help=STATE_HELP)]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="The API server's port; 0 chooses a free one.")]
Gateway = Annotated[bool, typer.Option("--gateway/--no-gateway", help="Run Traefik as Gateway API controller.")]
GatewayPort = Annotated[
    int, typer.Option("--gateway-port", min=0, max=65535, help="The gateway's port; 0 chooses a free one.")
]
Images = Annotated[Path | None, typer.Option("--images", help="A file with further entries of the image table.")]
Backoff = Annotated[float, typer.Option("--backoff", min=0, help="First pause of crashing containers, in seconds.")]
Persist = Annotated[
    bool, typer.Option("--persist", help="Keep the objects in the folder, and begin with those that are kept there.")
]


@app.command()
def up(  # noqa: PLR0917 - typer makes options of them
    ctx: typer.Context,
    name: Name = "default",
    state: State = None,
    port: Port = 0,
    gateway: Gateway = True,
    gateway_port: GatewayPort = 0,
    images: Images = None,
    backoff: Backoff = 10.0,
    persist: Persist = False,
) -> None:
    """Start a sandbox that stays until `down`. Exit code 1 when it runs already."""
    folder = chosen(name, state)
    program = told_as(ctx, name, state)
    if folder.running():
        endpoints = folder.endpoints()
        if endpoints is None:
            raise SandboxError(f"the sandbox in {folder.path} is starting or stopping: try again in a moment")
        typer.echo(f"Error: the sandbox in {folder.path} is already running.\n", err=True)
        _say_what_next(endpoints, program)
        raise typer.Exit(1)
    if folder.stale():
        typer.echo("An earlier sandbox in this folder did not end properly; clearing away what it left.")
    endpoints = launch(
        folder,
        UpOptions(
            port=port,
            gateway=gateway,
            gateway_port=gateway_port,
            images=images,
            backoff_seconds=backoff,
            persist=persist,
        ),
    )
    typer.echo("The sandbox is up.")
    _say_what_next(endpoints, program)


@app.command()
def down(name: Name = "default", state: State = None) -> None:
    """End the sandbox and everything that runs in it."""
    match chosen(name, state).stop():
        case Ending.STOPPED:
            typer.echo("The sandbox is down.")
        case Ending.CLEARED:
            typer.echo("No sandbox is running; what one that crashed had left is cleared away.")
        case Ending.NOTHING:
            typer.echo("No sandbox is running.")


@app.command()
def status(name: Name = "default", state: State = None) -> None:
    """Say whether the sandbox runs, and where it answers. Exit code 3 when it does not run."""
    folder = chosen(name, state)
    endpoints = folder.endpoints()
    if endpoints is None:
        crashed = ": the last one did not end properly; `down` or the next `up` clears away what it left"
        typer.echo(f"No sandbox is running in {folder.path}{crashed if folder.stale() else '.'}")
        raise typer.Exit(3)
    typer.echo(f"running    process {endpoints.pid}")
    typer.echo(f"API        {endpoints.api_url}")
    if endpoints.gateway_url:
        typer.echo(f"gateway    {endpoints.gateway_url}")
        typer.echo(f"metrics    {endpoints.gateway_metrics_url}")
    typer.echo(f"kubeconfig {endpoints.kubeconfig}")
    typer.echo(f"logs       {folder.path / 'logs'}")


@app.command()
def kubeconfig(name: Name = "default", state: State = None) -> None:
    """Print the path of the kubeconfig, as in export KUBECONFIG=$(… kubeconfig)."""
    typer.echo(_running(chosen(name, state)).kubeconfig)


@app.command()
def logs(
    of: Annotated[
        str, typer.Argument(metavar="[COMPONENT|POD]", help="sandbox, traefik, POD or NAMESPACE/POD")
    ] = SERVER,
    name: Name = "default",
    state: State = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes; end with Ctrl-C.")] = False,
    tail: Annotated[int | None, typer.Option("--tail", min=0, help="Only the last lines of each log.")] = None,
) -> None:
    """Print the log of a component or of the containers of a pod, also of one that is gone."""
    folder = chosen(name, state)
    show(log_files(folder.path / "logs", of), tail=tail, follow=follow)


@app.command()
def load(
    mappings: Annotated[
        list[str], typer.Argument(metavar="FILE|PATTERN=COMMAND…", help="A table, or one image and its command.")
    ],
    name: Name = "default",
    state: State = None,
    requirements: Annotated[
        Path | None,
        typer.Option(
            "--requirements", "-r", help="Python packages that each PATTERN=COMMAND runs with, in pip's format."
        ),
    ] = None,
) -> None:
    """Bring image mappings into a running sandbox: files of the image table, or PATTERN=COMMAND."""
    folder = chosen(name, state)
    _running(folder)
    fresh = read_mappings(mappings, requirements)
    table = ImageTable.load(folder.images_path) if folder.images_path.exists() else ImageTable()
    table.update(fresh)
    folder.write_images(table)
    for pattern in fresh.patterns():
        typer.echo(f"mapped {pattern}")


@app.command()
def images(name: Name = "default", state: State = None) -> None:
    """List the images that pods can run, and which environments are made already. Needs no running sandbox."""
    show_images(_table(chosen(name, state)))


@app.command()
def pull(
    wanted: Annotated[list[str], typer.Argument(metavar="IMAGE…", help="Names of images, as pods write them.")],
    name: Name = "default",
    state: State = None,
) -> None:
    """Make the environments of images beforehand, so that pods start at once. Needs no running sandbox."""
    pull_images(_table(chosen(name, state)), wanted)


@app.command(hidden=True)
def serve(  # noqa: PLR0917 - typer makes options of them
    state: Annotated[Path, typer.Option("--state")],
    port: Port = 0,
    gateway: Gateway = True,
    gateway_port: GatewayPort = 0,
    images: Images = None,
    backoff: Backoff = 10.0,
    persist: Persist = False,
    until_stdin_closes: Annotated[bool, typer.Option("--until-stdin-closes")] = False,
) -> None:
    """Run a sandbox in the foreground; `up` and the Python handle do this for you."""
    from slipway_sandbox.sandbox.serve import ServeOptions
    from slipway_sandbox.sandbox.serve import serve as run

    run(
        ServeOptions(
            state=state,
            port=port,
            gateway=gateway,
            gateway_port=gateway_port,
            images=images,
            backoff_seconds=backoff,
            persist=persist,
            until_stdin_closes=until_stdin_closes,
        )
    )


def _table(folder: StateFolder) -> ImageTable:
    table = ImageTable.builtin()
    if folder.images_path.exists():
        table.update(ImageTable.load(folder.images_path))
    return table


def _running(folder: StateFolder) -> Endpoints:
    endpoints = folder.endpoints()
    if endpoints is None:
        raise SandboxError(f"no sandbox is running in {folder.path}: start one with `up`")
    return endpoints


def _say_what_next(endpoints: Endpoints, program: str) -> None:
    typer.echo(f"API      {endpoints.api_url}")
    if endpoints.gateway_url:
        typer.echo(f"gateway  {endpoints.gateway_url}   (attach routes to the Gateway default/sandbox)")
    typer.echo("\nNext:")
    typer.echo(f"  export KUBECONFIG={endpoints.kubeconfig}")
    typer.echo("  kubectl get nodes,pods --all-namespaces")
    typer.echo(f"  {program.format('load')} 'registry.example/app:*=python3 app.py'")
    typer.echo(f"  {program.format('down')}")
