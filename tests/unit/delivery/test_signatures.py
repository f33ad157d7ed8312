"""Who vouches for a model: what holds, and what one flipped bit, another key or another file makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from unit.delivery.signing import BUILDER, Key, a_key, attest, public, sign, subjects_of

from slipway.delivery import (
    Attestation,
    AttestationError,
    Checks,
    Options,
    Signature,
    SignatureError,
    Signer,
    digest_of,
    verify,
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Two files, one of them in a folder."""
    folder = tmp_path / "model"
    (folder / "config").mkdir(parents=True)
    (folder / "weights.bin").write_bytes(b"x" * 1000)
    (folder / "config" / "model.json").write_bytes(b"{}")
    return folder


def signed_by(*keys: Key, path: str = "model.sig") -> Checks:
    return Checks(signatures=[Signature(path, [Signer(public(key)) for key in keys])])


def attested_by(*keys: Key, builders: tuple[str, ...] = ()) -> Checks:
    return Checks(attestations=[Attestation("provenance.intoto.json", [public(key) for key in keys], builders)])


def held(model: Path, tmp_path: Path, checks: Checks) -> tuple[str, ...]:
    return verify(model.as_uri(), tmp_path / "fetched", Options(), checks=checks).held


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_a_model_that_was_signed_with_a_key_holds(model: Path, tmp_path: Path, curve: ec.EllipticCurve) -> None:
    key = a_key(curve)
    sign(model, key, tmp_path)
    assert held(model, tmp_path, signed_by(key)) == ("signature",)


def test_one_of_the_keys_is_enough(model: Path, tmp_path: Path) -> None:
    key = a_key()
    sign(model, key, tmp_path)
    assert held(model, tmp_path, signed_by(a_key(), key)) == ("signature",)


def test_a_signature_that_was_made_elsewhere_and_put_beside_the_files_holds(model: Path, tmp_path: Path) -> None:
    key = a_key()
    (tmp_path / "elsewhere").mkdir()
    sign(model, key, tmp_path, path="../elsewhere/model.sig")
    (model / "model.sig").write_bytes((tmp_path / "elsewhere" / "model.sig").read_bytes())
    assert held(model, tmp_path, signed_by(key)) == ("signature",)


def _flipped(model: Path) -> None:
    weights = bytearray((model / "weights.bin").read_bytes())
    weights[500] ^= 1
    (model / "weights.bin").write_bytes(weights)


def _folder_of_git(name: str) -> Callable[[Path], object]:
    def make(model: Path) -> None:
        (model / name).mkdir()
        (model / name / "hook.py").write_text("")

    return make


SPOILED: dict[str, tuple[Callable[[Path], object], str]] = {
    "one bit": (_flipped, "Hash mismatch for 'weights.bin'"),
    "another file": (lambda model: (model / "evil.py").write_text(""), "Extra files"),
    "a file less": (lambda model: (model / "config" / "model.json").unlink(), "Missing files"),
    **{
        f"a folder {name}": (_folder_of_git(name), f"do not cover {name}: leave that folder out")
        for name in (".git", ".github", ".gitattributes", ".gitignore")
    },
    "no signature": (lambda model: (model / "model.sig").unlink(), "has no file model.sig"),
    "a signature of nothing": (lambda model: (model / "model.sig").write_text("{}"), "does not hold"),
    "no JSON": (lambda model: (model / "model.sig").write_text("no"), "does not hold"),
}


@pytest.mark.parametrize("spoiled", SPOILED)
def test_a_signature_does_not_hold_for_anything_else(model: Path, tmp_path: Path, spoiled: str) -> None:
    key = a_key()
    sign(model, key, tmp_path)
    spoil, says = SPOILED[spoiled]
    spoil(model)
    with pytest.raises(SignatureError, match=says):
        held(model, tmp_path, signed_by(key))


def test_a_signature_by_somebody_else_does_not_hold(model: Path, tmp_path: Path) -> None:
    sign(model, a_key(), tmp_path)
    with pytest.raises(SignatureError, match="does not hold"):
        held(model, tmp_path, signed_by(a_key()))


def test_a_key_that_is_none_is_told(model: Path, tmp_path: Path) -> None:
    sign(model, a_key(), tmp_path)
    with pytest.raises(SignatureError, match="public key cannot be used"):
        held(model, tmp_path, Checks(signatures=[Signature("model.sig", [Signer(b"no key")])]))


@pytest.mark.parametrize(
    "key",
    [a_key(), a_key(ec.SECP384R1()), a_key(ec.SECP521R1()), ed25519.Ed25519PrivateKey.generate()],
    ids=["P-256", "P-384", "P-521", "Ed25519"],
)
def test_provenance_of_each_file_holds(model: Path, tmp_path: Path, key: Key) -> None:
    attest(model, key)
    assert held(model, tmp_path, attested_by(key, builders=(BUILDER,))) == ("attestation",)


