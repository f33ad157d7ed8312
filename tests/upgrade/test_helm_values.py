"""What becomes of the values of a Helm release on the way to another version and back, by the commands of the docs."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from chart.kit import CHART, ROOT, Chart, Refused
from sandbox.apiserver.conftest import Client

OLD, NEW = "sha256:" + "0" * 64, "sha256:" + "1" * 64
DEPLOYMENT = "/apis/apps/v1/namespaces/slipway-system/deployments/slipway"


def documented() -> list[list[str]]:
    """The words of the two commands of the page: forth, and back."""
    text = (ROOT / "docs" / "install.md").read_text().replace("\\\n", " ")
    return [shlex.split(line)[1:] for line in re.findall(r"^helm upgrade .*$", text, re.MULTILINE)]


def published(chart: Path, folder: Path, digest: str) -> Path:
    """A chart as a release publishes it: it names the image by its digest."""
    shutil.copytree(chart, folder)
    values = folder / "values.yaml"
    text = values.read_text()
    assert '\n  digest: ""\n' in text
    values.write_text(text.replace('\n  digest: ""\n', f'\n  digest: "{digest}"\n'))
    return folder


def forget(chart: Path, group: str, name: str) -> None:
    """Make it a chart that does not know a value yet."""
    values, schema = chart / "values.yaml", chart / "values.schema.json"
    known = json.loads(schema.read_text())
    del known["properties"][group]["properties"][name]
    schema.write_text(json.dumps(known))
    values.write_text(re.sub(rf"^  {name}: .*\n", "", values.read_text(), flags=re.MULTILINE))


async def runs(admin: Client) -> tuple[int, str]:
    """Replicas, and the digest of the image."""
    spec = (await admin.get(DEPLOYMENT)).body["spec"]
    return spec["replicas"], spec["template"]["spec"]["containers"][0]["image"].rpartition("@")[2]


@pytest.mark.e2e
async def test_what_was_set_goes_forth_and_back_and_defaults_are_those_of_the_chart(
    admin: Client, chart: Chart, former: Path, tmp_path: Path
) -> None:
    old = published(former / "charts" / "slipway", tmp_path / "old", OLD)
    new = published(CHART, tmp_path / "new", NEW)
    forget(old, "operator", "mlflowTrackingUri")
    forth, back = documented()

    async def helm(*words: str) -> None:
        await asyncio.to_thread(chart.run, *words, f"--kube-apiserver={admin.url}")

    async def upgrade(words: list[str], to: Path, *more: str) -> None:
        at = words.index("oci://ghcr.io/slipway-dev/charts/slipway")
        await helm(*words[:at], str(to), *words[at + 1 :], *more)

    await admin.post(
        "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "slipway-system"}}
    )
    await helm("install", "slipway", str(old), "--namespace=slipway-system", "--set=replicas=3,crds.enabled=false")
    assert await runs(admin) == (3, OLD)
    await upgrade(forth, new)
    assert await runs(admin) == (3, NEW)
    await upgrade(forth, new, "--set=operator.mlflowTrackingUri=http://mlflow:5000")
    with pytest.raises(Refused, match="mlflowTrackingUri"):
        await upgrade(back, old)
    await upgrade(back, old, "--set=operator.mlflowTrackingUri=null")
    assert await runs(admin) == (3, OLD)
    await upgrade(forth, new)
    assert await runs(admin) == (3, NEW)
