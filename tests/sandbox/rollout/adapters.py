"""A server that takes adapters on a base as vLLM does, without weights: a folder's answers.json is what it knows.

It stands in for an accelerator, and for nothing of what is tested: its files come by `slipway fetch`, its command line
is made from a runtime as vLLM's is, and it is asked over OpenAI's protocol.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from sandbox.rollout.kit import NAME, a_config_map

from demo.stage import Manifest

MODEL = "support"
QUESTIONS = [f"where is parcel {number}?" for number in range(64)]
RIGHT = {question: f"on its way, {number}" for number, question in enumerate(QUESTIONS)}
WRONG = RIGHT | dict.fromkeys(QUESTIONS[::2], "lost")

SERVER = """
import argparse, json, signal, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("model", type=Path)
parser.add_argument("--served-model-name")
parser.add_argument("--enable-lora", action="store_true")
parser.add_argument("--lora-modules", nargs="+", default=[])
parser.add_argument("--host")
options = parser.parse_args()
base = json.loads((options.model / "answers.json").read_text())
known = {options.served_model_name: base}
for one in options.lora_modules if options.enable_lora else ():
    name, _, folder = one.partition("=")
    known[name] = base | json.loads((Path(folder) / "answers.json").read_text())

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer({"data": [{"id": name} for name in known]})
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = known[asked["model"]].get(asked["messages"][-1]["content"], "sorry?")
        self.answer({"model": asked["model"], "choices": [{"message": {"role": "assistant", "content": said}}]})
    def answer(self, document):
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words): pass

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
ThreadingHTTPServer((options.host, 8080), Handler).serve_forever()
"""


def answers(known: Mapping[str, str]) -> bytes:
    """The one file of a base or an adapter."""
    return json.dumps(known).encode()


def a_runtime() -> Manifest:
    """The runtime of that server, told of adapters as the chart's runtime for vLLM tells vLLM."""
    words = ["{{model.path}}", "--served-model-name={{model.base}}", "--host=$(POD_IP)"]
    container = {
        "image": "localhost/python:3",
        "command": ["python3", "-c", "import os; exec(os.environ['SERVER'])"],
        "env": [
            {"name": "SERVER", "value": SERVER},
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        ],
        "args": words,
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/v1/models", "port": "http"}, "periodSeconds": 1, "timeoutSeconds": 5},
    }
    spec = {
        "supportedFormats": [{"name": "answers"}],
        "container": container,
        "protocol": {"name": "OpenAIChat"},
        "delivery": {},
        "adapters": {"args": ["--enable-lora", "--lora-modules"], "each": "{{adapter.name}}={{adapter.path}}"},
    }
    return {"apiVersion": "slipway.dev/v1alpha1", "kind": "ModelRuntime", "metadata": {"name": "lora"}, "spec": spec}


def a_golden_set() -> Manifest:
    """Questions, and what the adapter should say."""
    items = [
        {"id": f"q{number}", "inputs": question, "expected": [RIGHT[question]]}
        for number, question in enumerate(QUESTIONS)
    ]
    return a_config_map("questions", {"golden.jsonl": "".join(f"{json.dumps(item)}\n" for item in items)})


def a_deployment(version: str, base: str, adapter: str, digest: str) -> Manifest:
    """A release: the adapter at a URI with its digest, on the base at another."""
    release = {
        "model": {"name": MODEL, "version": version, "uri": base, "format": "answers"},
        "adapters": [{"name": MODEL, "uri": adapter, "digest": digest}],
        "pod": {"terminationGracePeriodSeconds": 30},
    }
    golden = {"configMap": {"name": "questions", "key": "golden.jsonl"}, "match": {"text": {}}}
    metric = {"name": "answers", "goldenSet": {**golden, "maxRequestsPerSecond": 1000}, "threshold": {"min": 0.7}}
    spec = {
        "replicas": 1,
        "release": release,
        "strategy": {"canary": {"steps": [{"weight": 50, "minDuration": "500ms"}, {"weight": 100}]}},
        "traffic": {"gateway": {"parentRefs": [{"name": "sandbox"}], "hostnames": ["support.example"]}},
        "analysis": {"interval": "250ms", "metrics": [metric]},
        "rollback": {"progressDeadline": "5m", "scaleDownDelay": "2s"},
    }
    return {
        "apiVersion": "slipway.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": NAME},
        "spec": spec,
    }
