"""Help and completion."""

import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from nova_virt_api.cli.commands import COMMANDS

Run = Callable[..., Any]
"""Runs the command: see the fixtures ``nova_virt`` and ``command``."""


def test_help_lists_every_command(nova_virt: Run) -> None:
    ran = nova_virt("--help", driver=None)
    assert ran.code == 0
    for name in COMMANDS:
        assert f"\n  {name} " in ran.out
    assert nova_virt("help", driver=None).out == ran.out
    nothing = nova_virt("", driver=None)
    assert (nothing.code, nothing.out) == (2, ran.out)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(nova_virt: Run, name: str) -> None:
    ran = nova_virt(f"{name} --help")
    assert ran.code == 0, ran.err
    assert ran.out.startswith(f"usage: nova-virt {name}")
    assert nova_virt(f"help {name}").out == ran.out


def test_help_fits_a_terminal(nova_virt: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert max(len(line) for line in nova_virt("--help", driver=None).out.splitlines()) < 80


@pytest.mark.parametrize("line", ["help volume", "volume --help"])
def test_help_for_the_word_that_commands_begin_with(nova_virt: Run, line: str) -> None:
    ran = nova_virt(line)
    assert ran.code == 0
    listed = [row.strip().partition("  ")[0] for row in ran.out.splitlines() if row.startswith("  volume")]
    assert listed == [name for name in COMMANDS if name.startswith("volume ")]


def test_help_for_what_is_no_command(nova_virt: Run) -> None:
    assert nova_virt("help lst").code == 2


def test_global_options_may_follow_the_command(nova_virt: Run) -> None:
    ran = nova_virt("list -f json --driver fake --quiet", driver=None)
    assert (ran.json, ran.err) == ([], "")


@pytest.mark.parametrize(
    ("words", "offered"),
    [(["cre"], ["create"]), (["driver", ""], ["list", "new", "show"]), (["list", "--own"], ["--owned"])],
)
def test_bash_completes(nova_virt: Run, words: list[str], offered: list[str]) -> None:
    script = nova_virt("complete").out
    harness = """
_get_comp_words_by_ref() { words=("${COMP_WORDS[@]}"); cur="${COMP_WORDS[-1]}"; prev="${COMP_WORDS[-2]}"; }
COMP_WORDS=(nova-virt "$@"); _nova_virt; printf '%s\\n' "${COMPREPLY[@]}"
"""
    ended = subprocess.run(
        ["bash", "-c", script + harness, "bash", *words], capture_output=True, text=True, check=True, timeout=30
    )
    assert sorted(ended.stdout.split()) == offered
