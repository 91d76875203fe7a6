"""The command as people start it, and the same with a few made-up tests instead of the kit's."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, Final

import pytest

LONGEST: Final = 120

TARGET: Final = """
    driver: fake
    options: {options}
    owner: conformance
    pools: [default]
    networks: [default]
    evidence: own simulation
"""

MADE_UP_KIT: Final = """
    import sys
    import nova_virt_conformance.suite as suite

    def gathered():
        import made_up
        return {name: made for name, made in vars(made_up).items() if name.startswith("test_")}

    suite.gathered = gathered
    from nova_virt_conformance.command.main import main
    sys.exit(main())
"""

TESTS_BEGIN: Final = """
    import os, sys, threading, time
    from pathlib import Path
    import pytest
    from nova_virt_api import errors
    from nova_virt_conformance.covers import covers
    from nova_virt_conformance.outcome import NotApplicable, NotVerified
    from nova_virt_conformance.promise import Promise
    HERE = Path(__file__).parent

"""

PASSING: Final = '''
    def test_first(compute):
        """The first sentence."""

    def test_second(running):
        """The second sentence."""
'''


class Shell:
    """Starts the command in a folder.

    Args:
        folder: the folder, empty.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "NO_COLOR"))},
            "XDG_STATE_HOME": str(folder / "state"),
            "PYTHONPATH": str(folder),
            "COLUMNS": "100",
        }
        self.target = self.write("target.yaml", TARGET.replace("{options}", "{world: it}"))

    def write(self, name: str, *parts: str) -> Path:
        """A file in the folder."""
        path = self.folder / name
        path.write_text("".join(textwrap.dedent(part) for part in parts))
        return path

    def change(self, old: str, new: str) -> None:
        """Change the target's file."""
        text = self.target.read_text()
        assert old in text
        self.target.write_text(text.replace(old, new))

    def keep_the_world(self) -> None:
        """Let the world be one that outlives the process."""
        self.change("{world: it}", f"{{world: it, persist: true, state_dir: {self.folder}/worlds}}")

    def command(self, tests: str = "") -> list[str]:
        """What starts the command, on the kit or on made-up tests."""
        if not tests:
            return [str(Path(sys.executable).with_name("nova-virt-conformance"))]
        self.write("made_up.py", TESTS_BEGIN, tests)
        return [sys.executable, str(self.write("made_up_kit.py", MADE_UP_KIT))]

    def run(self, *arguments: str, tests: str = "", **more: Any) -> subprocess.CompletedProcess[str]:
        """Run it to its end, on the target unless the arguments name another."""
        return subprocess.run(
            [*self.command(tests), *self.on_target(arguments)],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=LONGEST,
            **({"cwd": self.folder} | more),
        )

    def start(self, *arguments: str, tests: str, **more: Any) -> subprocess.Popen[str]:
        """Start it."""
        return subprocess.Popen(
            [*self.command(tests), *self.on_target(arguments)], cwd=self.folder, env=self.environment, text=True, **more
        )

    def on_target(self, arguments: tuple[str, ...]) -> tuple[str, ...]:
        return (
            arguments if "--config" in arguments or "--list" in arguments else ("--config", "target.yaml", *arguments)
        )

    def guests(self) -> list[str]:
        """Names of the guests in the world that outlives the process."""
        program = (
            "import nova_virt_api as virt\n"
            f"place = {str(self.folder / 'worlds')!r}\n"
            "with virt.connect('fake', world='it', persist=True, state_dir=place) as compute:\n"
            "    print(*(guest.name for guest in compute.instances()))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=LONGEST
        )
        return done.stdout.split()


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
def passing() -> str:
    """Two tests that pass."""
    return PASSING
