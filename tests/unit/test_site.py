"""The documentation is one site: every page has its place in it, and no link of it, nor of a README, leads nowhere."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
SITE: Final = ROOT / "mkdocs.yml"
PAGES: Final = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
FOR_PEOPLE: Final = sorted(
    path
    for folder in (DOCS, ROOT / "charts", ROOT / "gitops", ROOT / "examples", ROOT / "sandbox")
    for path in (*ROOT.glob("*.md"), *folder.rglob("*.md"))
    if folder is DOCS or path.parent != ROOT
)

FENCE: Final = re.compile(r"^(```+).*?^\1\s*$", re.MULTILINE | re.DOTALL)
CODE: Final = re.compile(r"`[^`\n]*`")
LINK: Final = re.compile(r"\]\((?P<target>[^)\s]+)\)")


def settings() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(SITE.read_text())
    return found


def placed(nav: Any) -> Iterator[str]:
    """The pages that a navigation leads to."""
    if isinstance(nav, str):
        yield nav
        return
    for entry in nav.values() if isinstance(nav, dict) else nav:
        yield from placed(entry)


def links(path: Path) -> Iterator[str]:
    """Relative links of a page, without their anchors."""
    text = CODE.sub("", FENCE.sub("", path.read_text()))
    for match in LINK.finditer(text):
        target = match["target"].partition("#")[0]
        if target and not re.match(r"[a-z]+:", target):
            yield target


def test_every_page_has_one_place_in_the_navigation() -> None:
    assert sorted(placed(settings()["nav"])) == PAGES, "place the page in the nav of mkdocs.yml, and on docs/README.md"


def test_every_page_is_on_the_index() -> None:
    linked = {(DOCS / target).resolve() for target in links(DOCS / "README.md")}
    reached = linked | {(DOCS / "benchmarks.md").parent / target for target in links(DOCS / "benchmarks.md")}
    assert [page for page in PAGES if page != "README.md" and DOCS / page not in reached] == []


@pytest.mark.parametrize("path", FOR_PEOPLE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_link_leads_nowhere(path: Path) -> None:
    assert [target for target in links(path) if not (path.parent / target).exists()] == []


def test_a_warning_ends_the_build() -> None:
    found = settings()
    assert found["strict"] is True
    assert {found["validation"]["links"][what] for what in ("not_found", "anchors", "unrecognized_links")} == {"warn"}
    assert found["validation"]["nav"]["omitted_files"] == "warn"


def test_nothing_is_loaded_from_elsewhere() -> None:
    assert settings()["theme"]["font"] is False


# --- the built site --------------------------------------------------------------------------------------------------

missing = pytest.mark.skipif(
    importlib.util.find_spec("mkdocs") is None or importlib.util.find_spec("material") is None,
    reason="mkdocs-material is not installed: the extra docs brings it",
)


class Assets(HTMLParser):
    """What a page loads, and whether it has a heading."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.headings = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "h1":
            self.headings += 1
        if tag in {"script", "img", "iframe"}:
            self.loaded.append(given.get("src") or "")
        if tag == "link" and given.get("rel") in {"stylesheet", "preconnect", "preload"}:
            self.loaded.append(given.get("href") or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--config-file",
        str(SITE),
        "--site-dir",
        str(folder),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stderr
    return folder


@missing
def test_the_site_builds_without_a_warning_and_holds_every_page(site: Path) -> None:
    built = {path.relative_to(site).with_suffix(".md").as_posix() for path in site.rglob("*.html")}
    assert {"index.md" if page == "README.md" else page for page in PAGES} <= built


@missing
def test_every_page_has_one_heading_and_loads_nothing_from_elsewhere(site: Path) -> None:
    for path in site.rglob("*.html"):
        page = Assets()
        page.feed(path.read_text())
        assert page.headings == 1, path
        assert [source for source in page.loaded if re.match(r"(https?:)?//", source)] == [], path


@missing
def test_a_link_to_a_file_that_is_no_page_leads_to_the_repository(site: Path) -> None:
    index = (site / "index.html").read_text()
    assert f'href="{settings()["repo_url"]}/blob/main/examples/strategies/README.md"' in index


@missing
def test_a_page_is_named_by_its_heading_also_where_it_is_generated(site: Path) -> None:
    assert "<title>ModelDeployment - Slipway</title>" in (site / "reference" / "modeldeployment.html").read_text()


@missing
def test_a_bar_in_code_is_shown_as_one(site: Path) -> None:
    cli = (site / "cli.html").read_text()
    assert "FILE&#124;DIR" in cli or "FILE|DIR" in cli
    escaped = [path for path in site.rglob("*.html") if re.search(r"<td>(?:(?!</td>).)*\\\|", path.read_text())]
    assert escaped == []
