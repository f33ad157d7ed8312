"""What a page says otherwise for readers of the repository's files than the site has to.

A page links to an example or to the chart by its relative path. The site has no such file, so it leads to the
repository. A link to a file that is not there stays as it is, and MkDocs warns of it. And a bar inside of code in a
table has to be escaped for GitHub, which takes the backslash off; MkDocs would show it. The comment above a page that
is generated would keep MkDocs from seeing its title.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import Any, Final

BRANCH: Final = "main"

_LINK: Final = re.compile(r"(?P<before>\]\()(?P<path>\.\./[^)#\s]*)(?P<anchor>#[^)\s]*)?(?P<after>\))")

_CODE: Final = re.compile(r"`(?P<code>[^`\n]+)`")
_COMMENT: Final = re.compile(r"\A<!--.*?-->\s*", re.DOTALL)
_ROW: Final = re.compile(r"^\|.*\|$", re.MULTILINE)


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:  # noqa: ARG001 - MkDocs calls it so
    """The page with its title first, links out of the documentation led to the repository, and bars in code."""
    docs = Path(config["docs_dir"]).resolve()
    here = docs / Path(page.file.src_uri).parent
    titled = _COMMENT.sub("", markdown)
    led = _LINK.sub(lambda link: _led(link, here, docs, config["repo_url"]), titled)
    return _ROW.sub(lambda row: _CODE.sub(_barred, row.group()), led)


def _barred(code: re.Match[str]) -> str:
    if "\\|" not in code["code"]:
        return code.group()
    return f"<code>{escape(code['code'].replace(chr(92) + '|', '|'), quote=False).replace('|', '&#124;')}</code>"


def _led(link: re.Match[str], here: Path, docs: Path, repository: str) -> str:
    target = (here / link["path"]).resolve()
    root = docs.parent
    if target.is_relative_to(docs) or not target.is_relative_to(root) or not target.exists():
        return link.group()
    view = "tree" if target.is_dir() else "blob"
    place = f"{repository.rstrip('/')}/{view}/{BRANCH}/{target.relative_to(root).as_posix()}"
    return f"{link['before']}{place}{link['anchor'] or ''}{link['after']}"
