"""The Kustomize base: what Helm renders from the chart with default values, as files.

`tests/unit/gitops/record.py` writes them. Helm is asked for the texts, so nothing of the chart is said twice by hand.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml
from chart.kit import CHART, Chart, Manifest

NAMESPACE: Final = "slipway-system"
TEAM: Final = "team"
"""Whose operator the namespaced overlay is."""

CRDS: Final = Path("kustomize/base/crds.yaml")
OPERATOR: Final = Path("kustomize/base/operator.yaml")
ROLES: Final = Path("kustomize/overlays/namespaced/roles.yaml")
HEAD: Final = "# Rendered from charts/slipway by `make generate`: change that, not this.\n"


def rendered(chart: Chart, values: Manifest | None = None) -> str:
    """What `helm template` prints for a release called slipway."""
    where = [f"--namespace={NAMESPACE}", "--kube-version=1.37.0", "--values=-"]
    return chart.run("template", "slipway", str(CHART), *where, stdin=yaml.safe_dump(values or {}))


def files(chart: Chart) -> dict[Path, str]:
    """Every rendered file by its path under the folder of GitOps."""
    base = _documents(rendered(chart))
    narrow = _documents(rendered(chart, {"scope": {"namespaces": [TEAM]}}))
    found = {
        CRDS: [text for text, obj in base if obj["kind"] == "CustomResourceDefinition"],
        OPERATOR: [text for text, obj in base if obj["kind"] != "CustomResourceDefinition"],
        ROLES: [text for text, obj in narrow if obj["metadata"].get("namespace") == TEAM],
    }
    return {path: HEAD + "---\n".join(texts) for path, texts in found.items()}


def _documents(text: str) -> list[tuple[str, Any]]:
    parts = [f"{part.strip()}\n" for part in f"\n{text}".split("\n---\n")]
    return [(part, obj) for part in parts if (obj := yaml.safe_load(part))]
