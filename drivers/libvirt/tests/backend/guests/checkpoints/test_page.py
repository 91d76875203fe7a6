"""The page about the machine shows checkpoints as they are."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nova_virt_api as virt

PAGE = Path(__file__).parents[6] / "doc" / "howto" / "libvirt.md"
SECTION = re.compile(r"^## Checkpoints\n\n```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_pages_example(
    make_guest: Callable[..., Any], daemon: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = SECTION.search(PAGE.read_text())
    assert found is not None
    guest = make_guest()
    guest.on()
    options: dict[str, Any] = {"cache_dir": str(tmp_path / "cache"), "state_dir": str(tmp_path / "state")}
    options |= {"uri": daemon.uri, "pool": "nova-virt", "owner": "nova-virt-tests"}
    with virt.connect("libvirt", **options) as compute:
        exec(found["code"], {"compute": compute, "web": guest.ref})
    assert capsys.readouterr().out == "before None True\nafter before False\n"
    assert guest.names() == []
