"""The functions that Kubernetes adds to CEL: lists, regular expressions, URLs, quantities, addresses, versions, formats.

Values of the added types (a quantity, an address) travel through CEL as maps with one marker key, since the engine
takes no foreign objects; to expressions they are opaque all the same.
"""  # noqa: E501

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from cel_expr_python import cel

from slipway_sandbox.apiserver import names, quantity
from slipway_sandbox.apiserver.formats import has_format
from slipway_sandbox.apiserver.schema import compile_pattern

_QUANTITY = "$quantity"
_URL = "$url"
_IP = "$ip"
_CIDR = "$cidr"
_VERSION = "$semver"
_FORMAT = "$format"

T = cel.Type
_SEMVER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z.-]+))?(?:\+([0-9A-Za-z.-]+))?")


def _plain(value: Any) -> Any:
    return value.plain_value() if isinstance(value, cel.Value) else value


def _unwrap(value: Any, marker: str) -> Any:
    plain = _plain(value)
    found = _plain(plain[marker]) if isinstance(plain, dict) and marker in plain else None
    if found is None:
        raise ValueError(f"no such overload: the argument is no {marker[1:]}")
    return found


def _list(value: Any) -> list[Any]:
    return [_plain(item) for item in _plain(value)]


# -- lists


def _is_sorted(items: Any) -> bool:
    found = _list(items)
    return all(found[i] <= found[i + 1] for i in range(len(found) - 1))


def _sum(items: Any) -> Any:
    found = _list(items)
    return sum(found) if found else 0


