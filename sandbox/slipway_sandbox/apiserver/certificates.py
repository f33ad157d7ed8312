"""A certificate authority for one run, and a server certificate from it.

The standard library speaks TLS but makes no certificates, and a sandbox should not need a cryptography package for
two of them. So they are written here: DER by hand, signed with ECDSA on P-256 (FIPS 186-5, SEC 1, RFC 5280).
The arithmetic is plain and takes no care of timing: it signs once, at the start, on the machine whose secret it is.
The authority's key is never stored and is forgotten after its one signature, so nobody can sign with it later.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import os
import secrets
import ssl
import textwrap
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

LIFETIME = timedelta(days=397)
"""Each start makes new ones."""

_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)

_Point = tuple[int, int] | None
"""A point of the curve; None is the one at infinity."""


def _add(a: _Point, b: _Point) -> _Point:
    if a is None or b is None:
        return b if a is None else a
    if a[0] == b[0]:
        if (a[1] + b[1]) % _P == 0:
            return None
        slope = 3 * (a[0] * a[0] - 1) * pow(2 * a[1], -1, _P)  # the curve's a is -3
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, _P)
    x = (slope * slope - a[0] - b[0]) % _P
    return x, (slope * (a[0] - x) - a[1]) % _P


def _times(factor: int, point: _Point) -> tuple[int, int]:
    found: _Point = None
    while factor:
        if factor & 1:
            found = _add(found, point)
        point = _add(point, point)
        factor >>= 1
    if found is None:
        raise ValueError("the factor is a multiple of the group's order")
    return found


@dataclass(frozen=True)
class _Key:
    """A private key, and its public point in the uncompressed form of SEC 1."""

    secret: int
    public: bytes

    @property
    def identifier(self) -> bytes:
        return hashlib.sha1(self.public, usedforsecurity=False).digest()

    def sign(self, message: bytes) -> bytes:
        digest = int.from_bytes(hashlib.sha256(message).digest(), "big")
        while True:
            nonce = 1 + secrets.randbelow(_N - 1)
            r = _times(nonce, _G)[0] % _N
            s = pow(nonce, -1, _N) * (digest + r * self.secret) % _N
            if r and s:
                return _sequence(_integer(r), _integer(s))


def _new_key() -> _Key:
    secret = 1 + secrets.randbelow(_N - 1)
    x, y = _times(secret, _G)
    return _Key(secret, b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big"))


# -- DER


def _tagged(tag: int, content: bytes) -> bytes:
    if len(content) < 128:
        return bytes([tag, len(content)]) + content
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + content


def _sequence(*parts: bytes) -> bytes:
    return _tagged(0x30, b"".join(parts))


def _integer(value: int) -> bytes:
    return _tagged(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _bits(content: bytes, unused: int = 0) -> bytes:
    return _tagged(0x03, bytes([unused]) + content)


def _oid(encoded: str) -> bytes:
    return _tagged(0x06, bytes.fromhex(encoded))


_ECDSA_SHA256 = _sequence(_oid("2a8648ce3d040302"))
_P256 = _oid("2a8648ce3d030107")
_EC_ON_P256 = _sequence(_oid("2a8648ce3d0201"), _P256)
_SERVER_AUTH = _oid("2b06010505070301")
_CRITICAL = b"\x01\x01\xff"


def _name(common: str) -> bytes:
    return _sequence(_tagged(0x31, _sequence(_oid("550403"), _tagged(0x0C, common.encode()))))


def _extension(number: int, content: bytes, *, critical: bool = False) -> bytes:
    return _sequence(_oid(f"551d{number:02x}"), _CRITICAL if critical else b"", _tagged(0x04, content))


def _subject(host: str) -> bytes:
    try:
        return _tagged(0x87, ipaddress.ip_address(host).packed)
    except ValueError:
        return _tagged(0x82, host.encode("idna"))


def _moment(moment: datetime) -> bytes:
    return _tagged(0x17, moment.strftime("%y%m%d%H%M%SZ").encode())


def _certificate(name: str, key: _Key, issuer: str, issuer_key: _Key, extensions: list[bytes]) -> bytes:
    now = datetime.now(UTC)
    known = [
        _extension(0x0E, _tagged(0x04, key.identifier)),
        _extension(0x23, _sequence(_tagged(0x80, issuer_key.identifier))),
    ]
    body = _sequence(
        _tagged(0xA0, _integer(2)),  # version 3
        _integer(secrets.randbits(126) | 1 << 126),
        _ECDSA_SHA256,
        _name(issuer),
        _sequence(_moment(now - timedelta(hours=1)), _moment(now + LIFETIME)),  # clocks differ
        _name(name),
        _sequence(_EC_ON_P256, _bits(key.public)),
        _tagged(0xA3, _sequence(*extensions, *known)),
    )
    return _sequence(body, _ECDSA_SHA256, _bits(issuer_key.sign(body)))


def _pem(kind: str, content: bytes) -> str:
    lines = textwrap.fill(base64.b64encode(content).decode(), 64)
    return f"-----BEGIN {kind}-----\n{lines}\n-----END {kind}-----\n"


def make_certificates(folder: Path, hosts: list[str]) -> Path:
    """Write `ca.crt`, `server.crt` and `server.key` for a server under these names and addresses; the CA's path.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority, server = _new_key(), _new_key()
    ca = _certificate(
        "sandbox-ca", authority, "sandbox-ca", authority,
        [
            _extension(0x13, _sequence(b"\x01\x01\xff"), critical=True),
            _extension(0x0F, _bits(b"\x06", 1), critical=True),  # signs certificates and revocations
        ],
    )  # fmt: skip
    leaf = _certificate(
        "kube-apiserver", server, "sandbox-ca", authority,
        [
            _extension(0x13, _sequence(), critical=True),
            _extension(0x0F, _bits(b"\x80", 7), critical=True),  # signs handshakes
            _extension(0x25, _sequence(_SERVER_AUTH)),
            _extension(0x11, _sequence(*(_subject(host) for host in dict.fromkeys(hosts)))),
        ],
    )  # fmt: skip
    secret = _tagged(0x04, server.secret.to_bytes(32, "big"))
    key = _sequence(_integer(1), secret, _tagged(0xA0, _P256), _tagged(0xA1, _bits(server.public)))
    for name, text in (
        ("server.key", _pem("EC PRIVATE KEY", key)),
        ("server.crt", _pem("CERTIFICATE", leaf)),
        ("ca.crt", _pem("CERTIFICATE", ca)),
    ):
        path = folder / name
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
    return folder / "ca.crt"


def server_context(folder: Path) -> ssl.SSLContext:
    """TLS for a server with the certificate in a folder."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    return context
