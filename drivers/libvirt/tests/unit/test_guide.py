"""Every program of the guide to this driver has a name, and a test that runs it."""

import re
from pathlib import Path

import pytest

ROOM = 88
"""Characters of code that a page has room for."""

TESTS = Path(__file__).resolve().parents[1]
GUIDE = TESTS.parents[2] / "doc" / "howto"
PAGES = (TESTS.parent / "README.md", GUIDE / "libvirt.md", *sorted((GUIDE / "libvirt").glob("*.md")))
BLOCK = re.compile(r"^```python\n(?P<first>.*)\n", re.MULTILINE)
CODE = re.compile(r"^```\w+\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"# (?P<name>\w+)\.py")
RUN = re.compile(r'\b(?:run_)?program\(\s*"(?P<name>\w+)"')


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.stem))
def test_every_page_has_programs_that_tests_run(page: Path) -> None:
    run = {found["name"] for test in TESTS.rglob("test_*.py") for found in RUN.finditer(test.read_text())}
    code = "".join(block["code"] for block in CODE.finditer(page.read_text()))
    assert not [line for line in code.splitlines() if len(line) > ROOM], "lines that do not fit on a page"
    firsts = [block["first"] for block in BLOCK.finditer(page.read_text())]
    assert firsts, "a page without an example"
    for first in firsts:
        named = NAME.fullmatch(first)
        assert named is not None, f"a program without a name: {first}"
        assert named["name"] in run, f"no test runs {first}"
