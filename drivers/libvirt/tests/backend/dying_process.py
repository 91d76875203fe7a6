"""Does verbs, each in a process of its own that kills itself around a certain change of the backend.

Its argument is a file about the verbs. ``CHANGES`` there is what they change the backend by; ``do`` does one of them.
Each line of standard input is a verb as JSON; it is answered by ``killed``, or by how the verb ended.
"""

import importlib.util
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from oslo_config import cfg

from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.driver.endpoint import Endpoint
from nova_virt_api.errors import VirtError
from nova_virt_libvirt.driver import LibvirtDriver
from nova_virt_libvirt.options import GROUP, OPTIONS


def loaded(path: Path) -> Any:
    """The file about the verbs, which finds what is beside it."""
    sys.path.insert(0, str(path.parent))
    found = importlib.util.spec_from_file_location(path.stem, path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def make_driver(asked: dict[str, Any]) -> LibvirtDriver:
    """A driver as the tests' own."""
    conf = cfg.ConfigOpts()
    conf.register_opts(OPTIONS, group=GROUP)
    conf([], default_config_files=[], default_config_dirs=[])
    for name, value in asked["options"].items():
        conf.set_override(name, value, group=GROUP)
    home = Path(asked["home"])
    return LibvirtDriver(
        Endpoint(
            driver="libvirt",
            options=conf[GROUP],
            owner=asked["owner"],
            cache_dir=home / "cache",
            state_dir=home / "state",
        )
    )


def die_at(number: int, changes: dict[type, tuple[str, ...]], *, afterwards: bool) -> None:
    """Kill this process at the moment of this number.

    Args:
        number: of the moment, from 0 on.
        changes: methods that change something.
        afterwards: whether there is a moment after each change, too, not only before it.
    """
    left = number

    def moment() -> None:
        nonlocal left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

    def dying(change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*arguments: Any, **more: Any) -> Any:
            moment()
            result = change(*arguments, **more)
            if afterwards:
                moment()
            return result

        return changed

    for kind, names in changes.items():
        for name in names:
            setattr(kind, name, dying(getattr(kind, name)))


def done(verbs: Any, asked: dict[str, Any]) -> str:
    """Do the verb, in this process."""
    driver = make_driver(asked)
    driver.open()
    operation: Operation[Any] = Operation(asked["verb"], None, timeout=60.0)
    operation.begin()
    die_at(asked["number"], verbs.CHANGES, afterwards=asked["afterwards"])
    try:
        verbs.do(driver, asked, DriverSide(operation))
    except VirtError as error:
        return error.code
    return "done"


def main() -> None:
    """Fork for each verb; a process that has talked to libvirt must not."""
    verbs = loaded(Path(sys.argv[1]))
    for line in sys.stdin:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.write(writer, done(verbs, json.loads(line)).encode())
                status = 0
            finally:
                os._exit(status)  # the rest of the input is the parent's
        os.close(writer)
        with os.fdopen(reader) as told:
            outcome = told.read()
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print("killed" if killed else outcome or "failed", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