def test_provenance_of_the_tree_holds_beside_a_signature(model: Path, tmp_path: Path) -> None:
    key = a_key()
    tree = digest_of(model).removeprefix("sha256:")
    attest(model, key, subjects=[{"name": "model", "digest": {"sha256": tree}}])
    sign(model, key, tmp_path)
    both = Checks(signed_by(key).signatures, attested_by(key).attestations, ("model.sig",))
    assert held(model, tmp_path, both) == ("signature", "attestation")


def test_the_folder_of_the_file_system_needs_no_provenance_at_the_top_of_a_claim(model: Path, tmp_path: Path) -> None:
    key = a_key()
    attest(model, key)
    (model / "lost+found").mkdir()
    (model / "lost+found" / "#12").write_text("x")
    options = Options(volumes={"weights": model})
    assert verify("pvc://weights", tmp_path / "unused", options, checks=attested_by(key)).held == ("attestation",)
    with pytest.raises(AttestationError, match="lost"):
        held(model, tmp_path, attested_by(key))


def test_a_signature_holds_beside_the_folder_of_the_file_system_while_nothing_is_in_it(
    model: Path, tmp_path: Path
) -> None:
    key = a_key()
    sign(model, key, tmp_path)
    (model / "lost+found").mkdir()
    options = Options(volumes={"weights": model})
    assert verify("pvc://weights", tmp_path / "unused", options, checks=signed_by(key)).held == ("signature",)
    (model / "lost+found" / "evil.py").write_text("")
    with pytest.raises(SignatureError, match="Extra files"):
        verify("pvc://weights", tmp_path / "unused", options, checks=signed_by(key))


UNPROVEN: dict[str, tuple[Callable[[Path, Key], object], str]] = {
    "one bit": (lambda model, _: _flipped(model), "weights.bin"),
    "another file": (lambda model, _: (model / "evil.py").write_text(""), "evil.py"),
    "another builder": (lambda model, key: attest(model, key, builder="https://evil.example"), "evil.example"),
    "another key": (lambda model, _: attest(model, a_key()), "by a key that is trusted"),
    "another predicate": (lambda model, key: attest(model, key, changes={"predicateType": "x"}), "no in-toto"),
    "no subject": (lambda model, key: attest(model, key, subjects=[]), "2 of 2"),
    "no list of subjects": (lambda model, key: attest(model, key, changes={"subject": 7}), "2 of 2"),
    "no digests": (
        lambda model, key: attest(model, key, changes={"subject": [{"name": "x", "digest": "y"}]}),
        "2 of 2",
    ),
    "no predicate": (lambda model, key: attest(model, key, changes={"predicate": ["x"]}), "'None' is none of"),
    "no envelope": (lambda model, _: (model / "provenance.intoto.json").write_text("[]"), "no JSON object"),
    "no file": (lambda model, _: (model / "provenance.intoto.json").unlink(), "has no file"),
}


@pytest.mark.parametrize("unproven", UNPROVEN)
def test_provenance_does_not_hold_for_anything_else(model: Path, tmp_path: Path, unproven: str) -> None:
    key = a_key()
    attest(model, key, subjects=subjects_of(model))
    spoil, says = UNPROVEN[unproven]
    if unproven.startswith(("another b", "another p", "another k")):
        (model / "provenance.intoto.json").unlink()
    spoil(model, key)
    with pytest.raises(AttestationError, match=says):
        held(model, tmp_path, attested_by(key, builders=(BUILDER,)))


@pytest.mark.parametrize("called", ["the attestation", "the signature"])
def test_a_file_that_provenance_is_about_is_no_other_file_by_being_called_the_attestation_or_the_signature(
    model: Path, tmp_path: Path, called: str
) -> None:
    """Whoever writes a release says where both are. An envelope with further fields would pass for a configuration."""
    key = a_key()
    attest(model, key)
    envelope = model / "provenance.intoto.json"
    changed = json.loads(envelope.read_text()) | {"auto_map": {"AutoModel": "evil.Model"}}
    (model / "config" / "model.json").write_text(json.dumps(changed))
    if called == "the attestation":
        envelope.unlink()
        checks = Checks(attestations=[Attestation("config/model.json", [public(key)])])
    else:
        checks = Checks(attestations=attested_by(key).attestations, aside=("config/model.json",))
    with pytest.raises(AttestationError, match=r"model\.json"):
        held(model, tmp_path, checks)


def test_a_payload_that_was_changed_after_it_was_signed_does_not_hold(model: Path, tmp_path: Path) -> None:
    key = a_key()
    attest(model, key)
    envelope = json.loads((model / "provenance.intoto.json").read_text())
    attest(model, a_key(), builder="https://evil.example")
    other = json.loads((model / "provenance.intoto.json").read_text())
    (model / "provenance.intoto.json").write_text(json.dumps(envelope | {"payload": other["payload"]}))
    with pytest.raises(AttestationError, match="by a key that is trusted"):
        held(model, tmp_path, attested_by(key))
