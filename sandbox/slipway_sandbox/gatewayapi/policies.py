"""ReferenceGrant and BackendTLSPolicy."""

from __future__ import annotations

from slipway_sandbox.gatewayapi import parts
from slipway_sandbox.gatewayapi.rules import coupled, distinct_sections, given, rule
from slipway_sandbox.gatewayapi.schema import Schema, fields, items, record, text

_URI = r"^(([^:/?#]+):)(//([^/?#]*))([^?#]*)(\?([^#]*))?(#(.*))?"
_WELL_KNOWN = rf"^(System|({parts.SUBDOMAIN}/{parts.QUALIFIED}))$"


def reference_grant() -> Schema:
    """Who may refer from other namespaces to what is in this one."""
    source = fields(("group", "kind", "namespace"), group=parts.group(), kind=parts.kind(), namespace=parts.namespace())
    target = fields(("group", "kind"), group=parts.group(), kind=parts.kind(), name=parts.name())
    spec = record({"from": items(source, 16, low=1), "to": items(target, 16, low=1)}, ("from", "to"))
    return fields(("spec",), spec=spec)


def backend_tls_policy() -> Schema:
    """How a Gateway speaks TLS to a backend."""
    target = fields(
        ("group", "kind", "name"),
        group=parts.group(),
        kind=parts.kind(),
        name=parts.name(),
        sectionName=parts.section_name(),
    )
    spec = fields(
        ("targetRefs", "validation"),
        targetRefs=items(target, 16, low=1, cel=distinct_sections(parts.SAME_TARGET, "target")),
        validation=_validation(),
        options=parts.options(),
    )
    ancestor = fields(
        ("ancestorRef", "conditions", "controllerName"),
        ancestorRef=parts.parent_reference(),
        conditions=parts.conditions(low=1),
        controllerName=parts.controller_name(),
    )
    return fields(("spec",), spec=spec, status=fields(("ancestors",), ancestors=items(ancestor, 16)))


def _validation() -> Schema:
    """What the backend's certificate is checked against."""
    listed, known = given("caCertificateRefs"), given("wellKnownCACertificates")
    return fields(
        ("hostname",),
        cel=[
            rule(f"!{listed} || !{known}", "caCertificateRefs and wellKnownCACertificates exclude each other"),
            rule(f"{listed} || {known}", "caCertificateRefs or wellKnownCACertificates is needed"),
        ],
        caCertificateRefs=items(parts.local_reference(), 8),
        wellKnownCACertificates=text(1, 253, _WELL_KNOWN),
        hostname=parts.precise_hostname(),
        subjectAltNames=_alternative_names(),
    )


def _alternative_names() -> Schema:
    one = fields(
        ("type",),
        cel=[*coupled("Hostname", "hostname", given("hostname")), *coupled("URI", "uri", given("uri"))],
        type=text(one_of=("Hostname", "URI")),
        hostname=parts.hostname(),
        uri=text(1, 253, _URI),
    )
    return items(one, 5)
