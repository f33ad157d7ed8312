"""Links of a page to files that are no pages: the site leads them to the repository.

In the repository a page links to an example or to the chart by its relative path, which a reader of the files can
follow. The site has no such file. A link to a file that is not there stays as it is, and MkDocs warns of it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

BRANCH: Final = "main"

_LINK: Final = re.compile(r"(?P<before>\]\()(?P<path>\.\./[^)#\s]*)(?P<anchor>#[^)\s]*)?(?P<after>\))")


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:  # noqa: ARG001 - MkDocs calls it so
    """The page with links out of the documentation led to the repository."""
    docs = Path(config["docs_dir"]).resolve()
    here = docs / Path(page.file.src_uri).parent
    return _LINK.sub(lambda link: _led(link, here, docs, config["repo_url"]), markdown)


def _led(link: re.Match[str], here: Path, docs: Path, repository: str) -> str:
    target = (here / link["path"]).resolve()
    root = docs.parent
    if target.is_relative_to(docs) or not target.is_relative_to(root) or not target.exists():
        return link.group()
    view = "tree" if target.is_dir() else "blob"
    place = f"{repository.rstrip('/')}/{view}/{BRANCH}/{target.relative_to(root).as_posix()}"
    return f"{link['before']}{place}{link['anchor'] or ''}{link['after']}"
