"""Requests that nobody should send: drawn from a seed, half of them almost right.

Pure noise ends in the first parser. So bodies are built after the server's own OpenAPI document, then spoilt: a value
of another type, a missing or foreign key, a patch directive where none belongs, bytes that are no text.
"""

# ruff: noqa: E501 - lists of bad values are data

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import yaml

JUNK: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**70), 0.5, 1e300, "", "a", " ", "0", "-1", "1Gi", "10%", "x" * 300, "ü🛥",
    "\x00", "\ud800", "a/b", "a.b/c", "../..", "2024-01-01T00:00:00Z", "2024-13-99T99:99:99Z", "1h", "self.x", "((", "[a-", [],
    {}, [None], [[]], [{}], {"": ""}, {"a": None}, {"$patch": "delete"}, {"$patch": "replace"}, {"$patch": 7}, [1, "a", {}],
    {"$retainKeys": ["a"]}, {"$setElementOrder/containers": [{"name": "c"}]}, {"$deleteFromPrimitiveList/finalizers": ["a"]},
    {"matchLabels": None}, [{"name": "c"}, {"name": "c"}],
]  # fmt: skip
NAMES = ["a", "b", "default", "kube-system", "x" * 300, ".", "..", "%00", "%ff%fe", "%C3%BC", "a%2Fb", "A_B", "-", "a:b", "a.b", "%", "%zz"]  # fmt: skip
PATHS = ["/", "//", "/api", "/apis", "/api/v1", "/api/v2", "/apis/apps", "/apis/apps/v9", "/apis/none/v1/x", "/openapi", "/openapi/v3/x",
         "/openapi/v3/apis/apps/v1", "/version", "/healthz", "/metrics", "/debug/requests", "/api/v1/watch/pods", "/api/v1/watch",
         "/api/v1/namespaces/default", "/api/v1/namespaces//pods", "/api/v1/namespaces/a/pods/b/c/d/e", "/%2e%2e/api", "/api/v1/../x",
         "/apis//v1/x", "/api/v1/namespaces/default/finalize", "/api/v1/pods/"]  # fmt: skip
METHODS = ["GET"] * 2 + ["POST"] * 6 + ["PUT"] * 3 + ["PATCH"] * 6 + ["DELETE", "DELETE", "HEAD", "OPTIONS", "TRACE"]
PATCHES = [
    "application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json",
    *["application/apply-patch+yaml"] * 4, "application/apply-patch+cbor",
]  # fmt: skip
TYPES = ["application/json"] * 5 + ["application/yaml", "application/vnd.kubernetes.protobuf", "text/plain", "", ";;", "application/json;charset=x"]  # fmt: skip
ACCEPTS = ["application/json"] * 4 + [
    "*/*", "", "application/yaml", "text/html", ";q=x,,", "application/json;as=Table;v=v1;g=meta.k8s.io", "application/json;as=Table",
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
    "application/vnd.kubernetes.protobuf", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", "application/json;q=0",
]  # fmt: skip
QUERIES: dict[str, list[str]] = {
    "limit": ["1", "0", "-1", "x", "9" * 30], "continue": ["x", "e30", "eyJ2IjoxfQ", "%%%", "bnVsbA=="], "resourceVersion": ["0", "1", "-1", "x", "9" * 40],
    "resourceVersionMatch": ["Exact", "NotOlderThan", "x"], "labelSelector": ["a=b", "a in (b", "!!", "a>x", ",", "a notin ()", "ü=1"],
    "fieldSelector": ["metadata.name=a", "spec.x=1", "=", "a,b", "metadata.name!=a,status.phase=b"], "watch": ["true", "x", ""],
    "timeoutSeconds": ["0", "-1", "x", "1"], "sendInitialEvents": ["true", "false", "x"], "allowWatchBookmarks": ["true", "x"],
    "dryRun": ["All", "x", ""], "fieldManager": ["f", "x" * 200, "", "\n"], "fieldValidation": ["Strict", "Ignore", "x"], "force": ["true", "x"],
    "propagationPolicy": ["Orphan", "Foreground", "x"], "gracePeriodSeconds": ["0", "-5", "x"], "orphanDependents": ["true", "x"],
    "includeObject": ["Metadata", "None", "x"], "pretty": ["true"], "": ["x"], "tailLines": ["-1", "x"], "container": ["x"],
}  # fmt: skip
ODD_BYTES = [
    b"", b"{", b"null", b"[]", b'"x"', b"\xff\xfe{}", b"\xef\xbb\xbf{}", b'{"metadata":{"name":"\xed\xa0\x80"}}', b'{"a":1e999}',
    b'{"a":NaN}', b"[" * 5000, b'{"a":' * 3000, b"- " * 3000, b"a: &x [*x]", b"&a [&b [*a, *b]]", b"? {a: b}\n: c", b"!!python/object:os.x {}",
    b"a: !!binary x", b"<<: 1", b"a: 1\n---\nb: 2", b"\x00" * 20, b"k8s\x00", b"k8s\x00\x0a\xff\xff\xff\xff\x7f", b"k8s\x00" + b"\x0a\x04\x0a\x02v1" + b"\x12" * 30,
    b"1" * 5000, b'{"metadata":' + b"1" * 5000 + b"}", b"a: " + b"9" * 5000, b"!!int x", b"? [a]\n: b", b"a: 2024-13-45", b"a: .nan", b"!!float y", b"!!timestamp z",
]  # fmt: skip

