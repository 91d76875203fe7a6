"""The endpoint behind one nova-compute: opened once, found by every part of the driver."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import nova.conf

import nova_virt_api as virt
from nova_virt_bridge import options
from nova_virt_bridge.moves import Moves
from nova_virt_bridge.node_names import NodeNames
from nova_virt_bridge.overtaken import Builds

if TYPE_CHECKING:
    from nova_virt_api.capability import Capability, Feature

CONF = nova.conf.CONF
PROCESSORS: Final = ("cpu_dedicated_set", "cpu_shared_set")
"""Options of Nova's group ``[compute]``, and of drivers that can give a guest processors of the host."""

REFERENCE: Final = re.compile(r"\{\s*(file|env|keyring)\s*:\s*(.+?)\s*\}")


class Site:
    """One endpoint as nova.conf describes it.

    Args:
        driver: name of the installed driver.
    """

    def __init__(self, driver: str) -> None:
        self.driver = driver
        self._compute: virt.Compute | None = None
        self.nodes = NodeNames(self)
        self.builds = Builds()
        self.moves = Moves()
        options.register(CONF)

    def open(self) -> None:
        """Connect, again if it was closed.

        Raises:
            ConfigError: an option is wrong.
            DriverLoadError: the driver cannot be loaded.
            Unavailable: the endpoint cannot be reached.
            AuthenticationFailed: it does not accept the credentials.
        """
        self.close()
        ours = CONF.nova_virt
        given: dict[str, Any] = {"cache_dir": ours.cache_dir, "state_dir": ours.state_dir}
        given |= dict(pair(text) for text in ours.options)
        given.setdefault("owner", ours.owner)
        given = processor_options() | given
        self._compute = virt.connect(self.driver, profile=ours.profile, **given)

    def close(self) -> None:
        """Disconnect, cancelling what is under way; the next start of nova-compute takes it up. Idempotent."""
        compute, self._compute = self._compute, None
        if compute is not None:
            compute.close(cancel=True)

    @property
    def is_open(self) -> bool:
        """Whether it is connected."""
        return self._compute is not None

    @property
    def compute(self) -> virt.Compute:
        """The endpoint.

        Raises:
            Unavailable: it was not opened.
        """
        if self._compute is None:
            raise virt.Unavailable(
                f"the endpoint of driver {self.driver!r} is not open", hint="see why init_host failed"
            )
        return self._compute

    @property
    def spawn_timeout(self) -> float:
        """Seconds that a verb may take which copies or wipes a guest's disks."""
        return float(CONF.nova_virt.spawn_timeout)

    @property
    def verb_timeout(self) -> float:
        """Seconds that any other verb may take, beside the time that a guest has to stop by itself."""
        return float(CONF.nova_virt.verb_timeout)

    def has(self, what: Capability | Feature) -> bool:
        """Whether the endpoint declares a role or feature."""
        return self.compute.capabilities().has(what)


class Bridged:
    """Base of the parts of the driver: each gives Nova some of its methods.

    Attributes:
        site: the endpoint.
        virtapi: what nova-compute offers its driver.
    """

    site: Site
    virtapi: Any

    @property
    def compute(self) -> virt.Compute:
        """The endpoint."""
        return self.site.compute


def guest(instance: Any) -> UUID:
    """How the endpoint knows Nova's instance."""
    return UUID(instance.uuid)


def processor_options() -> dict[str, str]:
    """How Nova's own options divide the host's processors: they are the driver's, unless it is told otherwise."""
    return {name: CONF.compute[name] for name in PROCESSORS if CONF.compute[name]}


def pair(text: str) -> tuple[str, Any]:
    """A ``key=value`` of nova.conf. What follows the sign may be a secret and is not shown.

    A secret may be a reference as in a profile, e.g. ``password={file: /etc/nova/vcenter}``.

    Raises:
        ConfigError: it is none.
    """
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise virt.ConfigError("[nova_virt] options", f"{key.strip()!r} is not of the form key=value")
    reference = REFERENCE.fullmatch(value.strip())
    return key.strip(), value.strip() if reference is None else {reference[1]: reference[2]}
