"""Object stores, by a small server that speaks as much of S3 as reading needs."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from unit.delivery.servers import CHUNK, Asked, Reply, Server, as_json, bucket, container, ranged, serving

from slipway import delivery
from slipway.delivery import Options, fetch

pytest.importorskip("obstore", reason="the package obstore is not installed")

BIG = random.Random(8).randbytes(2 * CHUNK + 99)
OBJECTS = {
    "fraud/v3/weights.bin": BIG,
    "fraud/v3/config.json": b"{}",
    "fraud/v3/sub/": b"",
    "fraud/v3/sub/a b.txt": b"x",
    "fraud/v30/other": b"not of it",
}


@pytest.fixture
def login(monkeypatch: pytest.MonkeyPatch) -> Callable[[Server], None]:
    def use(server: Server) -> None:
        for name, value in {
            "AWS_ENDPOINT_URL": server.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "s3cret",
            "AWS_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)

    return use


@pytest.mark.parametrize("uri", ["s3://models/fraud/v3", "s3://models/fraud/v3/"])
def test_everything_below_a_prefix_is_fetched(tmp_path: Path, login: Callable[[Server], None], uri: str) -> None:
    with serving(bucket("models", OBJECTS, page=2)) as server:
        login(server)
        found = fetch(uri, tmp_path / "model")
    assert (found.files, found.bytes) == (3, len(BIG) + 3)
    assert (tmp_path / "model" / "weights.bin").read_bytes() == BIG
    assert (tmp_path / "model" / "sub" / "a b.txt").read_bytes() == b"x"
    again = Options(digest=found.digest)
    assert fetch(uri, tmp_path / "model", again) == found


def test_one_object_is_a_folder_with_one_file(tmp_path: Path, login: Callable[[Server], None]) -> None:
    with serving(bucket("models", OBJECTS)) as server:
        login(server)
        assert fetch("s3://models/fraud/v3/weights.bin", tmp_path / "model").files == 1
    assert (tmp_path / "model" / "weights.bin").read_bytes() == BIG


def test_an_empty_prefix_is_named_with_what_to_check(tmp_path: Path, login: Callable[[Server], None]) -> None:
    with serving(bucket("models", OBJECTS)) as server:
        login(server)
        with pytest.raises(
            delivery.NotFound, match=r"^uri: no object has this name or begins with it: check the bucket"
        ):
            fetch("s3://models/fraud/v4", tmp_path / "model")


def test_wrong_credentials_are_named_without_showing_them(
    tmp_path: Path, login: Callable[[Server], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(bucket("models", OBJECTS)) as server:
        login(server)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "strange-id")
        with pytest.raises(delivery.Denied, match=r"^credentials: the store refuses") as denied:
            fetch("s3://models/fraud/v3", tmp_path / "model")
    assert "s3cret" not in str(denied.value)
    assert "strange" not in str(denied.value)


REFUSALS: list[tuple[int, str, type[delivery.DeliveryError], str]] = [
    (404, "NoSuchBucket", delivery.NotFound, "check the bucket"),
    (403, "AccessDenied", delivery.Denied, "may read and list"),
    (401, "", delivery.Denied, "check the environment variables"),
    (301, "PermanentRedirect", delivery.MisconfiguredError, "AWS_REGION"),
    (400, "AuthorizationHeaderMalformed", delivery.MisconfiguredError, "AWS_REGION"),
    (400, "ExpiredToken", delivery.MisconfiguredError, "still valid"),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda one: f"{one[0]} {one[1]}")
@pytest.mark.parametrize("uri", ["s3://models/fraud", "s3://models/fraud/"])
def test_what_a_store_says_of_a_whole_bucket_is_told_at_once(
    tmp_path: Path,
    login: Callable[[Server], None],
    refusal: tuple[int, str, type[delivery.DeliveryError], str],
    uri: str,
) -> None:
    """To ask again would not help, and to look at the host and the network policies neither."""
    status, code, kind, says = refusal
    with serving(lambda _: Reply(status, f"<Error><Code>{code}</Code></Error>".encode())) as server:
        login(server)
        with pytest.raises(kind, match=says):
            fetch(uri, tmp_path / "model")
        assert len(server.asked) <= 2


def test_who_hands_out_credentials_says_nothing_of_the_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("t")
    with serving(lambda _: Reply(404)) as server:
        for name, value in {
            "AWS_REGION": "us-east-1",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{server.url}/v1/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "token"),
        }.items():
            monkeypatch.setenv(name, value)
        for uri in ("s3://models/fraud", "s3://models/fraud/"):
            with pytest.raises(delivery.DeliveryError) as told:
                fetch(uri, tmp_path / "model")
            assert delivery.passes(told.value)
        assert {asked.path for asked in server.asked} == {"/v1/credentials"}


def test_who_hands_out_credentials_may_be_busy_for_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS answers 400 then, as to who is wrong."""
    (tmp_path / "token").write_text("t")
    usual, busy = bucket("models", OBJECTS), []
    login = {"AccessKeyId": "key", "SecretAccessKey": "s", "Token": "t", "Expiration": "2126-03-02T09:00:00Z"}

    def answer(asked: Asked) -> Reply:
        if asked.path != "/v1/credentials":
            return usual(asked)
        if len(busy) < 2:
            busy.append(asked)
            return Reply(400, b"<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>")
        return as_json(login)

    with serving(answer) as server:
        for name, value in {
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ENDPOINT_URL": server.url,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{server.url}/v1/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "token"),
        }.items():
            monkeypatch.setenv(name, value)
        assert fetch("s3://models/fraud/v3/", tmp_path / "model").files == 3
    assert len(busy) == 2


