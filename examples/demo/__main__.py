"""``make demo``: rehearse a good release and two bad ones on this machine."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from demo.load import Load
from demo.stage import Stage, StageError, stage
from demo.story import VERSIONS, Report, load_for, play
from slipway_sandbox import SandboxError

COLOURS = {"v1": "cyan", "v2": "green", "v3": "magenta", "v4": "yellow", "you": "bold", "load": "dim", "gateway": "dim"}


class Narrator:
    """Prints the story as it happens, with the seconds since its beginning."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = time.monotonic()

    def __call__(self, who: str, what: str) -> None:
        seconds = time.monotonic() - self._started
        style = COLOURS.get(who, "")
        self._console.print(f"[dim]{seconds:6.1f}s[/] [{style}]{who:>7}[/]  ", end="", highlight=False)
        self._console.print(what, markup=False, highlight=False, soft_wrap=True)


def summary(console: Console, report: Report) -> None:
    """The table at the end, and below it the evidence that each release was judged on."""
    table = Table(title="What became of the releases", title_justify="left")
    for column in ("release", "revision", "answers", "bad answers", "phase", "reason"):
        table.add_column(column, justify="right" if "answers" in column else "left", no_wrap=True)
    for version in VERSIONS:
        revision, answers = report.revisions[version], report.of(version)
        status = revision.get("status", {})
        bad = str(sum(not answer.good for answer in answers))
        name = revision.get("metadata", {}).get("name", "-")
        table.add_row(version, name, str(len(answers)), bad, status.get("phase", "-"), status.get("reason", "-"))
    console.print(table)
    for version in VERSIONS:
        for metric in report.revisions[version].get("status", {}).get("metrics") or []:
            told = f"{metric['verdict']} {metric['message']}"
            console.print(f"{version} {metric['name']}: {told}", markup=False, highlight=False, soft_wrap=True)
    failures = report.caused_by_rollouts
    console.print(f"\nrequests in all: {len(report.answers)}; failures that the rollouts caused: {len(failures)}")
    for answer in failures[:5]:
        console.print(f"  {answer.problem.strip()}", markup=False)
    if report.first_bad_to_zero is not None:
        console.print(f"from v4's first bad answer to weight 0 at the gateway: {report.first_bad_to_zero:.1f} s")


async def keep_running(console: Console, on: Stage, load: Load) -> None:
    """Leave everything running until Ctrl-C, and say how to look at it."""
    load.start()
    console.print("\nEverything goes on running. In another terminal:")
    console.print(f"  export KUBECONFIG={on.sandbox.kubeconfig_path}", soft_wrap=True)
    console.print("  kubectl get mdep,mrev,deploy,httproute")
    console.print(f"logs: {on.sandbox.logs_dir}; Ctrl-C ends everything", soft_wrap=True)
    stop = asyncio.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    await stop.wait()
    await load.stop()


async def rehearse(*, keep: bool, state_dir: Path | None) -> int:
    """Run the story; the exit code."""
    console = Console() if sys.stdout.isatty() else Console(width=120)
    tell = Narrator(console)
    tell("you", "a Kubernetes API, a node, Traefik and the operator are being started")
    async with stage(state_dir=state_dir) as on:
        load = load_for(on)
        try:
            report = await play(on, load, tell)
            summary(console, report)
            if keep:
                await keep_running(console, on, load)
        finally:
            await load.stop()
    return 1 if report.caused_by_rollouts else 0


def main() -> int:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave everything running and print the kubeconfig")
    parser.add_argument("--state", type=Path, help="folder for logs and state; a temporary one when not given")
    options = parser.parse_args()
    try:
        with contextlib.suppress(KeyboardInterrupt):
            return asyncio.run(rehearse(keep=options.keep, state_dir=options.state))
    except (StageError, SandboxError) as error:
        print(f"demo: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
