"""Real servers, each in a virtual environment of its own: an S3 that is not ours, and MLflow's own registry.

They are tested where ``slipway sandbox pull IMAGE`` has made their environments, and skipped elsewhere.
"""

from __future__ import annotations

import os
import random
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from unit.delivery.servers import CHUNK

from slipway import delivery
from slipway.delivery import Options, fetch
from slipway_sandbox import ImageTable
from slipway_sandbox.images import Cache

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

MOTO = "docker.io/motoserver/moto:5.2.5"
MLFLOW = "ghcr.io/mlflow/mlflow:v3.17.2"

ENVIRONMENTS = Cache()
"""Those of whoever runs the tests, whose home is another one during each test."""

BIG = 6 * 1024 * 1024
"""Bytes of an object in two parts: S3 takes none of less than 5 MiB but the last."""

PUT = """
import boto3, sys
from boto3.s3.transfer import TransferConfig
s3 = boto3.client("s3", endpoint_url=sys.argv[1])
if sys.argv[2] == "new":
    s3.create_bucket(Bucket="models")
    s3.put_object(Bucket="models", Key="fraud/v3/sub/", Body=b"")
    for number in range(1100):
        s3.put_object(Bucket="models", Key=f"many/{number}", Body=str(number).encode())
s3.put_object(Bucket="models", Key="fraud/v3/sub/a b+\\u00e9.json", Body=sys.argv[2].encode())
parts = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
s3.upload_file("weights.bin", "models", "fraud/v3/weights.bin", Config=parts)
s3.create_multipart_upload(Bucket="models", Key="fraud/v3/half-uploaded")
"""

REGISTER = """
import mlflow, mlflow.pyfunc, sys
mlflow.set_tracking_uri(sys.argv[1])
class Same(mlflow.pyfunc.PythonModel):
    def predict(self, model_input: list[str]) -> list[str]:
        return model_input
with mlflow.start_run() as run:
    mlflow.pyfunc.log_model(python_model=Same(), name="model", registered_model_name="fraud", pip_requirements=[])
mlflow.MlflowClient().set_registered_model_alias("fraud", "champion", 1)
print(run.info.run_id)
"""


def programs(image: str) -> Path:
    """The commands of an image's environment."""
    entry = ImageTable.builtin().resolve(image)
    plan = entry and entry.plan(image)
    assert plan is not None
    environment = ENVIRONMENTS.find(plan)
    if environment is None:
        pytest.skip(f"its environment is not in {ENVIRONMENTS.folder}: `slipway sandbox pull {image}`")
    return environment.programs


@contextmanager
def running(folder: Path, health: str, *command: str | Path) -> Iterator[str]:
    """The address of a server whose command has PORT where its port goes."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = str(one.getsockname()[1])
    words = [str(word).replace("PORT", port) for word in command]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(words, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait(f"http://127.0.0.1:{port}{health}", server, folder)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, 9)
        server.wait()


def _wait(url: str, server: subprocess.Popen[bytes], folder: Path) -> None:
    until = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            assert server.poll() is None, (folder / "log").read_text()[-2000:]
            assert time.monotonic() < until, (folder / "log").read_text()[-2000:]
            time.sleep(0.2)


def test_a_real_s3_is_read_with_objects_in_parts_and_lists_of_several_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moto = programs(MOTO)
    (tmp_path / "weights.bin").write_bytes(random.Random(1).randbytes(BIG))
    for name, value in {"ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "secret", "REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    with running(tmp_path, "/moto-api/", moto / "moto_server", "-H", "127.0.0.1", "-p", "PORT") as url:
        put = [moto / "python", "-c", PUT, url]
        subprocess.run([*put, "new"], cwd=tmp_path, check=True)
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
        found = fetch("s3://models/fraud/v3", tmp_path / "model")
        assert (found.files, found.bytes) == (2, BIG + 3)
        assert (tmp_path / "model" / "weights.bin").read_bytes() == (tmp_path / "weights.bin").read_bytes()
        assert (tmp_path / "model" / "sub" / "a b+\u00e9.json").read_text() == "new"
        assert fetch("s3://models/many", tmp_path / "many").files == 1100
        with pytest.raises(delivery.NotFound):
            fetch("s3://models/fraud/v4", tmp_path / "none")
        subprocess.run([*put, "changed"], cwd=tmp_path, check=True)
        with pytest.raises(delivery.DigestMismatch, match=f"{found.digest} is wanted"):
            fetch("s3://models/fraud/v3", tmp_path / "again", Options(digest=found.digest))
        assert not (tmp_path / "again").exists()
    assert CHUNK < BIG


def test_a_real_mlflow_registry_leads_to_the_same_model_by_version_alias_and_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = programs(MLFLOW) / "python"
    server = ["--backend-store-uri", f"sqlite:///{tmp_path}/m.db", "--artifacts-destination", tmp_path / "artifacts"]
    command = [python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", "PORT", "--workers", "1", *server]
    with running(tmp_path, "/health", *command) as url:
        done = subprocess.run([python, "-c", REGISTER, url], cwd=tmp_path, check=True, capture_output=True, text=True)
        run = next(line for line in done.stdout.splitlines() if len(line) == 32)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
        uris = ("mlflow:models:/fraud/1", "mlflow:models:/fraud@champion", f"mlflow:runs:/{run}/model")
        found = [fetch(uri, tmp_path / str(number)) for number, uri in enumerate(uris)]
        with pytest.raises(delivery.NotFound, match="no model fraud with the alias challenger"):
            fetch("mlflow:models:/fraud@challenger", tmp_path / "none")
    assert len({one.digest for one in found}) == 1
    assert (tmp_path / "0" / "MLmodel").exists()
