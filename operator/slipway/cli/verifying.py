"""The verb that says what is at a URI, and whether it is what it has to be: what Jobs of phase Verifying run."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from slipway.cli.exits import Exit
from slipway.cli.fetching import (
    CacheFolder,
    CacheSize,
    Digest,
    Extract,
    LogFormat,
    MaxSize,
    MlflowServer,
    Uri,
    Volume,
    end,
    mount_of,
    size_of,
    tell,
    use_server,
)
from slipway.cli.session import fail
from slipway.cli.vouching import Vouched, checks_of

if TYPE_CHECKING:
    from slipway.api import PolicySpec
    from slipway.delivery import DeliveryError, Verified

_FIELDS: Final = {
    "uri": "spec.release.model.uri",
    "digest": "spec.release.model.digest",
    "dest": "the volume of the Job",
    "maxSize": "spec.release.delivery.maxSize",
    "cache": "spec.release.delivery.cache",
    "volumes": "spec.release.model.uri",
    "credentials": "spec.release.delivery.credentials",
    "signature": "spec.release.verification.signature",
    "attestation": "spec.release.verification.attestation",
    "trust": "spec.release.verification",
}
"""Where a ModelDeployment says what errors are about."""


def verify(  # noqa: PLR0917 - typer makes options of them
    uri: Uri,
    digest: Digest = None,
    into: Annotated[
        Path | None,
        typer.Option(
            metavar="DEST",
            help="Folder to fetch into, which pvc:// and file:// need not. Default: one that is removed afterwards.",
        ),
    ] = None,
    max_size: MaxSize = None,
    extract: Extract = False,
    cache: CacheFolder = None,
    cache_size: CacheSize = None,
    volume: Volume = None,
    mlflow_tracking_uri: MlflowServer = None,
    public_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Public key, in PEM, that signed the model.")
    ] = None,
    identity: Annotated[str | None, typer.Option(metavar="WHO", help="Who signed it without a key.")] = None,
    identity_provider: Annotated[
        str | None, typer.Option(metavar="URL", help="The OpenID Connect provider that vouches for the identity.")
    ] = None,
    signature: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="The signature's file among those of the model. Default: model.sig."),
    ] = None,
    attestation_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Public key, in PEM, that signed the provenance.")
    ] = None,
    builder: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="A builder that may have made it. May be repeated.")
    ] = None,
    attestation: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="The provenance's file among those of the model. Default: provenance.intoto.json.",
        ),
    ] = None,
    policy: Annotated[str | None, typer.Option(metavar="JSON", help="A policy, as in slipway-policy.")] = None,
    result: Annotated[
        Path | None,
        typer.Option(
            help="Write what came of it to this file too. A refusal is an answer then, and the exit code is 0."
        ),
    ] = None,
    log_format: LogFormat = "text",
) -> None:
    """Fetch what is at a URI, verify it, and print its digest and what held as JSON."""
    from slipway import delivery
    from slipway.api import ATTESTATION_FILE, SIGNATURE_FILE

    options = delivery.Options(
        digest=digest,
        max_size=size_of("--max-size", max_size),
        extract=extract,
        cache=cache,
        cache_size=size_of("--cache-size", cache_size),
        volumes=dict(mount_of(text) for text in volume or ()),
    )
    release = Vouched(
        signature or SIGNATURE_FILE,
        attestation or ATTESTATION_FILE,
        public_key,
        identity,
        identity_provider,
        attestation_key,
        tuple(builder or ()),
    )
    use_server(mlflow_tracking_uri)
    try:
        checks = checks_of(release, _policy(policy), pinned=digest is not None)
        verified = delivery.verify(uri, into, options, partial(tell, log_format), checks)
    except delivery.DeliveryError as error:
        if result is None:
            end(log_format, error)
        _refuse(result, error, log_format)
        return
    text = json.dumps(_said(verified))
    if result is not None:
        result.write_text(text)
    typer.echo(text)


def _policy(text: str | None) -> PolicySpec:
    from pydantic import ValidationError

    from slipway.api import PolicySpec

    try:
        return PolicySpec.model_validate_json(text) if text is not None else PolicySpec()
    except ValidationError as error:
        first = error.errors()[0]
        fail(f"--policy: {'.'.join(map(str, first['loc']))}: {first['msg']}", Exit.USAGE)


def _said(verified: Verified) -> dict[str, Any]:
    artifact = verified.artifact
    return {
        "digest": artifact.digest,
        "bytes": artifact.bytes,
        "files": artifact.files,
        "verified": list(verified.held),
    }


def _refuse(result: Path, error: DeliveryError, log_format: str) -> None:
    """Leave why it is refused; or where nobody knows yet, why, for whoever tries again."""
    from slipway.delivery import passes

    told = error.told({field: _FIELDS[field] for field in type(error.field)})[:2000]
    if passes(error):
        result.write_text(told)
        end(log_format, error)
    text = json.dumps({"refused": told})
    result.write_text(text)
    typer.echo(text)
    raise typer.Exit(Exit.DONE)
