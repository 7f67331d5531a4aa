"""The studies that the documentation shows, run as they stand."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.run import Run

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", ["README.md", "docs/data.md", "docs/train.md"])
def test_the_study_of_a_page(run_study: Callable[..., Run], write_study: Callable[..., Path], page: str) -> None:
    (study,) = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    run = run_study(write_study(study), trials=4, epochs=3, stopper="asha")
    frame = run.leaderboard()
    assert run.exit_code == 0
    assert (frame["status"] == "completed").any()
    assert frame["score"].notna().all()
    assert (run.dir / "best" / "model.keras").exists()


def test_links_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("cluster/*.md")]
    links = [
        (page, link) for page in pages for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
    ]
    assert links
    assert [link for page, link in links if not (page.parent / link).exists()] == []
