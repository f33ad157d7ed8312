"""ReferenceGrant and BackendTLSPolicy."""

from __future__ import annotations

from slipway_sandbox.gatewayapi.schema import (
    SAME_TARGET,
    SUBDOMAIN,
    Schema,
    conditions,
    controller_name,
    distinct_sections,
    fields,
    group,
    hostname,
    items,
    kind,
    local_reference,
    name,
    namespace,
    options,
    parent_reference,
    precise_hostname,
    rule,
    section_name,
    text,
)  # fmt: skip


def reference_grant() -> Schema:
    """The schema of ReferenceGrant."""
    source = fields(("group", "kind", "namespace"), group=group(), kind=kind(), namespace=namespace())
    target = fields(("group", "kind"), group=group(), kind=kind(), name=name())
    spec = fields(("from", "to"), **{"from": items(source, 16, low=1)}, to=items(target, 16, low=1))
    return fields(("spec",), spec=spec)


def _alternative_names() -> Schema:
    rules = []
    for type_, field in (("Hostname", "hostname"), ("URI", "uri")):
        rules.append(
            rule(
                f"!(self.type == '{type_}' && (!has(self.{field}) || self.{field} == ''))",
                f"type {type_} needs {field}",
            )
        )
        rules.append(
            rule(
                f"!(self.type != '{type_}' && has(self.{field}) && self.{field} != '')",
                f"{field} belongs to type {type_}",
            )
        )
    uri = r"^(([^:/?#]+):)(//([^/?#]*))([^?#]*)(\?([^#]*))?(#(.*))?"
    one = fields(
        ("type",), cel=rules, type=text(one_of=["Hostname", "URI"]), hostname=hostname(), uri=text(1, 253, uri)
    )
    return items(one, 5)


def backend_tls_policy() -> Schema:
    """The schema of BackendTLSPolicy."""
    target = fields(("group", "kind", "name"), group=group(), kind=kind(), name=name(), sectionName=section_name())
    listed = "has(self.caCertificateRefs) && size(self.caCertificateRefs) > 0"
    known = "has(self.wellKnownCACertificates) && self.wellKnownCACertificates != ''"
    well_known = rf"^(System|({SUBDOMAIN}/([A-Za-z0-9][-A-Za-z0-9_.]{{0,61}})?[A-Za-z0-9]))$"
    validation = fields(
        ("hostname",),
        cel=[
            rule(f"!({listed} && {known})", "either caCertificateRefs or wellKnownCACertificates"),
            rule(f"({listed} || {known})", "caCertificateRefs or wellKnownCACertificates is needed"),
        ],
        caCertificateRefs=items(local_reference(), 8),
        wellKnownCACertificates=text(1, 253, well_known),
        hostname=precise_hostname(),
        subjectAltNames=_alternative_names(),
    )
    targets = items(target, 16, low=1, cel=distinct_sections(SAME_TARGET, "targetRefs"))
    spec = fields(("targetRefs", "validation"), targetRefs=targets, validation=validation, options=options())
    ancestor = fields(
        ("ancestorRef", "conditions", "controllerName"),
        ancestorRef=parent_reference(),
        conditions=conditions(low=1),
        controllerName=controller_name(),
    )
    return fields(("spec",), spec=spec, status=fields(("ancestors",), ancestors=items(ancestor, 16)))
