"""The verb that replays a golden set: what a Job of the operator runs, and a person who wants to know beforehand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from slipway.cli.session import fail

if TYPE_CHECKING:
    from pydantic import BaseModel

    from slipway.outside import Egress
    from slipway.probes import BodySchema, Format, InferenceProtocol, Match

M = TypeVar("M", bound="BaseModel")


def evaluate(  # noqa: PLR0917 - typer makes options of them
    source: Annotated[
        str, typer.Argument(metavar="FILE|URL", help="The golden set: a file, http(s), or what fsspec can read.")
    ],
    candidate: Annotated[
        list[str],
        typer.Option(
            metavar="URL",
            help="Address of the release that is judged. May be repeated: the first whose name is known is asked.",
        ),
    ],
    candidate_model: Annotated[str, typer.Option(metavar="NAME", help="Name of the model there.")],
    stable: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="The same of the release that it is compared with.")
    ] = None,
    stable_model: Annotated[
        str | None, typer.Option(metavar="NAME", help="Default: the name of the candidate's model.")
    ] = None,
    candidate_answers: Annotated[
        str | None, typer.Option(metavar="JSON", help="JSON Schema that an answer has to match to be one.")
    ] = None,
    stable_answers: Annotated[str | None, typer.Option(metavar="JSON", help="The same of the stable release.")] = None,
    requests: Annotated[
        str | None, typer.Option(metavar="JSON", help="JSON Schema that the request of an item has to match.")
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(metavar="JSON", help="As in spec.release.protocol. Default: the Open Inference Protocol V2."),
    ] = None,
    match: Annotated[
        str | None, typer.Option(metavar="JSON", help="As in goldenSet.match. Default: right is what is equal.")
    ] = None,
    output: Annotated[str | None, typer.Option(metavar="NAME", help="Name of the output that is compared.")] = None,
    form: Annotated[
        str | None, typer.Option("--format", help="JSONLines, CSV or Parquet. Default: what the name ends in.")
    ] = None,
    slices: Annotated[
        list[str] | None, typer.Option("--slice", metavar="NAME", help="Kind of groups to count too. May be repeated.")
    ] = None,
    tolerance: Annotated[float, typer.Option(min=0, max=0.5, help="Share of the items that may be bad.")] = 0.0,
    timeout: Annotated[str, typer.Option(help="Longest wait for one answer.")] = "5s",
    items_per_second: Annotated[
        int, typer.Option(min=1, help="Most items a second, so that live traffic is not starved.")
    ] = 100,
    seed: Annotated[str, typer.Option(help="What the order of the items is made of.")] = "",
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Namespace whose Services a URL of the file may name.")
    ] = "default",
    egress: Annotated[
        list[str] | None, typer.Option(metavar="RULE", help="What a URL of the file may lead to, as in run.")
    ] = None,
    no_public_egress: Annotated[
        bool, typer.Option("--no-public-egress", help="Public addresses need a rule too, as in run.")
    ] = False,
    result: Annotated[
        Path | None, typer.Option(help="Write the counts to this file too, or why there are none.")
    ] = None,
) -> None:
    """Replay a golden set against one release, or two of them item by item, and print what came of it as JSON."""
    import asyncio

    from slipway.controller.evaluating import Evaluation, EvaluationError, Target
    from slipway.controller.evaluating import evaluate as replay

    try:
        wanted = Evaluation(
            source=source,
            candidate=Target(candidate, candidate_model, _schema(candidate_answers)),
            stable=Target(stable, stable_model or candidate_model, _schema(stable_answers)) if stable else None,
            requests=_schema(requests),
            protocol=_protocol(protocol, output),
            match=_match(match),
            seed=seed,
            form=_form(form),
            tolerance=tolerance,
            slices=slices or (),
            timeout=_seconds(timeout),
            items_per_second=items_per_second,
            namespace=namespace,
            egress=_egress(egress or [], public=not no_public_egress),
        )
        text = asyncio.run(replay(wanted, lambda words: typer.echo(words, err=True))).text()
    except (EvaluationError, ValueError) as error:
        if result is not None:
            result.write_text(str(error)[:2000])
        fail(str(error))
    if result is not None:
        result.write_text(text)
    typer.echo(text)


def _protocol(text: str | None, output: str | None) -> InferenceProtocol:
    from slipway.api import ProtocolSpec
    from slipway.controller.arm import protocol_of

    return protocol_of(_read(ProtocolSpec, "--protocol", text), output=output)


def _match(text: str | None) -> Match:
    from slipway.api import MatchSpec
    from slipway.controller.golden import match_of

    spec = _read(MatchSpec, "--match", text)
    if spec is not None and len(spec.model_fields_set) != 1:
        raise ValueError("--match: name exactly one of within, text and embedding")
    return match_of(spec)


def _read(model: type[M], option: str, text: str | None) -> M | None:
    from pydantic import ValidationError

    try:
        return model.model_validate_json(text) if text is not None else None
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(": ".join([option, *map(str, first["loc"]), first["msg"]])) from None


def _schema(text: str | None) -> BodySchema | None:
    from slipway.probes import BodySchema

    return BodySchema(text) if text is not None else None


def _form(name: str | None) -> Format | None:
    from slipway.controller.dataset import FORMATS

    if name is not None and name not in FORMATS:
        raise ValueError(f"--format: {name!r} is none of {', '.join(FORMATS)}")
    return FORMATS[name] if name is not None else None


def _seconds(text: str) -> float:
    from slipway.api import parse_duration

    return parse_duration(text).total_seconds()


def _egress(rules: list[str], *, public: bool) -> Egress:
    from slipway.outside import Egress

    return Egress(tuple(rules), public=public)
