"""Native threads, which nova-virt-api and the SDKs behind it need; eventlet is refused."""

from nova import exception
from nova.utils import concurrency_mode_threading


def require_native_threads() -> None:
    """Refuse a process that eventlet has patched.

    Raises:
        InvalidConfiguration: it has, and how to change that.
    """
    if not concurrency_mode_threading():
        raise exception.InvalidConfiguration(
            "nova-virt-bridge works with native threads and this process runs on eventlet: set concurrency_backend ="
            " threading in nova.conf, and take OS_NOVA_DISABLE_EVENTLET_PATCHING out of its environment or set it to 1"
        )
