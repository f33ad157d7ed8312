"""The model servers that every sandbox knows, by the names of their public images.

A server is installed from the package index into an environment of its own, at the versions in `requirements/`: one
file `NAME.in` says what is wanted, and `NAME.txt`, which is resolved from it, names every package. No version is
written anywhere else.
"""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from slipway_sandbox.images.environments import NO_DEPENDENCIES
from slipway_sandbox.images.table import ImageEntry

_FOLDER: Final = Path(__file__).parent
_REQUIREMENTS: Final = _FOLDER / "requirements"
_SERVERS: Final = _FOLDER / "servers"


@dataclass(frozen=True)
class _Server:
    name: str
    """Also of its file of requirements."""
    product: str
    """The package whose version the image's tag is about."""
    images: tuple[str, ...]
    """Patterns, without a registry: a mirror's prefix matches too."""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    pythons: tuple[str, ...] = ()
    """What the product says it runs on, of the versions that the requirements are resolved for."""


# The image has no entry point but a command, so arguments of a pod replace all of it. Model folder and variables are
# the image's; the address is the pod's because one process of many at this machine must not take a port from all. The
# image would start a second process to infer in, which takes as much memory again.
_MLSERVER_ARGS: Final = ("sh", "-c", "exec mlserver start $MLSERVER_MODELS_DIR")
_MLSERVER_ENV: Final = {
    "MLSERVER_HOST": "$(POD_IP)",
    "MLSERVER_MODELS_DIR": "/mnt/models",
    "MLSERVER_PARALLEL_WORKERS": "0",
}
_MLSERVER_PYTHONS: Final = ("3.12", "3.11")


def _mlserver(runtime: str) -> _Server:
    return _Server(
        name=f"mlserver-{runtime}",
        product="mlserver",
        images=(f"seldonio/mlserver:*-{runtime}",),
        args=_MLSERVER_ARGS,
        env=_MLSERVER_ENV,
        pythons=_MLSERVER_PYTHONS,
    )


_ALL: Final = (
    _mlserver("sklearn"),
    _mlserver("xgboost"),
    _mlserver("lightgbm"),
    _mlserver("mlflow"),
    _Server(
        name="mlserver",
        product="mlserver",
        images=("seldonio/mlserver:*[0-9]", "seldonio/mlserver:latest"),
        args=_MLSERVER_ARGS,
        env=_MLSERVER_ENV,
        pythons=_MLSERVER_PYTHONS,
    ),
    _Server(
        name="kserve-sklearnserver",
        product="kserve",
        images=("kserve/sklearnserver:*",),
        command=("python", "-m", "sklearnserver"),
        env={"PYTHONPATH": str(_SERVERS), "SERVER_ADDRESS": "$(POD_IP)"},
        pythons=("3.13", "3.12", "3.11"),
    ),
    _Server(
        name="mlflow",
        product="mlflow",
        images=("mlflow/mlflow:*",),
        args=("python3",),
        env={"MLFLOW_HOST": "$(POD_IP)"},
    ),
    _Server(
        name="moto",
        product="moto",
        images=("motoserver/moto:*",),
        command=("moto_server", "-H", "$(POD_IP)"),
    ),
)


def presets() -> dict[str, ImageEntry]:
    """Every image that needs no mapping, by pattern."""
    found = {
        "localhost/python:3*": ImageEntry(command=(sys.executable,)),
        "slipway.dev/onnx-server:*": ImageEntry(
            command=(sys.executable, "-m", "slipway_sandbox.modelserver"), env={"HOST": "$(POD_IP)"}
        ),
    }
    for server in _ALL:
        entry = _entry(server)
        for image in server.images:
            found |= {image: entry, f"*/{image}": entry}
    return found


def _entry(server: _Server) -> ImageEntry:
    lines = tuple((_REQUIREMENTS / f"{server.name}.txt").read_text().split("\n"))
    pins = dict(re.findall(r"^([\w.-]+)==([\w.]+)", "\n".join(lines), re.MULTILINE))
    return ImageEntry(
        command=server.command,
        args=server.args,
        env=server.env,
        requirements=(NO_DEPENDENCIES, *(line for line in lines if line)),
        pythons=server.pythons,
        version=pins[server.product],
    )