def test_who_may_read_only_what_is_below_a_name_gets_that(tmp_path: Path, login: Callable[[Server], None]) -> None:
    """As a policy on ``models/fraud/v3/*`` has it: S3 refuses the name itself, whether it exists or not."""
    usual = bucket("models", OBJECTS)

    def answer(asked: Asked) -> Reply:
        return Reply(403) if asked.path in ("/models/fraud/v3", "/models/fraud/v4") else usual(asked)

    with serving(answer) as server:
        login(server)
        assert fetch("s3://models/fraud/v3", tmp_path / "model").files == 3
        with pytest.raises(delivery.Denied, match=r"^credentials: the store refuses"):
            fetch("s3://models/fraud/v4", tmp_path / "other")


def test_an_object_that_is_replaced_during_the_fetch_is_refused(
    tmp_path: Path, login: Callable[[Server], None]
) -> None:
    objects = dict(OBJECTS)
    usual = bucket("models", objects)

    def answer(asked: Asked) -> Reply:
        if asked.headers.get("range", "").startswith(f"bytes={CHUNK}-"):
            objects["fraud/v3/weights.bin"] = BIG[::-1]
        return usual(asked)

    with serving(answer) as server:
        login(server)
        with pytest.raises(delivery.Changed, match=r"changed while it was fetched"):
            fetch("s3://models/fraud/v3", tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_an_object_that_was_replaced_under_a_pinned_digest_is_refused(
    tmp_path: Path, login: Callable[[Server], None]
) -> None:
    objects = dict(OBJECTS)
    with serving(bucket("models", objects)) as server:
        login(server)
        first = fetch("s3://models/fraud/v3", tmp_path / "one")
        objects["fraud/v3/config.json"] = b"[]"
        with pytest.raises(delivery.DigestMismatch, match=rf"{first.digest} is wanted"):
            fetch("s3://models/fraud/v3", tmp_path / "two", Options(digest=first.digest))
    assert not (tmp_path / "two").exists()


def test_a_store_that_breaks_off_is_asked_again(tmp_path: Path, login: Callable[[Server], None]) -> None:
    usual, broken = bucket("models", OBJECTS), []

    def answer(asked: Asked) -> Reply:
        reply = usual(asked)
        if asked.headers.get("range") and len(reply.body) == CHUNK and len(broken) < 2:
            broken.append(asked)
            return Reply(reply.status, reply.body, reply.headers, cut=1000)
        return reply

    with serving(answer) as server:
        login(server)
        fetch("s3://models/fraud/v3", tmp_path / "model")
    assert len(broken) == 2
    assert (tmp_path / "model" / "weights.bin").read_bytes() == BIG


def test_keys_that_would_leave_the_destination_are_refused(tmp_path: Path, login: Callable[[Server], None]) -> None:
    with serving(bucket("models", {"v3/a\\..\\b": b"x"})) as server:
        login(server)
        with pytest.raises(delivery.Unsafe, match=r"backslash"):
            fetch("s3://models/v3", tmp_path / "model")


def test_a_store_that_nobody_can_reach_is_given_up(tmp_path: Path, login: Callable[[Server], None]) -> None:
    with serving(lambda asked: ranged(asked, b"")) as server:
        pass
    login(server)
    with pytest.raises(delivery.Unreachable, match=r"5 times: check the host"):
        fetch("s3://models/fraud/v3", tmp_path / "model")


def test_google_and_azure_are_read_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(bucket("models", OBJECTS, login="")) as server:
        account = {"gcs_base_url": server.url, "disable_oauth": True, "client_email": "", "private_key": ""}
        key = tmp_path / "key.json"
        key.write_text(json.dumps({**account, "private_key_id": ""}))
        monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", str(key))
        monkeypatch.setenv("GOOGLE_ALLOW_HTTP", "true")
        google = fetch("gs://models/fraud/v3", tmp_path / "google")
    with serving(container("models", OBJECTS)) as server:
        monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", server.url)
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "acc")
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")
        monkeypatch.setenv("AZURE_ALLOW_HTTP", "true")
        azure = fetch("az://models/fraud/v3", tmp_path / "azure")
    assert google.digest == azure.digest
    assert google.files == azure.files == 3


