"""Servers that count their questions, that give addresses for a while, and that are away for a moment."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
from unit.delivery.servers import CHUNK, Asked, Reply, as_json, files, ranged, serving

from slipway import delivery
from slipway.delivery import Options, digest_of, fetch

BIG = random.Random(13).randbytes(12 * CHUNK + 5)
COMMIT = "0123456789abcdef0123456789abcdef01234567"
ALONE = Options(workers=1)


class Clock:
    """Time that passes when somebody waits, and not otherwise."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []
        self._lock = threading.Lock()

    def pause(self, _: threading.Event, seconds: float) -> None:
        with self._lock:
            self.now += seconds
            self.waits.append(seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("slipway.delivery.transfer.FIRST_WAIT", 0.5)
    monkeypatch.setattr("slipway.delivery.transfer.LONGEST_WAIT", 20.0)
    monkeypatch.setattr("slipway.delivery.transfer.pause", made.pause)
    return made


def moved(to: str) -> Reply:
    return Reply(302, b"", {"location": to})


class Hub:
    """Repository org/bert, whose large files are somewhere else by addresses that are good for `good` requests."""

    def __init__(self, clock: Clock, *, good: int = 10**6, over: int = 403, limit: int = 10**6) -> None:
        self.storage = ""
        self.resolved = 0
        self._clock = clock
        self._good, self._over, self._limit = good, over, limit
        self._used: dict[str, int] = {}
        self._window, self._in_window = -1, 0

    def api(self, asked: Asked) -> Reply:
        """The hub itself."""
        known = {"lfs": {"oid": hashlib.sha256(BIG).hexdigest(), "size": len(BIG), "pointerSize": 134}}
        if asked.path.startswith("/api/models/org/bert/tree/"):
            return as_json([{"type": "file", "path": "big.bin", "size": len(BIG), "oid": "0" * 40, **known}])
        if asked.path.startswith("/api/"):
            return as_json({"id": "org/bert", "sha": COMMIT, "siblings": []})
        window = int(self._clock.now // 300)
        if window != self._window:
            self._window, self._in_window = window, 0
        self._in_window += 1
        if self._in_window > self._limit:
            left = int((window + 1) * 300 - self._clock.now) + 1
            return Reply(429, b"", {"ratelimit": f'"resolvers";r=0;t={left}', "ratelimit-policy": '"fixed";q=3;w=300'})
        self.resolved += 1
        return moved(f"{self.storage}/xet/big.bin?signature={self.resolved}")

    def store(self, asked: Asked) -> Reply:
        """Where the bytes are."""
        signature = asked.query["signature"]
        self._used[signature] = self._used.get(signature, 0) + 1
        return Reply(self._over) if self._used[signature] > self._good else ranged(asked, BIG)


def fetched(hub: Hub, dest: Path, monkeypatch: pytest.MonkeyPatch, options: Options = ALONE) -> list[Asked]:
    """What the store was asked."""
    monkeypatch.setenv("HF_TOKEN", "hf_s3cret")
    with serving(hub.store) as store, serving(hub.api) as server:
        hub.storage = store.url
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        fetch("hf://org/bert", dest, options)
    assert (dest / "big.bin").read_bytes() == BIG
    return store.asked


# --- where redirects have led ---------------------------------------------------------------------------------------


def test_the_hub_is_asked_once_where_a_file_is(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub(clock)
    asked = fetched(hub, tmp_path / "model", monkeypatch)
    assert (hub.resolved, len(asked)) == (1, 13)
    assert not any("authorization" in one.headers for one in asked)


def test_several_workers_ask_no_more_than_once_each(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = Hub(clock)
    fetched(hub, tmp_path / "model", monkeypatch, Options(workers=4))
    assert hub.resolved <= 4


@pytest.mark.parametrize("over", [400, 401, 403, 404, 410])
def test_an_address_that_is_over_is_asked_for_anew(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, over: int
) -> None:
    hub = Hub(clock, good=5, over=over)
    fetched(hub, tmp_path / "model", monkeypatch)
    assert hub.resolved == 3
    assert clock.waits == []


def test_an_address_that_is_refused_when_it_is_new_is_an_error(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = Hub(clock, good=0)
    with pytest.raises(delivery.Denied, match=r"answered HTTP 403"):
        fetched(hub, tmp_path / "model", monkeypatch)
    assert hub.resolved == 1


def test_an_address_that_redirects_or_fails_itself_is_asked_for_anew(tmp_path: Path, clock: Clock) -> None:
    """By the rules for redirects from the URL on, as if nothing had been known."""
    later = [moved("ftp://127.0.0.1/weights.bin"), Reply(500), None]
    asked_first = 0

    def first(asked: Asked) -> Reply:
        nonlocal asked_first
        asked_first += 1
        return moved(f"{behind.url}/{asked_first}")

    def second(asked: Asked) -> Reply:
        known = len([one for one in behind.asked if one.path == asked.path]) > 1
        usual = ranged(asked, BIG)
        if not known or not later:
            return usual
        return later.pop(0) or Reply(usual.status, usual.body, usual.headers, cut=10)

    with serving(second) as behind, serving(first) as server:
        fetch(f"{server.url}/weights.bin", tmp_path / "model", ALONE)
    assert (tmp_path / "model" / "weights.bin").read_bytes() == BIG
    assert later == []
    assert asked_first == 4


def test_what_changes_behind_a_redirect_is_refused(tmp_path: Path) -> None:
    """The parts ask for the version that was there first, wherever it is."""

    def answer(asked: Asked) -> Reply:
        body = BIG[::-1] if asked.headers["range"].startswith(f"bytes={3 * CHUNK}-") else BIG
        return ranged(asked, body)

    with serving(answer) as behind, serving(lambda _: moved(f"{behind.url}/w")) as server:
        with pytest.raises(delivery.Changed):
            fetch(f"{server.url}/weights.bin", tmp_path / "model", ALONE)
        assert {one.headers.get("if-match") for one in behind.asked[1:]} != {None}


# --- servers that ask to wait ---------------------------------------------------------------------------------------


def test_a_limit_in_windows_of_five_minutes_is_waited_for(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Every part needs an address of its own here, and there are three in five minutes."""
    hub = Hub(clock, good=1, limit=3)
    fetched(hub, tmp_path / "model", monkeypatch)
    assert hub.resolved == 13
    assert 4 * 300 <= clock.now < 4 * 400
    assert "HTTP 429, and asks to wait 301 s" in caplog.text


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after": "120"}, 120),
        ({"retry-after": "Sun, 22 Nov 2026 10:05:00 GMT", "date": "Sun, 22 Nov 2026 10:00:00 GMT"}, 300),
        ({"ratelimit": '"api";r=0;t=55'}, 55),
        ({"ratelimit": '"a;r=0;t=9,b";r=7;t=300, "b";r=0;t=61;pk=:cHs=:'}, 61),
        ({"ratelimit": "default;r=0;t=45", "retry-after": "30"}, 45),
        ({"ratelimit": '"api";r=1;t=55'}, 0),
        ({"ratelimit": '"api";r=0'}, 0),
        ({"ratelimit": "nonsense,;r=;t", "retry-after": "soon"}, 0),
        ({"retry-after": "-5"}, 0),
        ({"retry-after": "Sun, 22 Nov 2026 09:00:00 GMT", "date": "Sun, 22 Nov 2026 10:00:00 GMT"}, 0),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_server_is_asked_again_when_it_says(
    tmp_path: Path, clock: Clock, headers: Mapping[str, str], wait: float, status: int
) -> None:
    answers = [Reply(status, b"", headers)]

    def answer(asked: Asked) -> Reply:
        return answers.pop() if answers else ranged(asked, BIG)

    with serving(answer) as server:
        fetch(f"{server.url}/weights.bin", tmp_path / "model", ALONE)
    assert len(clock.waits) == 1
    assert max(wait, 0.3) <= clock.waits[0] <= max(wait * 1.1, 0.5)


def test_a_server_that_asks_for_too_long_a_wait_is_not_waited_for(tmp_path: Path, clock: Clock) -> None:
    with (
        serving(lambda _: Reply(429, b"", {"retry-after": "86400"})) as server,
        pytest.raises(delivery.Unreachable, match=r"HTTP 429, and asks to wait 86400 s: fetch again after that"),
    ):
        fetch(f"{server.url}/weights.bin", tmp_path / "model")
    assert clock.waits == []


def test_the_list_of_a_repository_is_waited_for_too(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = Hub(clock)
    usual, answers = hub.api, [Reply(429, b"{}", {"ratelimit": '"api";r=0;t=200'})]
    monkeypatch.setattr(hub, "api", lambda asked: answers.pop() if answers else usual(asked))
    fetched(hub, tmp_path / "model", monkeypatch)
    assert 200 <= clock.now <= 220


# --- servers that are away ------------------------------------------------------------------------------------------


def test_a_server_that_is_away_for_a_minute_does_not_end_a_fetch_that_has_begun(tmp_path: Path, clock: Clock) -> None:
    away: list[float] = []

    def answer(asked: Asked) -> Reply:
        if asked.headers["range"].startswith(f"bytes={2 * CHUNK}-"):
            away.append(clock.now)
            if clock.now < 60:
                return Reply(503)
        return ranged(asked, BIG)

    with serving(answer) as server:
        fetch(f"{server.url}/weights.bin", tmp_path / "model", ALONE)
    assert len(away) > 5
    assert digest_of(tmp_path / "model")


def test_a_server_that_does_not_come_back_is_given_up_after_about_two_minutes(tmp_path: Path, clock: Clock) -> None:
    usual = files({"/weights.bin": BIG})

    def answer(asked: Asked) -> Reply:
        return Reply(503) if asked.headers["range"].startswith(f"bytes={2 * CHUNK}-") else usual(asked)

    with serving(answer) as server, pytest.raises(delivery.Unreachable, match=r"HTTP 503 12 times"):
        fetch(f"{server.url}/weights.bin", tmp_path / "model", ALONE)
    assert 90 <= clock.now <= 140


def test_a_server_that_never_answered_is_given_up_after_seconds(tmp_path: Path, clock: Clock) -> None:
    with (
        serving(lambda _: Reply(503)) as server,
        pytest.raises(delivery.Unreachable, match=r"HTTP 503 5 times"),
    ):
        fetch(f"{server.url}/weights.bin", tmp_path / "model")
    assert clock.now < 8


def test_a_connection_that_breaks_off_often_and_brings_something_each_time_is_gone_on_with(
    tmp_path: Path, clock: Clock
) -> None:
    def answer(asked: Asked) -> Reply:
        reply = ranged(asked, BIG[:CHUNK])
        return Reply(reply.status, reply.body, reply.headers, cut=CHUNK // 30)

    with serving(answer) as server:
        fetch(f"{server.url}/weights.bin", tmp_path / "model", ALONE)
    assert (tmp_path / "model" / "weights.bin").read_bytes() == BIG[:CHUNK]
    assert max(clock.waits) <= 0.5
