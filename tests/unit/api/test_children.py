"""What every child carries."""

from __future__ import annotations

from slipway.api import ANNOTATION_APPLIED, child_labels, stamped


def test_labels_are_a_fixed_set_and_never_an_instance() -> None:
    labels = child_labels(model_deployment="fraud", component="model", revision="1a2b3c4d", role="stable")
    assert labels == {
        "app.kubernetes.io/name": "fraud",
        "app.kubernetes.io/component": "model",
        "app.kubernetes.io/part-of": "slipway",
        "app.kubernetes.io/managed-by": "slipway",
        "slipway.dev/model-deployment": "fraud",
        "slipway.dev/revision": "1a2b3c4d",
        "slipway.dev/role": "stable",
    }
    without = child_labels(model_deployment="fraud", component="route")
    assert without.keys() == labels.keys() - {"slipway.dev/revision", "slipway.dev/role"}


def test_a_stamp_is_of_the_whole_manifest_and_the_same_for_ever() -> None:
    manifest = {"metadata": {"name": "a", "annotations": {"note": "kept"}}, "spec": {"x": 1, "y": [2]}}
    stamp = stamped(manifest)["metadata"]["annotations"]
    assert stamp == {"note": "kept", ANNOTATION_APPLIED: "5411b9160a6df0d6"}
    assert ANNOTATION_APPLIED not in manifest["metadata"]["annotations"]
    assert stamped(manifest | {"spec": {"x": 1}})["metadata"]["annotations"] != stamp
    assert stamped({"spec": {"y": [2], "x": 1}, "metadata": manifest["metadata"]})["metadata"]["annotations"] == stamp