def azure(server: Server, monkeypatch: pytest.MonkeyPatch, **more: str) -> None:
    """The settings of the account `acc` at a server."""
    given = {"STORAGE_ENDPOINT": server.url, "STORAGE_ACCOUNT_NAME": "acc", "STORAGE_ACCOUNT_KEY": "a2V5"} | more
    for name, value in given.items():
        monkeypatch.setenv(f"AZURE_{name}", value)
    monkeypatch.setenv("AZURE_ALLOW_HTTP", "true")


def test_an_object_of_azure_is_asked_for_by_its_etag_in_quotes_and_refused_when_it_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = dict(OBJECTS)
    usual = container("models", objects)

    def answer(asked: Asked) -> Reply:
        if asked.headers.get("range", "").startswith(f"bytes={CHUNK}-"):
            objects["fraud/v3/weights.bin"] = BIG[::-1]
        return usual(asked)

    with serving(answer) as server:
        azure(server, monkeypatch)
        with pytest.raises(delivery.Changed, match=r"changed while it was fetched"):
            fetch("az://models/fraud/v3", tmp_path / "model")
    wanted = [asked.headers["if-match"] for asked in server.asked if "range" in asked.headers]
    assert wanted
    assert all(tag.startswith('"') and tag.endswith('"') for tag in wanted)


def test_a_weak_etag_is_compared_and_not_asked_for(tmp_path: Path, login: Callable[[Server], None]) -> None:
    """If-Match holds for no weak one, so whoever asks by it gets nothing (RFC 9110, section 13.1.1)."""
    usual = bucket("models", OBJECTS)

    def answer(asked: Asked) -> Reply:
        reply = usual(asked)
        if "if-match" in asked.headers:
            return Reply(412)
        weak = {"etag": f"W/{reply.headers['etag']}"} if "etag" in reply.headers else {}
        return Reply(reply.status, reply.body.replace(b"<ETag>", b"<ETag>W/"), {**reply.headers, **weak})

    with serving(answer) as server:
        login(server)
        assert fetch("s3://models/fraud/v3", tmp_path / "model").files == 3
