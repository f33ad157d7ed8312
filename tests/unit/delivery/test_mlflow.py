"""Models of an MLflow server, by a small one that answers as its REST API does."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from unit.delivery.servers import Answer, Asked, Reply, Server, as_json, bucket, container, serving

from slipway import delivery
from slipway.delivery import fetch
from slipway.delivery.azure import Located

FILES = {"model/MLmodel": b"flavors: {}", "model/sub/weights.bin": b"w" * 5000, "other/x": b"no"}
ROOT = "1/abc/artifacts"


def a_server(stored: str, *, token: str = "") -> Answer:
    """Model fraud, whose version 3 is the champion; run abc; artifacts at `stored`."""

    def answer(asked: Asked) -> Reply:
        if token and asked.headers.get("authorization") != f"Bearer {token}":
            return Reply(401)
        match asked.path.removeprefix("/api/2.0/"):
            case "mlflow/registered-models/alias":
                known = asked.query == {"name": "fraud", "alias": "champion"}
                missing = as_json({"error_code": "RESOURCE_DOES_NOT_EXIST"}, 404)
                return as_json({"model_version": {"version": "3"}}) if known else missing
            case "mlflow/model-versions/get-download-uri":
                known = asked.query == {"name": "fraud", "version": "3"}
                return as_json({"artifact_uri": f"{stored}/model"}) if known else as_json({}, 404)
            case "mlflow/runs/get":
                return (
                    as_json({"run": {"info": {"artifact_uri": stored}}})
                    if asked.query["run_id"] == "abc"
                    else Reply(404)
                )
            case "mlflow-artifacts/artifacts":
                return as_json({"files": _listed(asked.query["path"])})
        body = FILES.get(asked.path.removeprefix(f"/api/2.0/mlflow-artifacts/artifacts/{ROOT}/"))
        return Reply(404) if body is None else Reply(200, body)

    return answer


def _listed(path: str) -> list[dict[str, object]]:
    below = path.removeprefix(ROOT).strip("/")
    rows: dict[str, dict[str, object]] = {}
    for name, body in FILES.items():
        if not below or name.startswith(f"{below}/"):
            first, _, rest = name.removeprefix(below).strip("/").partition("/")
            rows[first] = {"path": first, "is_dir": bool(rest)} | ({} if rest else {"file_size": len(body)})
    return list(rows.values())


@pytest.mark.parametrize("uri", ["models:/fraud/3", "models:/fraud@champion", "runs:/abc/model"])
def test_a_version_an_alias_and_a_run_lead_to_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0ken")
    with serving(a_server(f"mlflow-artifacts:/{ROOT}", token="t0ken")) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
        found = fetch(f"mlflow:{uri}", tmp_path / "model")
    assert (found.files, found.bytes) == (2, 5011)
    assert (tmp_path / "model" / "sub" / "weights.bin").read_bytes() == FILES["model/sub/weights.bin"]


def test_one_file_of_a_run_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(a_server(f"mlflow-artifacts:/{ROOT}")) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
        assert fetch("mlflow:runs:/abc/model/MLmodel", tmp_path / "model").bytes == 11


def test_artifacts_elsewhere_are_fetched_from_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "artifacts" / "model").mkdir(parents=True)
    (tmp_path / "artifacts" / "model" / "MLmodel").write_bytes(b"x")
    with serving(a_server(str(tmp_path / "artifacts"))) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
        assert fetch("mlflow:models:/fraud/3", tmp_path / "model").files == 1


def a_run(stored: str, *models: tuple[str, str, int]) -> Answer:
    """Run abc of MLflow 3 with logged models: an id, a name and a time, or 0 for one that was deleted."""
    known = {identity: (name, time) for identity, name, time in models}

    def answer(asked: Asked) -> Reply:
        if asked.path.endswith("/runs/get"):
            outputs = {"model_outputs": [{"model_id": one} for one in known]}
            return as_json({"run": {"info": {"artifact_uri": f"{stored}/run"}, "outputs": outputs}})
        name, time = known.get(asked.path.rpartition("/")[2], ("", 0))
        if not time:
            return as_json({"error_code": "RESOURCE_DOES_NOT_EXIST"}, 404)
        model = asked.path.rpartition("/")[2]
        info = {
            "model_id": model,
            "name": name,
            "artifact_uri": f"{stored}/{model}",
            "creation_timestamp_ms": str(time),
        }
        return as_json({"model": {"info": info}})

    return answer


def test_a_model_of_a_run_is_the_latest_one_of_its_name_as_mlflow_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training run logs one at each checkpoint, under one name or many, and some are deleted again."""
    models = [(f"m-{step}", "model" if step < 3 else f"checkpoint-{step}", (7, 9, 8)[step % 3]) for step in range(40)]
    for folder in ("run/notes", "m-1", "m-39"):
        (tmp_path / "store" / folder).mkdir(parents=True)
        (tmp_path / "store" / folder / "MLmodel").write_text(folder)
    with serving(a_run(str(tmp_path / "store"), ("m-gone", "model", 0), *models)) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
        for path, folder in (("model", "m-1"), ("checkpoint-39", "m-39"), ("notes", "run/notes")):
            fetch(f"mlflow:runs:/abc/{path}", tmp_path / folder)
            assert (tmp_path / folder / "MLmodel").read_text() == folder


