"""What can be run without a mapping, and what of it is made already; making it beforehand."""

import asyncio
from collections.abc import Iterable
from typing import Final

import typer

from slipway_sandbox.images import Cache, Environment, EnvironmentStore, ImageError, ImageTable, Plan

MIB: Final = 1 << 20


def show_images(table: ImageTable) -> None:
    """One line a pattern: what runs, at which version, and whether its environment is there."""
    cache = Cache()
    rows = [("IMAGE", "VERSION", "ENVIRONMENT")]
    patterns = table.patterns()
    for pattern in patterns:
        if pattern.startswith("*/") and pattern[2:] in patterns:
            continue  # the same image from a mirror
        entry = table.entry(pattern)
        plan = entry.plan(pattern)
        rows.append((pattern, entry.version or "-", _state(cache, plan)))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for image, version, state in rows:
        typer.echo(f"{image:<{widths[0]}}  {version:<{widths[1]}}  {state}")
    made = cache.environments()
    total = sum(environment.size for environment in made)
    typer.echo(f"\n{len(made)} environments, {total // MIB} MiB, in {cache.folder}: delete a folder to free its space.")


def pull_images(table: ImageTable, images: Iterable[str]) -> None:
    """Make what these images need, one after the other.

    Raises `ImageError` for an image without an entry, before anything is made, and `BuildError` for an environment
    that cannot be made.
    """
    plans: dict[str, Plan | None] = {}
    for image in images:
        entry = table.resolve(image)
        if entry is None:
            raise ImageError(f"{image}: no entry of the image table matches; `images` lists them, `load` brings one")
        plans[image] = entry.plan(image)
        difference = entry.difference(image)
        if difference:
            typer.echo(f"{image}: {difference}")
    asyncio.run(_pull(plans))


async def _pull(plans: dict[str, Plan | None]) -> None:
    store = EnvironmentStore()
    try:
        for image, plan in plans.items():
            if plan is None:
                typer.echo(f"{image}: needs no environment")
                continue
            environment = store.cache.find(plan)
            if environment is None:
                typer.echo(f"{image}: making its environment; the log is {store.cache.log_path(plan)}")
                environment = await store.get(plan)
            typer.echo(f"{image}: {_ready(environment)}, in {environment.folder}")
    finally:
        await store.close()


def _state(cache: Cache, plan: Plan | None) -> str:
    if plan is None:
        return "none needed"
    environment = cache.find(plan)
    return _ready(environment) if environment is not None else "made when it is used first, or by `pull`"


def _ready(environment: Environment) -> str:
    return f"ready, {environment.size // MIB} MiB, made in {environment.seconds:.0f} s"
