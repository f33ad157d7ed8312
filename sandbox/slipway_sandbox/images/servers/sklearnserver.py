"""What the image `kserve/sklearnserver` runs: one scikit-learn model behind KServe's own model server.

KServe publishes its server as the package `kserve`, but the program of this image only inside the image. This one has
the same options, reads the same files and answers alike: `--model_dir` holds a single `.joblib`, `.pkl` or `.pickle`
file, and with `PREDICT_PROBA=true` a classifier answers with probabilities. It loads its model from the folder that is
mounted; models by URI and the multi-model repository are not offered.

    python -m sklearnserver --model_name=iris --model_dir=/mnt/models --http_port=8080
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import joblib
import kserve
import kserve.model_server
from kserve.errors import InferenceError
from kserve.protocol.grpc import server as grpc_server
from kserve.utils.utils import get_predict_input, get_predict_response

SUFFIXES = frozenset({".joblib", ".pkl", ".pickle"})
ADDRESS_VARIABLE = "SERVER_ADDRESS"


class SklearnModel(kserve.Model):
    """A model file and the two methods that KServe asks for."""

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(name)
        self._folder = folder
        self._model: Any = None

    def load(self) -> bool:
        """Read the model. Raises `FileNotFoundError` or `RuntimeError` unless the folder holds exactly one."""
        files = sorted(path for path in self._folder.iterdir() if path.is_file() and path.suffix in SUFFIXES)
        if not files:
            raise FileNotFoundError(f"{self._folder} holds no file that ends in {', '.join(sorted(SUFFIXES))}")
        if len(files) > 1:
            raise RuntimeError(f"{self._folder} holds more than one model: {', '.join(path.name for path in files)}")
        self._model = joblib.load(files[0])
        self.ready = True
        return True

    def predict(self, payload: Any, _headers: Any = None, **_: Any) -> Any:
        """Answer a request of either protocol. Raises `InferenceError`, which reaches the client."""
        likely = os.environ.get("PREDICT_PROBA", "false").lower() == "true" and hasattr(self._model, "predict_proba")
        infer = self._model.predict_proba if likely else self._model.predict
        try:
            return get_predict_response(payload, infer(get_predict_input(payload)), self.name)
        except Exception as problem:
            raise InferenceError(str(problem)) from problem


def listen_on(address: str) -> None:
    """Make KServe's servers listen on one address; they know of no setting for it and take all of the machine's."""

    class RESTServer(kserve.model_server.RESTServer):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.config.host = address

    kserve.model_server.RESTServer = RESTServer
    make = grpc_server.aio.server

    def server(*args: Any, **options: Any) -> Any:
        made = make(*args, **options)
        add = made.add_insecure_port
        made.add_insecure_port = lambda asked: add(asked.replace("[::]", address))
        return made

    grpc_server.aio.server = server


def main() -> None:
    """Serve until a signal."""
    parser = argparse.ArgumentParser(parents=[kserve.model_server.parser], conflict_handler="resolve")
    parser.add_argument("--model_dir", required=True, type=Path, help="the folder that holds the model's file")
    options, _ = parser.parse_known_args()
    if options.configure_logging:
        kserve.logging.configure_logging(options.log_config_file)
    address = os.environ.get(ADDRESS_VARIABLE)
    if address:
        listen_on(address)
    model = SklearnModel(options.model_name, options.model_dir)
    try:
        model.load()
    except (OSError, RuntimeError) as problem:
        sys.exit(f"sklearnserver: {problem}")
    kserve.ModelServer().start([model])


if __name__ == "__main__":
    main()
