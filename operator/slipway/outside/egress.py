"""Which addresses may be reached on behalf of a namespace. Pure: names are resolved elsewhere.

What holds without any rule: public addresses may be reached, and so may the Services of the namespace that asks, by
their full name (``<service>.<namespace>.svc``). Private addresses may not, because that is where everybody else's pods
and Services are. The administrator's rules open more; `public=False` closes the public ones, and the rules are then
the whole list.

============================  =========================================================================
rule                          opens
============================  =========================================================================
``prometheus.monitoring.svc`` that Service, whatever private address it has
``*.monitoring.svc``          every Service of that namespace
``metrics.example.com:9090``  that host, at that port only
``10.1.0.0/16``, ``[::1]``    these addresses, under any name that is no other namespace's Service
============================  =========================================================================

Loopback is opened by an address only, since a name is its owner's to point anywhere. Link-local, multicast and the
clouds' metadata addresses are never opened: no rule can be meant that way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address

METADATA: Final = tuple(
    ip_address(text)
    for text in (
        "169.254.169.254",  # most clouds
        "169.254.170.2",  # container credentials
        "fd00:ec2::254",
        "fd20:ce::254",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
    )
)
"""Addresses at which clouds give away credentials to whoever asks from a machine."""

_CARRIERS: Final = (IPv6Network("64:ff9b::/96"), IPv6Network("::/96"))
"""Networks whose addresses end in the IPv4 address that they go to."""

_PRIVATE_TOO: Final = (IPv6Network("64:ff9b:1::/48"), IPv6Network("fec0::/10"))
"""Networks of a site's own that are not on the list of private ones."""
_RULE: Final = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^\s:\[\]]+|[0-9a-fA-F:]+/\d+)(?::(?P<port>\d{1,5}))?")
_NAME: Final = re.compile(
    r"(?:\*\.)?(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*"
)


class FetchError(Exception):
    """Nothing was fetched. The message says what was asked for, without its query, and why not."""


class UnreachedError(FetchError):
    """No connection came about, so that nothing was delivered."""


class EgressError(FetchError):
    """An address may not be reached on behalf of the namespace. Waiting does not help."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a name stands for at this moment."""

    addresses: tuple[str, ...]
    canonical: str
    """The name behind aliases; the name itself where there are none."""


@dataclass(frozen=True, slots=True)
class _Rule:
    host: str
    network: IPv4Network | IPv6Network | None
    port: int | None

    def takes(self, port: int) -> bool:
        return self.port is None or self.port == port

    def names(self, host: str) -> bool:
        if self.network is not None:
            return False
        return host.endswith(self.host[1:]) if self.host.startswith("*.") else host == self.host


