"""The rules for names, labels and finalizers, each as a function that returns what is wrong, or nothing."""

from __future__ import annotations

import random
import re

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_DNS1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"

SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character"
)
LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character"
)


def subdomain_problem(name: str) -> str:
    if len(name) > 253:
        return "must be no more than 253 characters"
    return "" if _SUBDOMAIN.fullmatch(name) else SUBDOMAIN_RULE


def dns_label_problem(name: str) -> str:
    if len(name) > 63:
        return "must be no more than 63 characters"
    return "" if _LABEL.fullmatch(name) else LABEL_RULE


def dns1035_problem(name: str) -> str:
    if len(name) > 63:
        return "must be no more than 63 characters"
    return (
        "" if _DNS1035.fullmatch(name) else "a DNS-1035 label must start with a letter and hold only a-z, 0-9 and '-'"
    )


def path_segment_problem(name: str) -> str:
    """Names that are only path segments (RBAC objects)."""
    if name in {".", ".."}:
        return f"may not be '{name}'"
    for character in "/%":
        if character in name:
            return f"may not contain '{character}'"
    return ""


def label_key_problem(key: str) -> str:
    prefix, slash, name = key.rpartition("/")
    if slash and (not prefix or subdomain_problem(prefix)):
        return "prefix part " + (subdomain_problem(prefix) if prefix else "must be non-empty")
    if "/" in prefix:
        return "a qualified name must consist of alphanumeric characters, '-', '_' or '.'"
    if not name:
        return "name part must be non-empty"
    if len(name) > 63:
        return "name part must be no more than 63 characters"
    return "" if _QUALIFIED.fullmatch(name) else "name part must consist of alphanumeric characters, '-', '_' or '.'"


def label_value_problem(value: str) -> str:
    if len(value) > 63:
        return "must be no more than 63 characters"
    if value == "" or _QUALIFIED.fullmatch(value):
        return ""
    return "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.'"


def generate(prefix: str) -> str:
    """A name from `generateName`: the prefix, cut to leave room, and five characters that form no words."""
    return prefix[:58] + "".join(random.choices(_SUFFIX_ALPHABET, k=5))
