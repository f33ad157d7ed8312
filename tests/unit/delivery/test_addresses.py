"""URIs: what is taken, what is refused with a word on how to write it, and that no credentials are repeated."""

from __future__ import annotations

import pytest

from slipway.delivery import AddressError, address


@pytest.mark.parametrize(
    ("uri", "host", "path"),
    [
        ("s3://bucket/models/fraud/v3", "bucket", "models/fraud/v3"),
        ("gs://bucket/a%20b", "bucket", "a b"),
        ("az://container/v3/", "container", "v3/"),
        ("hf://org/name@main/sub/file.bin", "", "org/name@main/sub/file.bin"),
        ("https://models.example.com/m.bin?download=true", "models.example.com", "m.bin?download=true"),
        ("oci://registry.example.com:5000/team/model:v3", "registry.example.com:5000", "team/model:v3"),
        ("pvc://weights/fraud", "weights", "fraud"),
        ("file:///models/fraud", "", "models/fraud"),
        ("mlflow:models:/fraud/3", "", "models:/fraud/3"),
        ("mlflow:models:/fraud@champion", "", "models:/fraud@champion"),
        ("mlflow:runs:/0a1b/model", "", "runs:/0a1b/model"),
    ],
)
def test_these_are_taken(uri: str, host: str, path: str) -> None:
    found = address(uri)
    assert (found.uri, found.scheme, found.host, found.path) == (uri, uri.partition(":")[0], host, path)


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("ftp://host/file", "ftp: is not a scheme that can be fetched: use one of s3://"),
        ("models/fraud", "it has no scheme"),
        ("s3:/bucket/key", "write it like s3://"),
        ("s3:///key", "write it like s3://bucket/path"),
        ("s3://bucket", "write it like s3://bucket/path"),
        ("s3://bucket/key?versionId=3", "takes no query"),
        ("s3://bucket/key#part", "fragment"),
        ("https://host/", "names a folder"),
        ("https://host:99999/file", "check its host"),
        ("https://host/models/", "names a folder"),
        ("http://models.example.com/m.bin", "pin the digest"),
        ("file://host/path", "write it like file:///"),
        ("pvc://Weights/x", "write it like pvc://claim/path"),
        ("oci://registry.example.com/", "write it like oci://"),
        ("mlflow:fraud", "write it like mlflow:models:/name/3"),
        ("https://host/a b", "white space"),
        ("https://host/a\nb", "white space or control"),
        ("s3://bucket/" + "x" * 3000, "at most 2048"),
    ],
)
def test_these_are_refused_with_a_word_on_how_to_write_them(uri: str, why: str) -> None:
    with pytest.raises(AddressError, match=why) as refused:
        address(uri)
    assert refused.value.message.startswith("uri: ")


@pytest.mark.parametrize(
    "uri",
    [
        "https://me:s3cret@host/file",
        "https://s3cret@host/file",
        "s3://key:s3cret@bucket/path",
        "oci://me:s3cret@registry/model",
        "https://b.s3.amazonaws.com/k?X-Amz-Credential=me&X-Amz-Signature=s3cret",
        "https://a.blob.core.windows.net/c/k?sv=2024-01-01&sig=s3cret",
        "https://storage.googleapis.com/b/k?X-Goog-Signature=s3cret",
        "https://host/file?access_token=s3cret",
        "https://host/file?api_key=s3cret",
        "https://host/file?PASSWORD=s3cret",
        "s3://bucket/key?AWSAccessKeyId=s3cret",
    ],
)
def test_credentials_are_refused_and_not_repeated(uri: str) -> None:
    with pytest.raises(AddressError, match="give credentials by environment variables or files") as refused:
        address(uri)
    assert "s3cret" not in refused.value.message


def test_http_is_taken_beside_a_digest_and_on_loopback() -> None:
    assert address("http://models.svc/m.bin", pinned=True).scheme == "http"
    assert address("http://127.0.0.1:8000/m.bin").host == "127.0.0.1:8000"
    assert address("http://[::1]:8000/m.bin").host == "[::1]:8000"
