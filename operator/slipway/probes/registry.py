"""The protocols by the names that users give them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from slipway.probes.custom import CustomHTTP
from slipway.probes.kserve_v1 import KServeV1
from slipway.probes.mlflow import MLflow
from slipway.probes.open_inference import OpenInferenceV2
from slipway.probes.openai import OpenAIChat, OpenAICompletions
from slipway.probes.protocol import InferenceProtocol
from slipway.probes.torchserve import TorchServe

PROTOCOLS: Final[Mapping[str, Callable[..., InferenceProtocol]]] = MappingProxyType(
    {
        "OpenInferenceV2": OpenInferenceV2,
        "KServeV1": KServeV1,
        "MLflow": MLflow,
        "OpenAIChat": OpenAIChat,
        "OpenAICompletions": OpenAICompletions,
        "TorchServe": TorchServe,
        "CustomHTTP": CustomHTTP,
    }
)
"""Makes a protocol from its settings, which are keyword arguments. Raises ValueError for a setting's bad value."""
