"""Which addresses may be reached: public, private, loopback, link-local, metadata, Services; with rules or none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.outside import Egress, EgressError, Resolved


def reach(
    host: str, *addresses: str, rules: tuple[str, ...] = (), port: int = 443, canonical: str = "", **fields: object
) -> None:
    egress = Egress(rules, **fields)  # type: ignore[arg-type]
    egress.check(egress.name(host), Resolved(addresses, canonical), port, namespace="ml")


def test_public_addresses_may_be_reached_unless_the_list_is_the_whole() -> None:
    reach("example.com", "93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c")
    with pytest.raises(EgressError, match="not on the administrator's list"):
        reach("example.com", "93.184.215.14", public=False)
    reach("data.example.com", "93.184.215.14", public=False, rules=("*.example.com",))


NEVER = [
    "169.254.169.254",
    "169.254.170.2",
    "169.254.1.1",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "0.0.0.0",
    "::",
    "224.0.0.1",
    "ff02::1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "::a9fe:a9fe",
]


@pytest.mark.parametrize("address", NEVER)
def test_metadata_and_link_local_addresses_are_never_reached_whatever_the_rules(address: str) -> None:
    rules = ("0.0.0.0/0", "::/0", "evil.example.com", "*.example.com")
    for allowed in ((), rules):
        with pytest.raises(EgressError):
            reach("evil.example.com", address, rules=allowed)
        with pytest.raises(EgressError):
            reach("evil.example.com", "93.184.215.14", address, rules=allowed)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_loopback_is_opened_by_an_address_only(address: str) -> None:
    for rules in ((), ("evil.example.com",), ("*.example.com",)):
        with pytest.raises(EgressError, match="loopback"):
            reach("evil.example.com", address, rules=rules)
    reach("local.example.com", address, rules=("127.0.0.0/8", "[::1]"))


@pytest.mark.parametrize(
    "address",
    ["10.1.2.3", "172.16.0.1", "192.168.0.9", "100.64.0.1", "fd00::9", "fec0::9", "64:ff9b:1::9", "::ffff:10.1.2.3",
     "::10.1.2.3"],
)  # fmt: skip
def test_private_addresses_need_a_rule(address: str) -> None:
    with pytest.raises(EgressError, match="private addresses need a rule"):
        reach("data.example.com", address)
    reach("data.example.com", address, rules=("data.example.com",))
    reach(
        "data.example.com",
        address,
        rules=(
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "100.64.0.0/10",
            "fd00::/8",
            "fec0::/10",
            "64:ff9b:1::/48",
        ),
    )


@pytest.mark.parametrize("host", ["prom.ml.svc", "prom.ml.svc.cluster.local", "PROM.ML.SVC.", "prom-0.prom.ml.svc"])
def test_services_of_the_own_namespace_may_be_reached_by_their_full_name(host: str) -> None:
    reach(host, "10.96.0.7")


def test_services_of_other_namespaces_need_a_rule_that_names_them() -> None:
    for rules in ((), ("10.0.0.0/8",)):
        with pytest.raises(EgressError, match=r"Service of namespace monitoring; .* allow prom\.monitoring\.svc"):
            reach("prom.monitoring.svc", "10.96.0.7", rules=rules)
    for rule in ("prom.monitoring.svc", "*.monitoring.svc", "prom.monitoring.svc.cluster.local"):
        reach("prom.monitoring.svc", "10.96.0.7", rules=(rule,))
        reach("prom.monitoring.svc.cluster.local", "10.96.0.7", rules=(rule,))
    with pytest.raises(EgressError):
        reach("prom.monitoring.svc", "10.96.0.7", rules=("prom.monitoring.svc:9090",), port=80)
    reach("prom.monitoring.svc", "10.96.0.7", rules=("prom.monitoring.svc:9090",), port=9090)


def test_a_service_of_the_own_namespace_that_is_an_alias_of_another_ones_is_that_one() -> None:
    with pytest.raises(EgressError, match="Service of namespace vault"):
        reach("alias.ml.svc", "10.96.0.9", canonical="secrets.vault.svc.cluster.local")
    reach("alias.ml.svc", "10.96.0.9", canonical="other.ml.svc.cluster.local")


def test_a_service_that_is_an_alias_of_a_private_host_is_that_host() -> None:
    with pytest.raises(EgressError, match="private addresses need a rule"):
        reach("alias.ml.svc", "10.20.0.5", canonical="database.corp.example")
    reach("alias.ml.svc", "93.184.215.14", canonical="example.com")
    reach("alias.ml.svc", "10.20.0.5", canonical="database.corp.example", rules=("alias.ml.svc",))


def test_names_that_a_search_list_would_complete_are_no_services() -> None:
    with pytest.raises(EgressError, match="private"):
        reach("prom.monitoring", "10.96.0.7")


@pytest.mark.parametrize("host", ["", "a b", "*.example.com", "a..b", "-a.com", "a" * 64, "a/b", "a\n"])
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(EgressError, match="no host name"):
        Egress().name(host)


@pytest.mark.parametrize(
    "rule",
    ["", "http://a.com", "a b", "10.0.0.0/33", "a.com:0", "a.com:70000", "*", "a.*.com", "1.2.3", "[::1", "a.com/8"],
)
def test_a_rule_that_cannot_be_read_is_refused_when_it_is_given(rule: str) -> None:
    with pytest.raises(ValueError, match="no egress rule"):
        Egress((rule,))


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
def test_an_address_is_reached_without_rules_only_if_it_is_public(address: object) -> None:
    try:
        reach("any.example.com", str(address))
    except EgressError:
        return
    assert address.is_global  # type: ignore[attr-defined]


@given(st.text(max_size=40))
def test_any_text_is_a_host_or_a_refusal(text: str) -> None:
    try:
        name = Egress().name(text)
    except EgressError:
        return
    assert name.isascii()
    assert not set(name) & set(" /@?#\\")
