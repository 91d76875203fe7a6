"""A role of this driver alone: media that the management controller shows to a machine, e.g. an ISO image as a CD.

Reached by ``compute.role(VirtualMedia)`` (API reference: "Virtual Media", microversion 1.89; to list them, 1.93).
"""

from __future__ import annotations

import enum
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.driver.operation import CancelMode
from nova_virt_api.driver.role import Role
from nova_virt_api.errors import BackendError, InstanceNotFound, StateAfter
from nova_virt_api.model.image import check_url, shown_url
from nova_virt_api.toolkit.committed import Committed
from nova_virt_ironic.errors import cleaned
from nova_virt_ironic.microversions import Call
from nova_virt_ironic.site import OnSite

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_ironic.node import NodeRow


class MediaDevice(enum.Enum):
    """The device as which a medium is shown."""

    CDROM = "cdrom"
    FLOPPY = "floppy"
    DISK = "disk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Medium:
    """A device for media that the management controller offers.

    Args:
        kinds: what may be put into it, as the controller says, e.g. ``CD``, ``DVD``, ``USBStick``.
        inserted: whether something is in it.
        image: URL of what is in it, without its query; empty when nothing is.
    """

    kinds: tuple[str, ...] = ()
    inserted: bool = False
    image: str = ""


class VirtualMedia(Role):
    """Put media into a guest's machine and take them out. Experimental."""

    @abstractmethod
    def media(self, guest: InstanceRef) -> Sequence[Medium]:
        """The devices for media and what is in them, as the management controller says now.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            BackendError: the endpoint is too old, or the node's management interface cannot tell.
        """

    @abstractmethod
    def attach_medium(self, guest: InstanceRef, device: MediaDevice, url: str, op: Operation) -> None:
        """Show an image to the machine as a device of this kind, in place of what was there; returns when it is there.

        States: all in which Ironic does not change the node. Ironic fetches the image and serves it to the machine's
        management controller.

        Args:
            guest: the guest.
            device: as which it is shown.
            url: of the image, ``http://`` or ``https://``, as Ironic's conductor sees it.
            op: the operation worked for.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidSpec: the URL is none.
            BackendError: the machine has no such device, or the image could not be fetched.
            Busy: Ironic is doing something else with the node.
        """

    @abstractmethod
    def detach_media(self, guest: InstanceRef, devices: Sequence[MediaDevice], op: Operation) -> None:
        """Take what is in these devices out. Idempotent.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            BackendError: the management controller did not do it.
            Busy: Ironic is doing something else with the node.
        """


BODY: Final = "/v1/nodes/{}/vmedia"


class IronicVirtualMedia(OnSite, VirtualMedia):
    """Asks Ironic, which answers at once and works on; what became of it shows when the node's lock is gone."""

    def media(self, guest: InstanceRef) -> Sequence[Medium]:
        row = self.site.guests.find(guest).row
        _, found = self.site.connection.read(
            f"list the virtual media of node {row.label}",
            lambda client: client.http_client.json_request("GET", BODY.format(row.uuid)),
            at=Call.READ_VIRTUAL_MEDIA,
        )
        return tuple(medium(one) for one in found) if isinstance(found, list) else ()

    def attach_medium(self, guest: InstanceRef, device: MediaDevice, url: str, op: Operation) -> None:
        check_url(url)
        row = self.site.guests.owned(guest, op).row
        body = {"device_type": device.value, "image_url": url}
        op.stage("attach medium", CancelMode.AT_NEXT_STEP)
        doing = f"attach {shown_url(url)} to node {row.label} as {device.value}"
        self.site.connection.change(
            doing,
            lambda client: client.http_client.json_request("POST", BODY.format(row.uuid), body=body),
            at=Call.VIRTUAL_MEDIA,
            op=op,
        )
        self._await_media(row, doing, "attach", op)

    def detach_media(self, guest: InstanceRef, devices: Sequence[MediaDevice], op: Operation) -> None:
        if not devices:
            return
        row = self.site.guests.owned(guest, op).row
        names = ",".join(device.value for device in devices)
        op.stage("detach media", CancelMode.AT_NEXT_STEP)
        doing = f"detach {names} from node {row.label}"
        path = f"{BODY.format(row.uuid)}?device_types={names}"
        self.site.connection.change(
            doing, lambda client: client.http_client.json_request("DELETE", path), at=Call.VIRTUAL_MEDIA, op=op
        )
        self._await_media(row, doing, "detach", op)

    def _await_media(self, row: NodeRow, doing: str, verb: str, op: Operation) -> None:
        """Wait until Ironic is done, and raise what it failed with."""
        op.stage(f"{verb} media", CancelMode.NONE)
        now = self.site.watcher.wait(Committed(op), row.uuid, lambda now: now is None or now.reservation is None)
        if now is None:
            raise InstanceNotFound(f"node {row.label} is gone", state_after=StateAfter.CHANGED)
        if now.last_error:  # emptied when this began
            raise BackendError(f"{doing}: {cleaned(now.last_error)}", state_after=StateAfter.CHANGED)


def medium(found: Mapping[str, Any]) -> Medium:
    """A device for media from JSON."""
    image = found.get("image")
    return Medium(
        kinds=tuple(str(kind) for kind in found.get("media_types") or ()),
        inserted=bool(found.get("inserted")),
        image=shown_url(str(image)) if image else "",
    )
