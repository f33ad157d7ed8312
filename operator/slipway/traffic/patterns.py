"""Regular expressions that mean the same in every gateway.

Some search in the text and some match all of it, so a pattern says both ends and what may be around. Only what RE2,
Go, Rust and PCRE read alike is used.
"""

from __future__ import annotations

from slipway.api import CookieMatch


def cookie_pattern(cookie: CookieMatch) -> str:
    """What the header ``Cookie`` matches when it holds this cookie with exactly this value, among any others."""
    return f"^(.*;[ ]*)?{literal(cookie.name)}={literal(cookie.value)}([ ]*;.*)?$"


def literal(text: str) -> str:
    """The text itself. Everything that is no letter, digit, hyphen or underscore stands in brackets of its own."""
    return "".join(
        character if character.isalnum() or character in "-_" else _bracketed(character) for character in text
    )


def _bracketed(character: str) -> str:
    return f"\\{character}" if character in "\\^[]" else f"[{character}]"
