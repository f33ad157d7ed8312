"""`slipway feedback`: reports from options or a file, sent until they are taken, and what is said of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from typer.testing import CliRunner

from slipway.cli.app import app
from slipway.feedback import client
from slipway.feedback.client import NotTakenError, Receipt, send

ONE = {"requestId": "r1", "revision": "fraud-1", "outcome": "Right"}
AT = ["--url", "http://127.0.0.1:1", "--namespace", "shop"]
WHICH = ["--request-id", "r1", "--revision", "fraud-1"]


class Sent:
    """What the command would have sent."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.receipt = Receipt()

    async def __call__(self, *arguments: Any) -> Receipt:
        self.calls.append(arguments)
        return self.receipt


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    found = Sent()
    monkeypatch.setattr(client, "send", found)
    monkeypatch.setenv("SLIPWAY_FEEDBACK_TOKEN", "a-token")
    return found


def told(*arguments: str, **about: Any) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["feedback", "fraud", *arguments], **about)
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        (["--right"], {"outcome": "Right"}),
        (["--wrong"], {"outcome": "Wrong"}),
        (["--reward", "0.5"], {"reward": 0.5}),
        (["--wrong", "--time", "2026-05-04T12:00:00Z"], {"outcome": "Wrong", "time": "2026-05-04T12:00:00Z"}),
    ],
)
def test_options_say_one_report(sent: Sent, options: list[str], fields: dict[str, Any]) -> None:
    assert told(*AT, *WHICH, *options)[0] == 0
    report = {"requestId": "r1", "revision": "fraud-1"} | fields
    assert sent.calls == [("http://127.0.0.1:1", "a-token", "shop", "fraud", [report])]


def test_a_file_says_one_a_line_and_the_token_may_be_in_a_file_too(sent: Sent, tmp_path: Path) -> None:
    (tmp_path / "labels.jsonl").write_text(f"{json.dumps(ONE)}\n\n{json.dumps(ONE)}\n")
    (tmp_path / "token").write_text("of-a-file\n")
    files = ["-f", str(tmp_path / "labels.jsonl"), "--token-file", str(tmp_path / "token")]
    assert told(*AT, *files)[0] == 0
    assert told(*AT, "-f", "-", input=json.dumps(ONE))[0] == 0
    assert [call[1] for call in sent.calls] == ["of-a-file", "a-token"]
    assert [call[4] for call in sent.calls] == [[ONE, ONE], [ONE]]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--namespace", "shop", *WHICH, "--right"], "--url"),
        ([*AT, *WHICH], "one of --right, --wrong and --reward"),
        ([*AT, *WHICH, "--right", "--reward", "1"], "one of --right, --wrong and --reward"),
        ([*AT, "--right"], "--request-id"),
        ([*AT, "-f", "-", "--right"], "not in both"),
        ([*AT, "-f", "/nowhere"], "--file"),
        ([*AT, *WHICH, "--right", "--token-file", "/nowhere"], "--token-file"),
    ],
)
def test_a_wrong_command_line_is_told(sent: Sent, options: list[str], words: str) -> None:
    code, said = told(*options)
    assert (code, words in said) == (2, True)
    assert sent.calls == []


def test_a_bad_line_is_told_by_its_number_before_anything_is_sent(sent: Sent) -> None:
    code, said = told(*AT, "-f", "-", input=f"{json.dumps(ONE)}\nnonsense\n")
    assert (code, "line 2" in said) == (2, True)
    assert sent.calls == []


def test_without_a_token_it_says_how_to_get_one(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLIPWAY_FEEDBACK_TOKEN")
    code, said = told(*AT, *WHICH, "--right")
    assert (code, "kubectl create token" in said) == (2, True)


def test_refused_reports_are_told_and_end_in_an_exit_code_of_their_own(sent: Sent) -> None:
    sent.receipt.counts.update({"accepted": 2, "refused": 1})
    sent.receipt.problems.append("report 3: no revision of this name")
    code, said = told(*AT, *WHICH, "--right")
    assert code == 9
    assert "accepted: 2, duplicate: 0, ignored: 0, late: 0, refused: 1" in said
    assert "report 3: no revision of this name" in said


# --- sending


@asynccontextmanager
async def an_operator(*answers: tuple[int, Any]) -> AsyncIterator[tuple[str, list[list[Any]]]]:
    """Answers one after the other, the last one for ever; what it was sent."""
    got: list[list[Any]] = []
    left = list(answers)

    async def answer(request: web.Request) -> web.Response:
        got.append(await request.json())
        status, body = left.pop(0) if len(left) > 1 else left[0]
        return web.Response(text=body if isinstance(body, str) else json.dumps(body), status=status)

    app = web.Application()
    app.router.add_post("/v1/namespaces/shop/modeldeployments/fraud/feedback", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/", got
    finally:
        await runner.cleanup()
        await asyncio.sleep(0)


GOOD = {"accepted": 1, "duplicate": 0, "ignored": 0, "late": 0, "refused": 0, "problems": []}


async def test_an_operator_that_restarts_is_waited_for() -> None:
    async with an_operator((503, {"error": "not the leader"}), (200, GOOD)) as (url, got):
        assert (await send(url, "t", "shop", "fraud", [ONE], pause=0.01)).counts["accepted"] == 1
    assert got == [[ONE], [ONE]]


async def test_many_reports_are_sent_in_parts_and_problems_are_told_by_their_place_in_all() -> None:
    some = GOOD | {"refused": 1, "problems": [{"item": 4, "message": "bad"}]}
    async with an_operator((200, GOOD), (200, some)) as (url, got):
        receipt = await send(url, "t", "shop", "fraud", [ONE] * 1200)
    assert [len(part) for part in got] == [1000, 200]
    assert receipt.problems == ["report 1005: bad"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((401, {"error": "who are you"}), "401 who are you"),
        ((200, "<html>"), "not as an operator does"),
        ((503, {"error": "never"}), "after 6 tries: 503 never"),
    ],
)
async def test_what_is_not_taken_is_told(answer: tuple[int, Any], words: str) -> None:
    async with an_operator(answer) as (url, _):
        with pytest.raises(NotTakenError, match=words):
            await send(url, "t", "shop", "fraud", [ONE], pause=0.001)


async def test_nobody_at_the_address_is_told() -> None:
    with pytest.raises(NotTakenError, match="after 6 tries: http"):
        await send("http://127.0.0.1:1", "t", "shop", "fraud", [ONE], pause=0.001)