def test_a_run_with_more_models_than_are_looked_at_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = [(f"m-{step}", "model", 1) for step in range(501)]
    with serving(a_run(str(tmp_path), *models)) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
        with pytest.raises(delivery.AddressError, match="more than 500 models: name one as mlflow:models:/m-"):
            fetch("mlflow:runs:/abc/model", tmp_path / "model")


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("models:/fraud@challenger", "no model fraud with the alias challenger"),
        ("models:/fraud/4", "no version 4 of a model fraud"),
        ("runs:/nope/model", "no run nope"),
        ("runs:/abc/nowhere", "no artifacts at this path"),
    ],
)
def test_what_does_not_exist_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str, why: str) -> None:
    with serving(a_server(f"mlflow-artifacts:/{ROOT}")) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
        with pytest.raises(delivery.NotFound, match=why):
            fetch(f"mlflow:{uri}", tmp_path / "model")


@pytest.mark.parametrize(
    ("server", "why"),
    [
        ("", "set MLFLOW_TRACKING_URI"),
        ("sqlite:///mlflow.db", "set MLFLOW_TRACKING_URI"),
        ("http://me:s3cret@127.0.0.1:1", "MLFLOW_TRACKING_USERNAME"),
    ],
)
def test_a_server_that_cannot_be_used_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str, why: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    with pytest.raises(delivery.DeliveryError, match=why) as refused:
        fetch("mlflow:models:/fraud/3", tmp_path / "model")
    assert "s3cret" not in str(refused.value)


def test_a_server_that_brings_a_file_from_its_store_first_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As MLflow does with each, which takes minutes for one of many gigabytes."""
    monkeypatch.setattr("slipway.delivery.web.SILENT_SECONDS", 0.1)
    usual, store = a_server(f"mlflow-artifacts:/{ROOT}"), threading.Event()

    def answer(asked: Asked) -> Reply:
        if asked.path.endswith("weights.bin"):
            store.wait(0.5)
        return usual(asked)

    with serving(answer) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
        assert fetch("mlflow:runs:/abc/model", tmp_path / "model").files == 2
        assert sum(asked.path.endswith("weights.bin") for asked in server.asked) == 1


def test_names_in_a_store_are_what_the_server_says_and_no_percent_encodings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("obstore", reason="the package obstore is not installed")
    key = "runs of 20%25/#1/my model/MLmodel"
    with serving(bucket("models", {key: b"x"})) as store, serving(a_server("s3://models/runs of 20%25/#1")) as server:
        for name, value in {
            "AWS_ENDPOINT_URL": store.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "s3cret",
            "AWS_REGION": "us-east-1",
            "MLFLOW_TRACKING_URI": server.url,
        }.items():
            monkeypatch.setenv(name, value)
        assert fetch("mlflow:runs:/abc/my%20model", tmp_path / "model").bytes == 1


def test_a_server_that_does_not_go_by_this_name_is_told_and_no_credentials_are_blamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As MLflow 3.5 and newer answer who asks by the name of their Service, unless they are told of it."""
    with serving(lambda _: Reply(403, b"Invalid Host header - possible DNS rebinding attack detected")) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
        with pytest.raises(
            delivery.MisconfiguredError, match=rf"127\.0\.0\.1:{server.port} takes no .*--allowed-hosts"
        ):
            fetch("mlflow:models:/fraud/3", tmp_path / "model")


def test_artifacts_of_another_server_get_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(a_server(f"mlflow-artifacts://127.0.0.9:1/{ROOT}")) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
        with pytest.raises(delivery.MisconfiguredError, match="another MLflow server"):
            fetch("mlflow:models:/fraud/3", tmp_path / "model")


