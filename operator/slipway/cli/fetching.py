"""The verb that fetches a model: what init containers run."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, NoReturn

import typer

from slipway.cli.exits import Exit
from slipway.cli.session import fail

if TYPE_CHECKING:
    from slipway.delivery import DeliveryError, Field, Progress

_UNITS: Final = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY: Final = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_NAMES: Final = {
    "uri": "URI",
    "dest": "DEST",
    "digest": "--digest",
    "maxSize": "--max-size",
    "cache": "--cache",
    "volumes": "--volume",
    "credentials": "credentials",
    "signature": "--signature",
    "attestation": "--attestation",
    "trust": "--public-key",
}
"""Options, by the fields that errors name."""

Uri = Annotated[
    str,
    typer.Argument(metavar="URI", help="s3://, gs://, az://, hf://, https://, oci://, pvc://, file:// or mlflow:."),
]
Dest = Annotated[Path, typer.Argument(metavar="DEST", help="Folder that appears when everything is there.")]
Digest = Annotated[str | None, typer.Option("--digest", help="sha256:… that the tree has to have.")]
MaxSize = Annotated[str | None, typer.Option("--max-size", metavar="SIZE", help="Most bytes, such as 20Gi.")]
Extract = Annotated[bool, typer.Option("--extract", help="The URI names an archive, and its entries are wanted.")]
CacheFolder = Annotated[
    Path | None,
    typer.Option("--cache", envvar="SLIPWAY_CACHE", metavar="DIR", help="Folder that fetches on this node share."),
]
CacheSize = Annotated[
    str | None,
    typer.Option("--cache-size", envvar="SLIPWAY_CACHE_SIZE", metavar="SIZE", help="Most bytes that it may take."),
]
Volume = Annotated[
    list[str] | None,
    typer.Option("--volume", metavar="CLAIM=DIR", help="Where a claim is mounted, for pvc://. May be repeated."),
]
MlflowServer = Annotated[
    str | None,
    typer.Option(
        "--mlflow-tracking-uri",
        metavar="URL",
        help="The MLflow server of mlflow: addresses, where MLFLOW_TRACKING_URI names none.",
    ),
]
LogFormat = Annotated[
    Literal["text", "json"],
    typer.Option(
        envvar="SLIPWAY_LOG_FORMAT", help="Progress and errors as lines for people, or one JSON object a line."
    ),
]


def fetch(  # noqa: PLR0917 - typer makes options of them
    uri: Uri,
    dest: Dest,
    digest: Digest = None,
    max_size: MaxSize = None,
    extract: Extract = False,
    cache: CacheFolder = None,
    cache_size: CacheSize = None,
    volume: Volume = None,
    mlflow_tracking_uri: MlflowServer = None,
    log_format: LogFormat = "text",
) -> None:
    """Fetch a model into a folder that appears only when it is complete, and print its digest."""
    from slipway import delivery

    options = delivery.Options(
        digest=digest,
        max_size=size_of("--max-size", max_size),
        extract=extract,
        cache=cache,
        cache_size=size_of("--cache-size", cache_size),
        volumes=dict(mount_of(text) for text in volume or ()),
    )
    use_server(mlflow_tracking_uri)
    try:
        artifact = delivery.fetch(uri, dest, options, partial(tell, log_format))
    except delivery.DeliveryError as error:
        end(log_format, error)
    typer.echo(json.dumps(asdict(artifact)))


def tell(log_format: str, progress: Progress) -> None:
    """A line of the log on the way."""
    line = json.dumps({"event": "progress", **asdict(progress)}) if log_format == "json" else in_words(progress)
    typer.echo(line, err=True)


def end(log_format: str, error: DeliveryError) -> NoReturn:
    """The last line of the log, and the exit, where nothing was delivered."""
    if log_format == "json":
        said = {"event": "error", "error": type(error).__name__, "field": error.field, "message": error.problem}
        typer.echo(json.dumps(said), err=True)
        raise typer.Exit(Exit.ERROR)
    names: dict[Field, str] = {field: _NAMES[field] for field in type(error.field)}
    fail(error.told(names))


def in_words(progress: Progress) -> str:
    """A line of the log."""
    total = f" of {_human(progress.total)} ({100 * progress.done // max(progress.total, 1)}%)" if progress.total else ""
    kept = f", {_human(progress.kept)} of it was there" if progress.kept else ""
    left = f", {progress.left:.0f} s left" if progress.left is not None and progress.left >= 1 else ""
    files = f", {progress.files} of {progress.of_files} files"
    return f"{_human(progress.done)}{total}{kept}, {_human(int(progress.rate))}/s{left}{files}"


def _human(size: int) -> str:
    number = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def size_of(option: str, text: str | None) -> int | None:
    """Bytes of a quantity. Ends the verb where it is none."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,15})(Ki|Mi|Gi|Ti|[kMGT]?)", text)
    if found is None or int(found[1]) == 0:
        fail(f"{option}: {text!r} is no size: write bytes or a quantity like 500Mi or 20Gi", Exit.USAGE)
    return int(found[1]) * (_UNITS | _BINARY)[found[2]]


def use_server(url: str | None) -> None:
    """Have the MLflow server at this address asked where the environment names none: that of the credentials may."""
    if url is not None and not os.environ.get("MLFLOW_TRACKING_URI"):
        os.environ["MLFLOW_TRACKING_URI"] = url


def mount_of(text: str) -> tuple[str, Path]:
    """Claim and folder. Ends the verb where it names none."""
    claim, equals, folder = text.partition("=")
    if not claim or not equals or not folder:
        fail(f"--volume: {text!r} names no claim and folder: write CLAIM=DIR", Exit.USAGE)
    return claim, Path(folder)
