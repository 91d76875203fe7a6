"""The command ``nova-virt-compute``: Nova's own nova-compute, with ``nova.virt.ext`` where it looks for it."""

import importlib
import sys


def main() -> None:
    """Run nova-compute with the arguments of this process."""
    command = importlib.import_module("nova.cmd.compute")  # first: it chooses native threads or eventlet
    from nova import exception

    from nova_virt_bridge import shim
    from nova_virt_bridge.threads import require_native_threads

    try:
        require_native_threads()  # the driver does so too, when nova-compute has found its conductor
    except exception.InvalidConfiguration as error:
        sys.exit(f"nova-virt-compute: {error}")
    shim.place()
    command.main()
