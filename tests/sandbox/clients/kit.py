"""Real clients as functions, and what they are given."""

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SERVER = ["-S", "-m", "http.server", "--bind", "$(POD_IP)", "8080"]


@dataclass(frozen=True)
class Tool:
    """A client program with the rights of the sandbox's administrator, in a namespace of its own."""

    binary: Path
    kubeconfig: Path
    home: Path
    namespace: str

    def __call__(self, *words: str, stdin: str = "", code: int = 0, **variables: str) -> str:
        """Run it; what it printed. Fails unless it ends with `code`."""
        done = subprocess.run(
            self.command(*words),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=180,
            env=self.environment(**variables),
        )
        told = f"{self.binary.name} {' '.join(words)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == code, told
        return done.stdout if code == 0 else done.stdout + done.stderr

    def command(self, *words: str) -> list[str]:
        # Options stand behind the verb, but before what `--` hands on to a container.
        own = list(words)
        end = own.index("--") if "--" in own else len(own)
        return [str(self.binary), *own[:end], f"--namespace={self.namespace}", *own[end:]]

    def environment(self, **variables: str) -> dict[str, str]:
        return {
            "KUBECONFIG": str(self.kubeconfig),
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            **variables,
        }

    def field(self, what: str, path: str) -> str:
        """One field of an object, by kubectl's JSONPath without the braces."""
        return self("get", what, "--output", f"jsonpath={{{path}}}")


def eventually(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """The first true answer of the condition."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)


def a_deployment(name: str = "web", *, replicas: int = 1, **container: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"terminationGracePeriodSeconds": 1, "containers": [a_container(**container)]},
            },
        },
    }


def a_container(**fields: Any) -> dict[str, Any]:
    """Answers HTTP on its pod's address."""
    return {
        "name": "main",
        "image": "localhost/python:3",
        "args": SERVER,
        "env": [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
        "ports": [{"name": "http", "containerPort": 8080}],
        **fields,
    }


def a_config_map(name: str = "settings", **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"app": name}}, "data": data}


def text(*objects: dict[str, Any]) -> str:
    """Objects as the YAML that clients are fed with."""
    return yaml.safe_dump_all(objects)
