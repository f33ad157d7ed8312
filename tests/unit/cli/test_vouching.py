"""`slipway verify`: who has to vouch for a model, by its release and by the policy of its namespace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner
from unit.delivery.signing import BUILDER, a_key, attest, public, sign

from slipway.cli.app import app
from slipway.delivery import digest_of

KEY, OTHER = a_key(), a_key()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Signed and attested by the same key."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(b"x" * 1000)
    attest(folder, KEY)
    sign(folder, KEY, tmp_path)
    return folder


def run(model: Path, *words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["verify", model.as_uri(), *words])
    return done.exit_code, done.stdout, done.stderr


def pem(folder: Path, key: Any) -> Path:
    path = folder / "public.pem"
    path.write_bytes(public(key))
    return path


def policy(*require: str, **trusted: Any) -> str:
    return f"--policy={json.dumps({'require': require, 'trusted': trusted})}"


TRUSTED = public(KEY).decode()
STRANGER = public(OTHER).decode()


def test_what_a_release_names_itself_is_verified(model: Path, tmp_path: Path) -> None:
    key = pem(tmp_path, KEY)
    code, out, _ = run(model, f"--public-key={key}", f"--attestation-key={key}", f"--builder={BUILDER}")
    assert (code, json.loads(out)["verified"]) == (0, ["signature", "attestation"])


@pytest.mark.parametrize(
    ("asked", "held"),
    [
        (policy("signature", keys=[TRUSTED]), ["signature"]),
        (policy("signature", keys=[STRANGER, TRUSTED]), ["signature"]),
        (policy("attestation", keys=[TRUSTED], builders=[BUILDER]), ["attestation"]),
        (policy(keys=[STRANGER]), []),
    ],
)
def test_whom_the_policy_trusts_may_vouch(model: Path, asked: str, held: list[str]) -> None:
    code, out, _ = run(model, asked)
    assert (code, json.loads(out)["verified"]) == (0, held)


def test_a_policy_that_trusts_nobody_in_particular_is_content_with_whom_the_release_names(
    model: Path, tmp_path: Path
) -> None:
    key = pem(tmp_path, KEY)
    code, out, _ = run(model, f"--public-key={key}", f"--attestation-key={key}", policy("signature", "attestation"))
    assert (code, json.loads(out)["verified"]) == (0, ["signature", "attestation"])


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (policy("signature", keys=[STRANGER]), "--signature"),
        (policy("attestation", keys=[STRANGER]), "--attestation"),
        (policy("attestation", keys=[TRUSTED], builders=["https://other.example"]), "--attestation"),
        (policy("signature"), "name publicKey, or identity"),
        (policy("attestation"), "name publicKey"),
        (policy("digest"), "--digest"),
    ],
)
def test_what_nobody_vouches_for_whom_the_policy_trusts_is_refused(model: Path, asked: str, says: str) -> None:
    code, out, err = run(model, asked)
    assert (code, out) == (1, "")
    assert says in err


def test_a_release_cannot_replace_whom_the_policy_trusts_by_its_own_key(model: Path, tmp_path: Path) -> None:
    code, _, err = run(model, f"--public-key={pem(tmp_path, KEY)}", policy("signature", keys=[STRANGER]))
    assert (code, "does not hold" in err) == (1, True)


def test_a_digest_that_is_asked_for_and_written_holds(model: Path) -> None:
    code, out, _ = run(model, policy("digest"), f"--digest={digest_of(model)}")
    assert (code, json.loads(out)["verified"]) == (0, ["digest"])


def test_a_key_that_is_not_there_is_waited_for(model: Path, tmp_path: Path) -> None:
    result = tmp_path / "result"
    code, _, _ = run(model, f"--public-key={tmp_path / 'none.pem'}", f"--result={result}")
    assert code == 1
    assert result.read_text().startswith("spec.release.verification: there is no public key")


def test_a_policy_that_cannot_be_read_is_a_wrong_command_line(model: Path) -> None:
    code, _, err = run(model, '--policy={"require": ["luck"]}')
    assert (code, "--policy: require.0" in err) == (2, True)
