"""The benchmark runs, and writes the page that the documentation shows."""

import re
from pathlib import Path

import pytest
from bench.judge import main, measured

PAGE = Path(__file__).parents[3] / "docs" / "benchmarks" / "judge.md"


def headings(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("#")]


def rows(text: str) -> list[str]:
    return [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("bench") / "new" / "judge.md"
    main(["--quick", "--write", str(path)])
    return path.read_text(encoding="utf-8")


def test_the_page_that_is_shown_is_one_that_the_benchmark_writes(quick: str) -> None:
    shown = PAGE.read_text(encoding="utf-8")
    assert headings(shown) == headings(quick)
    assert rows(shown) == rows(quick)
    assert not re.search(r"[{}]|nan", shown + quick)


@pytest.mark.parametrize(
    "cell",
    [
        ("live", "**Slipway .01 (default)**", "1→5 %, 10 rps", 5, 3),
        ("golden", "**Slipway .05**, margin 1 pp", "ten points worse", 5, 3),
        ("latency", "**Slipway .01 (default)**", "20 % slower", 2, 3),
    ],
)
def test_a_cell_is_the_same_again_for_the_same_seed(cell: tuple[str, str, str, int, int]) -> None:
    assert measured(cell) == measured(cell)


def test_the_shown_numbers_keep_their_promise() -> None:
    """No more false rollbacks than alpha where requests are independent; the standard error is under half a point."""
    row = next(line for line in PAGE.read_text(encoding="utf-8").splitlines() if "Slipway .01" in line)
    shares = [float(share) for share in re.findall(r"([\d.]+) %", row)]
    assert max(shares[:3]) <= 1.0
    assert shares[3:] == [100.0] * 3