@dataclass(frozen=True, slots=True)
class Egress:
    """What the administrator lets users reach through the operator."""

    rules: tuple[str, ...] = ()
    """As in the table above. Construction raises ValueError for one that cannot be read."""
    public: bool = True
    """Whether public addresses may be reached without a rule."""
    cluster_domain: str = "cluster.local"
    """The suffix that names of Services have when written in full."""
    object_stores: frozenset[str] = frozenset()
    """Schemes of object stores, such as ``s3``, whose clients may connect as they are configured."""

    def __post_init__(self) -> None:
        for text in self.rules:
            _rule(text)

    def name(self, host: str) -> str:
        """A host in the one form that is judged and resolved: lower case, ASCII, names of Services in full.

        Raises EgressError for what is no host. Raw addresses come back without brackets.
        """
        plain = host.strip("[]").rstrip(".").lower()
        try:
            return str(ip_address(plain))
        except ValueError:
            pass
        try:
            plain = plain.encode("ascii").decode() if plain.isascii() else plain.encode("idna").decode()
        except UnicodeError:
            raise EgressError(f"{host[:80]!r} is no host name") from None
        if not _NAME.fullmatch(plain) or plain.startswith("*") or len(plain) > 253:
            raise EgressError(f"{host[:80]!r} is no host name")
        return f"{plain}.{self.cluster_domain}" if plain.endswith(".svc") else plain

    def check(self, host: str, resolved: Resolved, port: int, *, namespace: str) -> None:
        """Raises EgressError unless every address of the host may be reached for the namespace.

        `host` is as `name` gives it. All addresses have to be allowed: whoever owns the name chooses which one is
        used.
        """
        if not resolved.addresses:
            raise EgressError(f"{host} has no address")
        for text in resolved.addresses:
            for address in _unwrapped(ip_address(text.partition("%")[0])):
                problem = self._problem(host, resolved.canonical, address, port, namespace)
                if problem:
                    raise EgressError(f"{host} ({text}) may not be reached: {problem}")

    def _problem(self, host: str, canonical: str, address: Address, port: int, namespace: str) -> str:
        if address in METADATA:
            return "it is the address of a cloud's metadata"
        if address.is_link_local or address.is_multicast or address.is_unspecified:
            return "link-local, multicast and unspecified addresses are never allowed"
        rules = [rule for rule in map(_rule, self.rules) if rule.takes(port)]
        named = any(rule.names(self._short(host)) or rule.names(host) for rule in rules)
        for name in (host, self.name(canonical) if canonical else host):
            owner = self._service_namespace(name)
            if owner not in (None, namespace) and not named:
                return f"it is a Service of namespace {owner}; an administrator can allow {self._short(name)}"
        if any(rule.network is not None and address in rule.network for rule in rules):
            return ""
        if address.is_loopback:
            return "loopback is allowed by an address only, and no rule has it"
        if named or self._is_own(host, canonical, namespace):
            return ""
        if address.is_global and not any(address in network for network in _PRIVATE_TOO):
            return "" if self.public else "it is not on the administrator's list"
        return "private addresses need a rule of the administrator"

    def _is_own(self, host: str, canonical: str, namespace: str) -> bool:
        """Whether the host is a Service of the namespace, and no alias: a Service of type ExternalName leads where its
        author likes, such as to a database beside the cluster."""
        names = (host, self.name(canonical)) if canonical else (host,)
        return all(self._service_namespace(name) == namespace for name in names)

    def _short(self, name: str) -> str:
        return name.removesuffix(f".{self.cluster_domain}") if name.endswith(f".svc.{self.cluster_domain}") else name

    def _service_namespace(self, name: str) -> str | None:
        short = self._short(name)
        labels = short.split(".")
        return labels[-2] if labels[-1] == "svc" and len(labels) >= 3 else None


def _rule(text: str) -> _Rule:
    whole = _RULE.fullmatch(text)
    if whole is None:
        raise ValueError(
            f"{text!r} is no egress rule: write a host, *.suffix, an address or a network, with :port or not"
        )
    port = None if whole["port"] is None else int(whole["port"])
    if port is not None and not 0 < port < 65536:
        raise ValueError(f"{text!r} is no egress rule: its port is not between 1 and 65535")
    host = whole["host"].strip("[]").lower().rstrip(".")
    try:
        network = ip_network(host, strict=False)
    except ValueError:
        if not _NAME.fullmatch(host) or re.fullmatch(r"[0-9./]+", host):
            raise ValueError(f"{text!r} is no egress rule: {host!r} is neither a host name nor a network") from None
        return _Rule(host, None, port)
    return _Rule(host, network, port)


def _unwrapped(address: Address) -> tuple[Address, ...]:
    """The address and those that it carries inside: an IPv4 address in IPv6 clothes goes where the IPv4 one goes."""
    if isinstance(address, IPv4Address):
        return (address,)
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    inside = [address.sixtofour, *(address.teredo or ())]
    if any(address in network for network in _CARRIERS) and not (address.is_loopback or address.is_unspecified):
        inside.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return (address, *(one for one in inside if one is not None))
