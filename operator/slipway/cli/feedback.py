"""The verb that reports what became of answers."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from slipway.cli.exits import Exit
from slipway.cli.session import Context, Kubeconfig, Name, Namespace, fail

RequestId = Annotated[str | None, typer.Option("--request-id", help="The request that the report is about.")]
Revision = Annotated[
    str | None,
    typer.Option("--revision", help="The revision that answered it: the header x-slipway-revision of the answer."),
]
Right = Annotated[bool | None, typer.Option("--right/--wrong", help="Whether the answer was right.")]
Reward = Annotated[float | None, typer.Option(min=0, max=1, help="How good the answer was, from 0 to 1.")]
Time = Annotated[
    str | None,
    typer.Option("--time", help="When the request was made, such as 2026-05-04T12:00:00Z. Default: now."),
]
File = Annotated[
    str | None,
    typer.Option("--file", "-f", metavar="FILE", help="Reports as JSON Lines instead; - is standard input."),
]
Url = Annotated[
    str | None,
    typer.Option(
        envvar="SLIPWAY_FEEDBACK_URL", help="Where the operator takes feedback, such as http://127.0.0.1:8089."
    ),
]
TokenFile = Annotated[
    str | None,
    typer.Option(
        envvar="SLIPWAY_FEEDBACK_TOKEN_FILE",
        help="File with a token for the audience feedback.slipway.dev. Default: the token in SLIPWAY_FEEDBACK_TOKEN.",
    ),
]


def feedback(  # noqa: PLR0917 - typer makes options of them
    name: Name,
    request_id: RequestId = None,
    revision: Revision = None,
    right: Right = None,
    reward: Reward = None,
    time: Time = None,
    file: File = None,
    url: Url = None,
    token_file: TokenFile = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Report what became of answers: labels or rewards, by request id and revision."""
    import asyncio

    from slipway.feedback.client import COUNTS, NotTakenError, send

    if url is None:
        fail("--url: say where the operator takes feedback (kubectl port-forward leads there)", Exit.USAGE)
    said = {"outcome": _outcome(right), "reward": reward, "time": time}
    about_one = {"requestId": request_id, "revision": revision} | said
    one = {field: value for field, value in about_one.items() if value is not None}
    if file is not None and one:
        fail("--file: the reports are in the file, or in options, not in both", Exit.USAGE)
    reports = _of_file(file) if file is not None else [_complete(one)]
    token = _token(token_file)
    try:
        receipt = asyncio.run(_send(send, url, token, name, reports, namespace, kubeconfig, context))
    except NotTakenError as error:
        fail(str(error))
    typer.echo(", ".join(f"{count}: {receipt.counts[count]}" for count in COUNTS))
    for problem in receipt.problems:
        typer.echo(f"slipway: {problem}", err=True)
    if receipt.counts["refused"]:
        raise typer.Exit(Exit.REFUSED)


async def _send(  # noqa: PLR0917 - the verb's options, once more
    send: Any,
    url: str,
    token: str,
    name: str,
    reports: list[dict[str, Any]],
    namespace: str | None,
    kubeconfig: str | None,
    context: str | None,
) -> Any:
    if namespace is None:
        from slipway.cli.session import DEFAULT_NAMESPACE
        from slipway.cluster import ClusterError, connection_info

        try:
            info = await connection_info(kubeconfig=kubeconfig, context=context)
        except ClusterError as error:
            fail(f"--namespace: not given, and there is nothing that names one: {error}", Exit.USAGE)
        namespace = info.default_namespace or DEFAULT_NAMESPACE
    return await send(url, token, namespace, name, reports)


def _outcome(right: bool | None) -> str | None:
    if right is None:
        return None
    return "Right" if right else "Wrong"


def _complete(one: dict[str, Any]) -> dict[str, Any]:
    if not {"requestId", "revision"} <= one.keys() or len({"outcome", "reward"} & one.keys()) != 1:
        fail("give --request-id, --revision and one of --right, --wrong and --reward; or --file", Exit.USAGE)
    return one


def _of_file(path: str) -> list[dict[str, Any]]:
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        fail(f"--file: {error}", Exit.USAGE)
    reports = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            report = json.loads(line)
        except (ValueError, RecursionError) as error:
            fail(f"{path}, line {number}: not JSON: {error}", Exit.USAGE)
        if not isinstance(report, dict):
            fail(f"{path}, line {number}: a report is a JSON object", Exit.USAGE)
        reports.append(report)
    return reports


def _token(path: str | None) -> str:
    try:
        token = Path(path).read_text() if path is not None else os.environ.get("SLIPWAY_FEEDBACK_TOKEN", "")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"--token-file: {error}", Exit.USAGE)
    if not token.strip():
        fail(
            "no token: give --token-file, or SLIPWAY_FEEDBACK_TOKEN=$(kubectl create token SERVICEACCOUNT "
            "--audience=feedback.slipway.dev)",
            Exit.USAGE,
        )
    return token.strip()
