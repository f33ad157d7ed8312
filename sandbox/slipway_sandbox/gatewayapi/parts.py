"""Field types that the kinds of the Gateway API share: names, references, conditions."""

from __future__ import annotations

from slipway_sandbox.gatewayapi import rules
from slipway_sandbox.gatewayapi.schema import Schema, defaulted, fields, items, mapping, number, record, text

GROUP = "gateway.networking.k8s.io"

LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = rf"{LABEL}(\.{LABEL})*"
QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]"
"""The part of a label's key behind the prefix."""
HOST = rf"^(\*\.)?{SUBDOMAIN}$"
PATH_CHARACTERS = r"[A-Za-z0-9\/\-._~%!$&'()*+,;=:]+"


# -- names


def group(default: str | None = None) -> Schema:
    return text(0, 253, f"^$|^{SUBDOMAIN}$", default=default)


def kind(default: str | None = None) -> Schema:
    return text(1, 63, "^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$", default=default)


def name() -> Schema:
    return text(1, 253)


def namespace() -> Schema:
    return text(1, 63, f"^{LABEL}$")


def section_name() -> Schema:
    return text(1, 253, f"^{SUBDOMAIN}$")


def hostname() -> Schema:
    """A host, or all below one (`*.example.com`)."""
    return text(1, 253, HOST)


def precise_hostname() -> Schema:
    return text(1, 253, f"^{SUBDOMAIN}$")


def port() -> Schema:
    return number(1, 65535)


def controller_name() -> Schema:
    return text(1, 253, rf"^{SUBDOMAIN}\/{PATH_CHARACTERS}$")


# -- references


def local_reference() -> Schema:
    return fields(("group", "kind", "name"), group=group(), kind=kind(), name=name())


def reference() -> Schema:
    """To any kind, here or in another namespace."""
    return fields(("group", "kind", "name"), group=group(), kind=kind(), name=name(), namespace=namespace())


def secret_reference() -> Schema:
    """To a Secret unless it says otherwise."""
    return fields(("name",), group=group(""), kind=kind("Secret"), name=name(), namespace=namespace())


def parent_reference() -> Schema:
    """To what a route attaches to: a Gateway unless it says otherwise."""
    return fields(
        ("name",),
        group=group(GROUP),
        kind=kind("Gateway"),
        namespace=namespace(),
        name=name(),
        sectionName=section_name(),
        port=port(),
    )


SAME_TARGET = rules.equal("group", "kind", "name")


def parent_references() -> Schema:
    same_parent = f"{SAME_TARGET} && {rules.equal_or_absent('__namespace__')}"
    return items(parent_reference(), 32, cel=rules.distinct_sections(same_parent, "parent"))


def backend_reference(**more: Schema) -> Schema:
    """To where traffic goes: a Service unless it says otherwise."""
    needs_port = rules.rule("self.group != '' || self.kind != 'Service' || has(self.port)", "a Service needs a port")
    known = {"group": group(""), "kind": kind("Service"), "name": name(), "namespace": namespace(), "port": port()}
    return record({**known, **more}, ("name",), [needs_port])


# -- settings


def weight() -> Schema:
    return number(0, 1_000_000, default=1)


def options() -> Schema:
    """Free settings of an implementation."""
    return mapping(text(0, 4096), 16)


def label_selector() -> Schema:
    plain = {"type": "string"}
    expression = fields(("key", "operator"), key=plain, operator=plain, values=items(plain, None))
    schema = fields(matchExpressions=items(expression, None), matchLabels=mapping(plain, None))
    return {**schema, "x-kubernetes-map-type": "atomic"}


# -- status


def conditions(*pending: str, low: int = 0) -> Schema:
    """Conditions; those named in `pending` are there from the start, as Unknown."""
    one = fields(
        ("lastTransitionTime", "message", "reason", "status", "type"),
        lastTransitionTime=text(form="date-time"),
        message=text(0, 32768),
        observedGeneration=number(0, form="int64"),
        reason=text(1, 1024, "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"),
        status=text(one_of=("True", "False", "Unknown")),
        type=text(0, 316, f"^({SUBDOMAIN}/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"),
    )
    schema = items(one, 8, low=low, key="type")
    return defaulted(schema, waiting(*pending)) if pending else schema


def waiting(*kinds: str) -> list[dict[str, str]]:
    """The conditions of an object that no controller has looked at."""
    return [
        {
            "type": each,
            "status": "Unknown",
            "reason": "Pending",
            "message": "Waiting for controller",
            "lastTransitionTime": "1970-01-01T00:00:00Z",
        }
        for each in kinds
    ]


def route_status() -> Schema:
    """One entry for each parent, written by the parent's controller."""
    parent = fields(
        ("conditions", "controllerName", "parentRef"),
        conditions=conditions(low=1),
        controllerName=controller_name(),
        parentRef=parent_reference(),
    )
    return fields(("parents",), parents=items(parent, 32))
