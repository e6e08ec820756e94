"""What the page on safety guarantees is behind a test that exists."""

import re

from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / "docs" / "safety.md").read_text(encoding="utf-8")


def test_every_guarantee_names_its_tests_and_every_wall_its_module() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "tests").rglob("test_*.py"))
    there = set(re.findall(r"^def (test_\w+)\(", code, re.MULTILINE))
    assert set(re.findall(r"`(test_\w+)`", PAGE)) <= there
    guarantees = re.findall(r"^- .*(?:\n  .*)*", PAGE, re.MULTILINE)
    assert [text for text in guarantees if "`test_" not in text] == []
    modules = re.findall(r"`([\w/]+\.py)`", PAGE)
    assert all((REPOSITORY / "eurosat_cls" / name.removeprefix("eurosat_cls/")).is_file() for name in modules)