_POD = {
    "containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80}], "env": [{"name": "E", "value": "v"}]}]
}
_TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": _POD}
SEEDS: dict[str, dict[str, Any]] = {
    "configmaps": {"data": {"k": "v"}}, "pods": {"spec": _POD}, "services": {"spec": {"ports": [{"port": 80}], "selector": {"a": "b"}}},
    "deployments": {"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": _TEMPLATE}}, "secrets": {"stringData": {"k": "v"}},
    "jobs": {"spec": {"template": {"spec": {**_POD, "restartPolicy": "Never"}}}}, "boats": {"spec": {"crew": 2, "sails": [{"name": "jib"}]}},
    "horizontalpodautoscalers": {"spec": {"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "a", "apiVersion": "apps/v1"}}},
    "ingresses": {"spec": {"defaultBackend": {"service": {"name": "a", "port": {"number": 80}}}}}, "serviceaccounts": {},
    "poddisruptionbudgets": {"spec": {"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}}}, "roles": {"rules": []},
    "endpointslices": {"addressType": "IPv4", "endpoints": [{"addresses": ["127.1.2.3"]}], "ports": [{"port": 80}]},
    "validatingadmissionpolicies": {"spec": {
        "matchConstraints": {"resourceRules": [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}]},
        "variables": [{"name": "size", "expression": "size(object.metadata.name)"}], "validations": [{"expression": "variables.size < 200"}],
    }},
    "validatingadmissionpolicybindings": {"spec": {"policyName": "a", "validationActions": ["Deny"]}},
}  # fmt: skip
"""What is valid, so that there are objects to change and a policy that judges the changes."""


@dataclass(frozen=True)
class FuzzRequest:
    """A request, ready to be sent. `path` is encoded as it goes over the wire."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True)
class Kind:
    """A resource that requests are made for."""

    prefix: str
    plural: str
    namespaced: bool
    api_version: str
    kind: str
    schema: str


class Fuzzer:
    """Draws requests for some kinds whose shapes stand in an OpenAPI v2 document."""

    def __init__(self, seed: int, kinds: list[Kind], definitions: dict[str, Any]) -> None:
        self._random = random.Random(seed)
        self._seeded = [kind for kind in kinds if kind.plural in SEEDS]
        # few, so that requests meet objects of others
        self._kinds = [*self._random.sample(kinds, 6), *self._random.sample(self._seeded, 6), kinds[-1]]
        self._density = 1.0
        self._definitions = definitions

    def seeds(self) -> list[FuzzRequest]:
        """Requests that create a valid object "a" of many kinds."""
        found = []
        for kind in self._seeded:
            path = (
                f"{kind.prefix}/namespaces/default/{kind.plural}" if kind.namespaced else f"{kind.prefix}/{kind.plural}"
            )
            body = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": "a"}, **SEEDS[kind.plural]}
            found.append(FuzzRequest("POST", path, {"Content-Type": "application/json"}, json.dumps(body).encode()))
        return found

    def request(self) -> FuzzRequest:
        """The next request."""
        draw = self._random
        self._density = draw.choice([0.1, 0.3, 1.0])
        method = draw.choice(METHODS)
        kind = draw.choice(self._kinds)
        path = quote(draw.choice(PATHS), safe="/%") if draw.random() < 0.05 else self._path(kind, method)
        headers = {"Accept": draw.choice(ACCEPTS) if draw.random() < 0.2 else "application/json"}
        body = None
        if method not in {"GET", "HEAD"} and draw.random() < 0.97:
            content_type = draw.choice(PATCHES if method == "PATCH" and draw.random() < 0.95 else TYPES)
            headers["Content-Type"] = content_type
            body = self._body(kind, content_type, method, "b" if "/b" in path[-9:] else "a")
        return FuzzRequest(method, path + self._query(headers.get("Content-Type", "")), headers, body)

    def _path(self, kind: Kind, method: str) -> str:
        draw = self._random
        path = kind.prefix
        if kind.namespaced and draw.random() < 0.9:
            path += "/namespaces/" + ("default" if draw.random() < 0.97 else draw.choice(NAMES))
        path += "/" + kind.plural
        if method in {"PUT", "PATCH"} or (method != "POST" and draw.random() < 0.6):
            path += "/" + (draw.choice("ab") if draw.random() < 0.8 else draw.choice(NAMES))
            if draw.random() < 0.15:
                path += "/" + draw.choice(
                    ["status", "scale", "log", "exec", "eviction", "binding", "token", "finalize", "proxy/x", "nope"]
                )
        return path

    def _query(self, content_type: str) -> str:
        draw = self._random
        chosen = {name: draw.choice(QUERIES[name]) for name in QUERIES if draw.random() < 0.02}
        if "apply" in content_type and draw.random() < 0.9:
            chosen["fieldManager"] = draw.choice(["f", "g"])
        if chosen.get("watch") is not None:
            chosen["timeoutSeconds"] = "1"
        return "?" + "&".join(f"{quote(name)}={quote(value)}" for name, value in chosen.items()) if chosen else ""

    def _body(self, kind: Kind, content_type: str, method: str, name: str) -> bytes:
        draw = self._random
        if draw.random() < 0.08:
            return draw.choice(ODD_BYTES)
        value = self._options() if method == "DELETE" else self._object(kind, name)
        if content_type == PATCHES[0] and draw.random() < 0.9:
            value = self._operations(value)
        for _ in range(draw.choice([0, 0, 0, 1, 1, 2])):
            value = self._spoil(value)
        if content_type.endswith("yaml") and draw.random() < 0.4:
            text = yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "surrogatepass")
        else:
            text = json.dumps(value).encode()
        if draw.random() < 0.04:
            position = draw.randrange(len(text) + 1)
            text = text[:position] + draw.choice([b"", b"\xff", b"}", b'"', b"\n\t", b"\\u12"]) + text[position + 1 :]
        return b"k8s\x00" + text if content_type.endswith("protobuf") and draw.random() < 0.5 else text

    def _object(self, kind: Kind, name: str) -> dict[str, Any]:
        """An object that is about right."""
        value = self._value({"$ref": f"#/definitions/{kind.schema}"}, 0) if kind.schema else {"spec": self._junk()}
        if not isinstance(value, dict):
            value = {}
        if self._random.random() < 0.95:
            value |= {"apiVersion": kind.api_version, "kind": kind.kind}
            meta = value.get("metadata")
            meta = meta if isinstance(meta, dict) and self._random.random() < 0.3 else {}
            value["metadata"] = {**{key: meta[key] for key in meta if self._random.random() < 0.2}, "name": name}
        return value

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions"}
        for name in ("gracePeriodSeconds", "propagationPolicy", "preconditions", "dryRun", "orphanDependents"):
            if self._random.random() < 0.3:
                options[name] = self._junk()
        return options

    def _operations(self, value: dict[str, Any]) -> list[Any]:
        draw = self._random
        paths = ["", "/", "/metadata/labels/a", "/spec", "/spec/-", "/metadata/name", "/metadata", "x", "/a~2", "/spec/0", "/status/conditions/-1"]  # fmt: skip
        paths += [f"/{name}" for name in value]
        names = ["add", "remove", "replace", "move", "copy", "test", "x"]
        return [
            {"op": draw.choice(names), "path": draw.choice(paths), "from": draw.choice(paths), "value": self._junk()}
            for _ in range(draw.randrange(4))
        ]

    def _value(self, schema: dict[str, Any], depth: int) -> Any:
        draw = self._random
        if draw.random() < 0.005:
            return self._junk()
        if "$ref" in schema:
            schema = self._definitions.get(schema["$ref"].rsplit("/", 1)[-1], {})
        kind = schema.get("type")
        if "properties" in schema:
            chance = 0.75 if depth < 2 else 0.4 if depth < 6 else 0.05
            needed = schema.get("required", ())
            return {
                name: self._value(below, depth + 1)
                for name, below in schema["properties"].items()
                if draw.random() < (0.95 if name in needed else chance * self._density)
            }
        if kind == "array":
            return [self._value(schema.get("items", {}), depth + 1) for _ in range(draw.choice([0, 1, 1, 2]))]
        if kind == "object":
            extra = schema.get("additionalProperties")
            return {draw.choice("abc"): self._value(extra if isinstance(extra, dict) else {}, depth + 1) for _ in "12"}
        return self._scalar(schema, kind)

    def _scalar(self, schema: dict[str, Any], kind: str | None) -> Any:
        draw = self._random
        if "enum" in schema:
            return draw.choice(schema["enum"])
        if kind == "string":
            if schema.get("format") == "date-time":
                return "2024-01-01T00:00:00Z"
            return draw.choice(["a", "b", "c", "80", "1Gi", "a.b", "Always", "self.a > 1", "true", "=="])
        if kind in {"integer", "number"}:
            return draw.choice([0, 1, 2, 80, -1, 5000])
        if kind == "boolean":
            return draw.random() < 0.5
        return self._junk()

    def _junk(self) -> Any:
        return self._random.choice(JUNK)

    def _spoil(self, value: Any) -> Any:
        """The value with one spot of it changed."""
        draw = self._random
        if isinstance(value, dict) and value and draw.random() < 0.85:
            name = draw.choice(list(value))
            found = dict(value)
            fate = draw.random()
            if fate < 0.08:
                del found[name]
            elif fate < 0.14:
                found[draw.choice(["$patch", "$retainKeys", "x", "", "a b", "\ud800"])] = self._junk()
            else:
                found[name] = self._spoil(value[name])
            return found
        if isinstance(value, list) and value and draw.random() < 0.85:
            at = draw.randrange(len(value))
            return [*value[:at], self._spoil(value[at]), *value[at + (draw.random() < 0.8) :]]
        return self._junk()
