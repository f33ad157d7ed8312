"""The command: `python -m slipway_sandbox up | down | status | kubeconfig | serve`."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Final

import typer

from slipway_sandbox.sandbox import SandboxError, StateFolder, default_state

START_SECONDS: Final = 30.0

app = typer.Typer(
    help="A Kubernetes API with controllers, a node that runs pods as processes, and a gateway, on this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

State = Annotated[Path, typer.Option("--state", help="The folder that holds everything of this sandbox.")]
Port = Annotated[int, typer.Option("--port", help="The API server's port; 0 chooses a free one.")]
Gateway = Annotated[bool, typer.Option("--gateway/--no-gateway", help="Run Traefik as Gateway API controller.")]
GatewayPort = Annotated[int, typer.Option("--gateway-port", help="The gateway's port; 0 chooses a free one.")]
Images = Annotated[Path | None, typer.Option("--images", help="A file with further entries of the image table.")]
Backoff = Annotated[float, typer.Option("--backoff", help="First pause of crashing containers, in seconds.")]


@app.command()
def up(  # noqa: PLR0917 - typer makes options of them
    state: State = default_state(),  # noqa: B008 - typer reads the default when the command is built
    port: Port = 0,
    gateway: Gateway = True,
    gateway_port: GatewayPort = 0,
    images: Images = None,
    backoff: Backoff = 10.0,
) -> None:
    """Start a sandbox that stays until `down`."""
    folder = StateFolder(state)
    if folder.endpoints() is not None:
        typer.echo("The sandbox is already running.\n")
        _say_what_next(folder, state)
        return
    folder.prepare()
    options = [f"--port={port}", f"--gateway-port={gateway_port}", f"--backoff={backoff}"]
    options.append("--gateway" if gateway else "--no-gateway")
    if images is not None:
        options.append(f"--images={images.resolve()}")
    with folder.log_path.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "slipway_sandbox", "serve", f"--state={folder.path}", *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )
    try:
        _wait_until_up(folder, process)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    _say_what_next(folder, state)


@app.command()
def down(state: State = default_state()) -> None:  # noqa: B008
    """End the sandbox and everything that runs in it."""
    stopped = StateFolder(state).stop()
    typer.echo("The sandbox is down." if stopped else "No sandbox is running.")


@app.command()
def status(state: State = default_state()) -> None:  # noqa: B008
    """Say whether the sandbox runs, and where it answers. Exit code 3 when it does not run."""
    folder = StateFolder(state)
    endpoints = folder.endpoints()
    if endpoints is None:
        typer.echo(f"No sandbox is running in {folder.path}.")
        raise typer.Exit(3)
    typer.echo(f"running    process {endpoints.pid}")
    typer.echo(f"API        {endpoints.api_url}")
    if endpoints.gateway_url:
        typer.echo(f"gateway    {endpoints.gateway_url}")
        typer.echo(f"metrics    {endpoints.gateway_metrics_url}")
    typer.echo(f"kubeconfig {endpoints.kubeconfig}")
    typer.echo(f"logs       {folder.path / 'logs'}")


@app.command()
def kubeconfig(state: State = default_state()) -> None:  # noqa: B008
    """Print the path of the kubeconfig: `export KUBECONFIG=$(python -m slipway_sandbox kubeconfig)`."""
    endpoints = StateFolder(state).endpoints()
    if endpoints is None:
        raise SandboxError(f"no sandbox is running in {state}: start one with `up`")
    typer.echo(endpoints.kubeconfig)


@app.command(hidden=True)
def serve(  # noqa: PLR0917 - typer makes options of them
    state: State,
    port: Port = 0,
    gateway: Gateway = True,
    gateway_port: GatewayPort = 0,
    images: Images = None,
    backoff: Backoff = 10.0,
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
            until_stdin_closes=until_stdin_closes,
        )
    )


def _wait_until_up(folder: StateFolder, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        endpoints = folder.endpoints()
        if endpoints is not None and endpoints.pid == process.pid:
            return
        if process.poll() is not None:
            raise SandboxError(f"the sandbox ended while it started. Its log ends:\n{folder.log_tail()}")
        if time.monotonic() > deadline:
            raise SandboxError(f"the sandbox was not ready in {START_SECONDS:g} s. Its log ends:\n{folder.log_tail()}")
        time.sleep(0.02)


def _say_what_next(folder: StateFolder, state: Path) -> None:
    endpoints = folder.endpoints()
    if endpoints is None:
        raise SandboxError(f"the sandbox went down. Its log ends:\n{folder.log_tail()}")
    option = "" if state == default_state() else f" --state {state}"
    typer.echo(f"The sandbox is up: API {endpoints.api_url}")
    if endpoints.gateway_url:
        typer.echo(f"Its gateway takes requests at {endpoints.gateway_url} (attach routes to Gateway default/sandbox).")
    typer.echo("\nNext:")
    typer.echo(f"  export KUBECONFIG={endpoints.kubeconfig}")
    typer.echo("  kubectl get nodes,pods -A")
    typer.echo(f"  python -m slipway_sandbox down{option}")


def main() -> None:
    """Run the command; an expected failure is one line on standard error and exit code 1."""
    try:
        app()
    except SandboxError as problem:
        typer.echo(f"Error: {problem}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
