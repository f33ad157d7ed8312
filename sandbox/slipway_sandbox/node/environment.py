"""What a container's process is given: environment, command and arguments, with every reference resolved."""

import base64
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from slipway_sandbox.client import CONFIG_MAPS, SECRETS, Client, Manifest, quantity
from slipway_sandbox.images import ImageEntry
from slipway_sandbox.node.expansion import PathRewriter, expand

_ENV_NAME: Final = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_SUBSCRIPT: Final = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class ConfigError(Exception):
    """The container's configuration refers to something that is not there; the kubelet's words for it."""


@dataclass(frozen=True)
class PodFacts:
    """What the downward API can tell a container of its pod."""

    pod: Manifest
    address: str
    host_address: str
    node_name: str
    capacity: Mapping[str, str]
    """What the node has for its pods, by resource."""

    def field(self, path: str) -> str:
        """The value of a `fieldRef`. Raises `ConfigError` for a path that the downward API does not have."""
        metadata, spec = self.pod["metadata"], self.pod["spec"]
        subscript = _SUBSCRIPT.fullmatch(path)
        if subscript:
            return str((metadata.get(subscript.group(1)) or {}).get(subscript.group(2), ""))
        values: dict[str, str] = {
            "metadata.name": metadata["name"],
            "metadata.namespace": metadata["namespace"],
            "metadata.uid": metadata["uid"],
            "metadata.labels": _lines(metadata.get("labels")),
            "metadata.annotations": _lines(metadata.get("annotations")),
            "spec.nodeName": self.node_name,
            "spec.serviceAccountName": spec.get("serviceAccountName", "default"),
            "status.hostIP": self.host_address,
            "status.hostIPs": self.host_address,
            "status.podIP": self.address,
            "status.podIPs": self.address,
        }
        if path not in values:
            raise ConfigError(f"unsupported fieldPath: {path}")
        return values[path]

    def resource(self, reference: Mapping[str, Any], container: str) -> str:
        """The value of a `resourceFieldRef`, rounded up to whole divisors.

        A limit that is not declared is what the node has, and a request that is not declared is 0.
        """
        name, spec = reference.get("containerName") or container, self.pod["spec"]
        containers = [*spec["containers"], *(spec.get("initContainers") or ())]
        declared: Manifest = next((entry.get("resources", {}) for entry in containers if entry["name"] == name), {})
        kind, _, resource = reference["resource"].partition(".")
        default = self.capacity.get(resource, "0") if kind == "limits" else "0"
        amount = (declared.get(kind) or {}).get(resource, default)
        divisor = quantity(str(reference.get("divisor") or "1")) or 1.0
        return str(math.ceil(quantity(amount) / divisor))

    def image_variables(self) -> dict[str, str]:
        """The variables that entries of the image table may refer to."""
        return {
            "POD_IP": self.address,
            "POD_NAME": self.pod["metadata"]["name"],
            "POD_NAMESPACE": self.pod["metadata"]["namespace"],
            "POD_UID": self.pod["metadata"]["uid"],
        }


async def container_environment(client: Client, container: Manifest, facts: PodFacts) -> dict[str, str]:
    """The container's own environment: `envFrom` first, then `env` in order, later names over earlier ones.

    Raises `ConfigError` when a ConfigMap, a Secret or a key that is not optional is missing.
    """
    namespace = facts.pod["metadata"]["namespace"]
    values: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        prefix = source.get("prefix", "")
        data = await _source_data(client, namespace, source)
        values |= {prefix + name: text for name, text in data.items() if _ENV_NAME.fullmatch(prefix + name)}
    for entry in container.get("env") or ():
        if "valueFrom" in entry:
            found = await _value_from(client, namespace, entry["valueFrom"], facts, container["name"])
            if found is not None:
                values[entry["name"]] = found
        else:
            values[entry["name"]] = expand(entry.get("value", ""), values)
    return values


def command_of(
    container: Manifest, entry: ImageEntry, environment: Mapping[str, str], facts: PodFacts, paths: PathRewriter
) -> list[str]:
    """The full command line. A container's command replaces the image's command and arguments, its args only those."""
    variables = facts.image_variables()
    own_command = [expand(part, environment) for part in container.get("command") or ()]
    own_args = [expand(part, environment) for part in container.get("args") or ()]
    if own_command:
        line = own_command + own_args
    else:
        image_args = [] if own_args else [paths.rewrite(expand(part, variables)) for part in entry.args]
        # The image's own command is a program of this machine: its name is left alone.
        command = [expand(part, variables) for part in entry.command]
        return command + image_args + [paths.rewrite(part) for part in own_args]
    return [paths.rewrite(part) for part in line]


async def read_data(client: Client, kind: str, namespace: str, name: str) -> dict[str, bytes] | None:
    """The contents of a ConfigMap or Secret by key, or None when there is none of that name."""
    if kind == "secret":
        found = await client.find(SECRETS, namespace, name)
        return found and {key: base64.b64decode(text) for key, text in (found.get("data") or {}).items()}
    found = await client.find(CONFIG_MAPS, namespace, name)
    if found is None:
        return None
    binary = {key: base64.b64decode(text) for key, text in (found.get("binaryData") or {}).items()}
    return {key: text.encode() for key, text in (found.get("data") or {}).items()} | binary


async def _source_data(client: Client, namespace: str, source: Mapping[str, Any]) -> dict[str, str]:
    kind, reference = (
        ("secret", source["secretRef"]) if "secretRef" in source else ("configmap", source["configMapRef"])
    )
    data = await read_data(client, kind, namespace, reference["name"])
    if data is None:
        if reference.get("optional"):
            return {}
        raise ConfigError(f'{kind} "{reference["name"]}" not found')
    return {key: value.decode(errors="replace") for key, value in data.items()}


async def _value_from(
    client: Client, namespace: str, source: Mapping[str, Any], facts: PodFacts, container: str
) -> str | None:
    if "fieldRef" in source:
        return facts.field(source["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in source:
        return facts.resource(source["resourceFieldRef"], container)
    secret = "secretKeyRef" in source
    kind, reference = ("secret", source["secretKeyRef"]) if secret else ("configmap", source["configMapKeyRef"])
    data = await read_data(client, kind, namespace, reference["name"])
    if data is not None and reference["key"] in data:
        return data[reference["key"]].decode(errors="replace")
    if reference.get("optional"):
        return None
    if data is None:
        raise ConfigError(f'{kind} "{reference["name"]}" not found')
    title = "Secret" if secret else "ConfigMap"
    raise ConfigError(f"couldn't find key {reference['key']} in {title} {namespace}/{reference['name']}")


def _lines(entries: Mapping[str, str] | None) -> str:
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'

    return "\n".join(f"{name}={quoted(value)}" for name, value in sorted((entries or {}).items()))
