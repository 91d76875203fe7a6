"""Waiting for Neutron to plug a guest's ports: its event network-vif-plugged, which comes through Nova's API."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, Self

import nova.conf
from nova import exception
from nova.network import model

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)
EVENT: Final = "network-vif-plugged"
BEFORE_START: Final = "before_start"


class Plugging:
    """The ports of a guest in the making that Neutron has still to plug; a context manager around its spawn.

    It begins to listen when the block is entered, since an event that comes earlier would be lost. It waits in
    :meth:`before_start`, or at the end of the block where the hypervisor plugs ports by starting the guest (option
    ``vif_plugged``). A block that fails is not waited for.

    Args:
        virtapi: what nova-compute offers its driver.
        instance: Nova's instance.
        vifs: its ports; none where nothing is to be waited for.
    """

    def __init__(self, virtapi: Any, instance: Any, vifs: Iterable[Any]) -> None:
        self._virtapi = virtapi
        self._instance = instance
        self._events = [(EVENT, vif["id"]) for vif in vifs if is_expected(vif)]
        self._waiting: Any = None

    def __enter__(self) -> Self:
        if self._events and CONF.vif_plugging_timeout:
            self._waiting = self._virtapi.wait_for_instance_event(
                self._instance, self._events, timeout=CONF.vif_plugging_timeout, error_callback=refused
            )
            self._waiting.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self.wait()
        else:
            self._waiting = None

    def before_start(self) -> None:
        """Called when the guest is about to be started.

        Raises:
            VirtualInterfaceCreateException: the ports were not plugged in time, and that is fatal.
        """
        if CONF.nova_virt.vif_plugged == BEFORE_START:
            self.wait()

    def wait(self) -> None:
        """Wait for what has not come yet; the second time for nothing."""
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            return
        try:
            waiting.__exit__(None, None, None)
        except exception.InstanceEventTimeout as error:
            LOG.warning(
                "ports of guest %s were not plugged within %s s", self._instance.uuid, CONF.vif_plugging_timeout
            )
            if CONF.vif_plugging_is_fatal:
                raise exception.VirtualInterfaceCreateException from error


def is_expected(vif: Any) -> bool:
    """Whether Neutron will tell that it plugged this port; see ``LibvirtDriver._get_neutron_events`` of Nova 34."""
    return vif.get("active", True) is False and vif["vnic_type"] != model.VNIC_TYPE_REMOTE_MANAGED


def refused(event_name: str, instance: Any) -> None:
    """Neutron told that it could not plug a port."""
    LOG.error("Neutron reports failure with event %s for guest %s", event_name, instance.uuid)
    if CONF.vif_plugging_is_fatal:
        raise exception.VirtualInterfaceCreateException