def _extreme(pick: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def choose(items: Any) -> Any:
        found = _list(items)
        if not found:
            raise ValueError("min and max need a list that is not empty")
        return pick(found)

    return choose


# -- sets


def _contains(a: Any, b: Any) -> bool:
    found = _list(a)
    return all(item in found for item in _list(b))


def _equivalent(a: Any, b: Any) -> bool:
    return _contains(a, b) and _contains(b, a)


def _intersects(a: Any, b: Any) -> bool:
    found = _list(a)
    return any(item in found for item in _list(b))


# -- regular expressions


def _find(text: str, pattern: str) -> str:
    match = compile_pattern(pattern).search(text)
    return match.group(0) if match else ""


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found = [match.group(0) for match in compile_pattern(pattern).finditer(text)]
    return found if limit < 0 else found[:limit]


# -- URLs


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    return (bool(parts.scheme) and bool(parts.netloc or parts.path)) or text.startswith("/")


def _url(text: str) -> dict[str, str]:
    if not _is_url(text):
        raise ValueError(f"URL parse error during conversion from string: {text!r}")
    return {_URL: text}


def _url_part(pick: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: pick(urlsplit(_unwrap(value, _URL)))


def _host(parts: Any) -> str:
    return str(parts.netloc.rpartition("@")[2])


def _hostname(parts: Any) -> str:
    host = _host(parts)
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


# -- quantities


def _is_quantity(text: str) -> bool:
    try:
        quantity.value(text)
    except quantity.QuantityError:
        return False
    return True


def _quantity(text: str) -> dict[str, str]:
    quantity.value(text)
    return {_QUANTITY: text}


def _amount(value: Any) -> Any:
    plain = _plain(value)
    return plain if isinstance(plain, int) else quantity.value(_unwrap(value, _QUANTITY))


def _shown(number: Any) -> dict[str, str]:
    return {_QUANTITY: format(number, "f")}


def _sign(value: Any) -> int:
    number = _amount(value)
    return int(number > 0) - int(number < 0)


def _is_integer(value: Any) -> bool:
    number = _amount(value)
    return bool(number == int(number) and -(2**63) <= number < 2**63)


def _as_integer(value: Any) -> int:
    if not _is_integer(value):
        raise ValueError("cannot convert value to integer")
    return int(_amount(value))


# -- versions


def _version_parts(text: str, loose: bool) -> tuple[int, int, int, str] | None:
    if loose:
        text = text.removeprefix("v")
        numbers = re.match(r"\d+(\.\d+){0,2}", text)
        if numbers:
            padded = [str(int(part)) for part in numbers.group(0).split(".")]
            text = ".".join([*padded, "0", "0"][:3]) + text[numbers.end() :]
    match = _SEMVER.fullmatch(text)
    return (int(match[1]), int(match[2]), int(match[3]), match[4] or "") if match else None


def _version(text: str, loose: bool = False) -> dict[str, str]:
    parts = _version_parts(text, loose)
    if parts is None:
        raise ValueError(f"Semver {text!r} is not valid")
    return {_VERSION: f"{parts[0]}.{parts[1]}.{parts[2]}" + (f"-{parts[3]}" if parts[3] else "")}


def _identifiers(text: str) -> list[tuple[int, Any]]:
    return [(0, int(part)) if part.isdigit() else (1, part) for part in text.split(".")]


def _order_versions(a: str, b: str) -> int:
    left, right = _version_parts(a, False), _version_parts(b, False)
    if left is None or right is None:
        raise ValueError("not a version")
    if left[:3] != right[:3]:
        return -1 if left[:3] < right[:3] else 1
    if left[3] == right[3]:
        return 0
    if not left[3] or not right[3]:
        return 1 if not left[3] else -1
    return -1 if _identifiers(left[3]) < _identifiers(right[3]) else 1


def _compare(a: Any, b: Any) -> int:
    plain = _plain(a)
    if isinstance(plain, dict) and _VERSION in plain:
        return _order_versions(_unwrap(a, _VERSION), _unwrap(b, _VERSION))
    left, right = _amount(a), _amount(b)
    return int((left > right) - (left < right))


# -- addresses


def _address(text: str) -> Any:
    if "%" in text or (":" in text and "." in text and text.lower().startswith("::ffff:")):
        raise ValueError("IPv4-mapped and zoned addresses are not allowed")
    return ipaddress.ip_address(text)


def _valid(parse: Callable[[str], Any]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return check


def _network(text: str) -> Any:
    if "/" not in text:
        raise ValueError("no prefix length")
    return ipaddress.ip_interface(text)


def _ip(text: str) -> dict[str, str]:
    return {_IP: str(_address(text))}


def _cidr(text: str) -> dict[str, str]:
    _network(text)
    return {_CIDR: text}


def _ip_is(pick: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: pick(ipaddress.ip_address(_unwrap(value, _IP)))


def _contains_ip(value: Any, address: Any) -> bool:
    plain = _plain(address)
    text = plain if isinstance(plain, str) else _unwrap(address, _IP)
    return _address(text) in _network(_unwrap(value, _CIDR)).network


def _contains_cidr(value: Any, other: Any) -> bool:
    plain = _plain(other)
    text = plain if isinstance(plain, str) else _unwrap(other, _CIDR)
    outer, inner = _network(_unwrap(value, _CIDR)).network, _network(text).network
    return bool(outer.version == inner.version and inner.subnet_of(outer))


# -- formats

_NAME_RULES: dict[str, Callable[[str], str]] = {
    "dns1123Label": names.dns_label_problem,
    "dns1123Subdomain": names.subdomain_problem,
    "dns1035Label": names.dns1035_problem,
    "dns1123LabelPrefix": lambda text: names.dns_label_problem(text.removesuffix("-") or "-"),
    "dns1123SubdomainPrefix": lambda text: names.subdomain_problem(text.rstrip("-.") or "-"),
    "dns1035LabelPrefix": lambda text: names.dns1035_problem(text.removesuffix("-") or "-"),
    "qualifiedName": names.label_key_problem,
    "labelValue": names.label_value_problem,
    "uri": lambda text: "" if has_format("uri", text) else "must be a URI",
    "uuid": lambda text: "" if has_format("uuid", text) else "must be a UUID",
    "byte": lambda text: "" if has_format("byte", text) else "must be base64",
    "date": lambda text: "" if has_format("date", text) else "must be a date",
    "datetime": lambda text: "" if has_format("date-time", text) else "must be a date and time",
}


def _format_problems(value: Any, text: str) -> list[str]:
    problem = _NAME_RULES[_unwrap(value, _FORMAT)](text)
    return [problem] if problem else []


def _decl(name: str, *overloads: tuple[str, Any, list[Any], Any], member: bool = True) -> Any:
    built = [
        cel.Overload(identity, return_type=result, parameters=parameters, is_member=member, impl=impl)
        for identity, result, parameters, impl in overloads
    ]
    return cel.FunctionDecl(name, built)


def _one(name: str, result: Any, parameters: list[Any], impl: Any, *, member: bool = True) -> Any:
    return _decl(name, (f"k8s_{name}", result, parameters, impl), member=member)


def functions() -> list[Any]:
    """Declarations with implementations, for a CEL environment."""
    text, many, box = T.STRING, T.List(T.DYN), T.MAP
    free = [
        _one("isURL", T.BOOL, [text], _is_url, member=False),
        _one("url", T.DYN, [text], _url, member=False),
        _one("isQuantity", T.BOOL, [text], _is_quantity, member=False),
        _one("quantity", T.DYN, [text], _quantity, member=False),
        _one("isIP", T.BOOL, [text], _valid(_address), member=False),
        _one("isCIDR", T.BOOL, [text], _valid(_network), member=False),
        _one("cidr", T.DYN, [text], _cidr, member=False),
        _one("ip.isCanonical", T.BOOL, [text], lambda value: str(_address(value)) == value, member=False),
        _one("sets.contains", T.BOOL, [many, many], _contains, member=False),
        _one("sets.equivalent", T.BOOL, [many, many], _equivalent, member=False),
        _one("sets.intersects", T.BOOL, [many, many], _intersects, member=False),
        _decl("isSemver", ("k8s_isSemver", T.BOOL, [text], lambda t: _version_parts(t, False) is not None),
              ("k8s_isSemver_loose", T.BOOL, [text, T.BOOL], lambda t, loose: _version_parts(t, loose) is not None), member=False),  # noqa: E501
        _decl("semver", ("k8s_semver", T.DYN, [text], _version), ("k8s_semver_loose", T.DYN, [text, T.BOOL], _version), member=False),  # noqa: E501
    ]  # fmt: skip
    free += [_one(f"format.{name}", T.DYN, [], _named(name), member=False) for name in _NAME_RULES]
    members = [
        _one("isSorted", T.BOOL, [many], _is_sorted),
        _one("sum", T.DYN, [many], _sum),
        _one("min", T.DYN, [many], _extreme(min)),
        _one("max", T.DYN, [many], _extreme(max)),
        _one("find", text, [text, text], _find),
        _decl("findAll", ("k8s_findAll", T.List(text), [text, text], _find_all), ("k8s_findAll_n", T.List(text), [text, text, T.INT], _find_all)),  # noqa: E501
        *_url_members(box), *_quantity_members(box), *_address_members(box),
        _one("validate", T.List(text), [box, text], _format_problems),
        _one("major", T.INT, [box], lambda v: _parts_of(v)[0]),
        _one("minor", T.INT, [box], lambda v: _parts_of(v)[1]),
        _one("patch", T.INT, [box], lambda v: _parts_of(v)[2]),
    ]  # fmt: skip
    return free + members


def _named(name: str) -> Callable[[], dict[str, str]]:
    return lambda: {_FORMAT: name}


def _parts_of(value: Any) -> tuple[int, int, int, str]:
    parts = _version_parts(_unwrap(value, _VERSION), False)
    if parts is None:
        raise ValueError("not a version")
    return parts


def _url_members(box: Any) -> list[Any]:
    query = T.Map(T.STRING, T.List(T.STRING))
    return [
        _one("getScheme", T.STRING, [box], _url_part(lambda parts: parts.scheme)),
        _one("getHost", T.STRING, [box], _url_part(_host)),
        _one("getHostname", T.STRING, [box], _url_part(_hostname)),
        _one("getPort", T.STRING, [box], _url_part(lambda parts: str(parts.port or ""))),
        _one("getEscapedPath", T.STRING, [box], _url_part(lambda parts: quote(parts.path, safe="/%:@!$&'()*+,;=~"))),
        _one("getQuery", query, [box], _url_part(lambda parts: parse_qs(parts.query, keep_blank_values=True))),
    ]


def _quantity_members(box: Any) -> list[Any]:
    return [
        _one("sign", T.INT, [box], _sign),
        _one("isInteger", T.BOOL, [box], _is_integer),
        _one("asInteger", T.INT, [box], _as_integer),
        _one("asApproximateFloat", T.DOUBLE, [box], lambda value: float(_amount(value))),
        _decl("add", ("k8s_add", T.DYN, [box, box], lambda a, b: _shown(_amount(a) + _amount(b))),
              ("k8s_add_int", T.DYN, [box, T.INT], lambda a, b: _shown(_amount(a) + _amount(b)))),
        _decl("sub", ("k8s_sub", T.DYN, [box, box], lambda a, b: _shown(_amount(a) - _amount(b))),
              ("k8s_sub_int", T.DYN, [box, T.INT], lambda a, b: _shown(_amount(a) - _amount(b)))),
        _one("isGreaterThan", T.BOOL, [box, box], lambda a, b: _compare(a, b) > 0),
        _one("isLessThan", T.BOOL, [box, box], lambda a, b: _compare(a, b) < 0),
        _one("compareTo", T.INT, [box, box], _compare),
    ]  # fmt: skip


def _address_members(box: Any) -> list[Any]:
    return [
        _decl("family", ("k8s_family", T.INT, [box], _ip_is(lambda ip: ip.version))),
        _one("isUnspecified", T.BOOL, [box], _ip_is(lambda ip: ip.is_unspecified)),
        _one("isLoopback", T.BOOL, [box], _ip_is(lambda ip: ip.is_loopback)),
        _one("isLinkLocalUnicast", T.BOOL, [box], _ip_is(lambda ip: ip.is_link_local)),
        _one("isLinkLocalMulticast", T.BOOL, [box], _ip_is(lambda ip: ip in ipaddress.ip_network("224.0.0.0/24" if ip.version == 4 else "ff02::/16"))),  # noqa: E501
        _one("isGlobalUnicast", T.BOOL, [box], _ip_is(lambda ip: not (ip.is_unspecified or ip.is_loopback or ip.is_multicast or ip.is_link_local))),  # noqa: E501
        _decl("containsIP", ("k8s_containsIP", T.BOOL, [box, T.STRING], _contains_ip), ("k8s_containsIP_ip", T.BOOL, [box, box], _contains_ip)),  # noqa: E501
        _decl("containsCIDR", ("k8s_containsCIDR", T.BOOL, [box, T.STRING], _contains_cidr), ("k8s_containsCIDR_cidr", T.BOOL, [box, box], _contains_cidr)),  # noqa: E501
        _one("prefixLength", T.INT, [box], lambda value: _network(_unwrap(value, _CIDR)).network.prefixlen),
        _one("masked", T.DYN, [box], lambda value: {_CIDR: str(_network(_unwrap(value, _CIDR)).network)}),
        cel.FunctionDecl("ip", [
            cel.Overload("k8s_ip", return_type=T.DYN, parameters=[T.STRING], is_member=False, impl=_ip),
            cel.Overload("k8s_cidr_ip", return_type=T.DYN, parameters=[box], is_member=True,
                         impl=lambda value: {_IP: str(_network(_unwrap(value, _CIDR)).ip)}),
        ]),
    ]  # fmt: skip