def test_a_store_that_cannot_be_fetched_from_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(a_server("dbfs:/databricks")) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
        with pytest.raises(delivery.AddressError, match=r"keeps its artifacts where .* dbfs: is not a scheme"):
            fetch("mlflow:models:/fraud/3", tmp_path / "model")


AZURE = {"1/abc/artifacts/model/MLmodel": b"flavors: {}", "1/abc/artifacts/other": b"no"}


def azure(monkeypatch: pytest.MonkeyPatch, tracking: Server, store: Server, **variables: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking.url)
    given = {"STORAGE_ENDPOINT": store.url, "STORAGE_ACCOUNT_KEY": "a2V5", "ALLOW_HTTP": "true"}
    for name, value in (given | variables).items():
        monkeypatch.setenv(f"AZURE_{name}", value)


@pytest.mark.parametrize(
    "stored",
    [
        "wasbs://models@acc.blob.core.windows.net",
        "wasb://models@acc.blob.core.windows.net",
        "abfss://models@acc.dfs.core.windows.net",
        "abfs://models@acc.dfs.core.chinacloudapi.cn",
    ],
)
def test_artifacts_in_an_account_of_azure_are_fetched_as_that_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stored: str
) -> None:
    """The store takes who signs for the account `acc` and nobody else."""
    pytest.importorskip("obstore", reason="the package obstore is not installed")
    with serving(a_server(f"{stored}/1/abc/artifacts")) as tracking, serving(container("models", AZURE)) as store:
        azure(monkeypatch, tracking, store)
        found = fetch("mlflow:models:/fraud/3", tmp_path / "model")
    assert (found.uri, found.files) == ("mlflow:models:/fraud/3", 1)
    assert (tmp_path / "model" / "MLmodel").read_bytes() == b"flavors: {}"


def test_the_account_of_the_artifacts_wins_over_that_of_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("obstore", reason="the package obstore is not installed")
    stored = "wasbs://models@acc.blob.core.windows.net/1/abc/artifacts"
    usual = container("models", AZURE)

    def answer(asked: Asked) -> Reply:
        """As for an identity: its token names no account."""
        known = asked.headers.get("authorization") == "Bearer t0ken"
        return (
            usual(replace(asked, headers={**asked.headers, "authorization": "SharedKey acc:"}))
            if known
            else usual(asked)
        )

    with serving(a_server(stored)) as tracking, serving(answer) as store:
        azure(monkeypatch, tracking, store, STORAGE_ACCOUNT_NAME="other")
        with pytest.raises(delivery.MisconfiguredError, match="in the account acc, and the key given is of another"):
            fetch("mlflow:models:/fraud/3", tmp_path / "model")
        assert store.asked == [], "a key of one account is of no use for another"
        monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_KEY")
        monkeypatch.setenv("AZURE_STORAGE_TOKEN", "t0ken")
        assert fetch("mlflow:models:/fraud/3", tmp_path / "model").files == 1


@pytest.mark.parametrize(
    ("variables", "endpoint"),
    [
        ({}, "https://acc.blob.core.windows.net"),
        ({"AZURE_STORAGE_ACCOUNT_NAME": "other"}, "https://acc.blob.core.windows.net"),
        ({"AZURE_STORAGE_ENDPOINT": "https://other.blob.core.windows.net/"}, "https://acc.blob.core.windows.net"),
        ({"AZURE_ENDPOINT": "https://other.blob.core.usgovcloudapi.net"}, "https://acc.blob.core.windows.net"),
        ({"AZURE_STORAGE_ENDPOINT": "http://azurite.dev.svc:10000/acc"}, None),
    ],
)
def test_no_variable_leads_to_another_account_than_that_of_the_artifacts(
    variables: dict[str, str], endpoint: str | None
) -> None:
    found = Located.read("abfss://models@acc.dfs.core.windows.net/1/abc")
    assert found is not None
    settings = found.settings(variables)
    assert (settings["account_name"], settings.get("endpoint")) == ("acc", endpoint)


def test_tokens_for_azure_go_to_hosts_of_azure_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(a_server("wasbs://models@acc.blob.example.com/1/abc/artifacts")) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
        with pytest.raises(delivery.AddressError, match=r"wasbs: is not a scheme"):
            fetch("mlflow:models:/fraud/3", tmp_path / "model")
