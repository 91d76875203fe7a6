"""The role Rebuild: a node's disk is written anew by Ironic's ``rebuild``."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.capability import Feature
from nova_virt_api.driver.operation import Stage
from nova_virt_api.driver.rebuild import Rebuild
from nova_virt_api.errors import (
    BackendError,
    InvalidSpec,
    InvalidState,
    NotSupported,
    StateAfter,
    StorageError,
    VirtError,
)
from nova_virt_api.model.instance import Lifecycle
from nova_virt_api.model.record import Phase
from nova_virt_ironic.config_drive import config_drive
from nova_virt_ironic.images import RAMDISK, image, trouble_with
from nova_virt_ironic.microversions import Call
from nova_virt_ironic.provision_states import meaning_of
from nova_virt_ironic.running import leave_running
from nova_virt_ironic.site import OnSite
from nova_virt_ironic.transition import Transition, Transitions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.cloud_init import CloudInit
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_api.model.image import ImageSource
    from nova_virt_api.model.instance import Instance
    from nova_virt_ironic.instances import Guest

PLAIN: Final = Transition(
    target="rebuild", call=Call.REBUILD, stage=Stage.DISKS, arrives={"active"}, under_way=frozenset()
)
WITH_CONFIG_DRIVE: Final = Transition(
    target="rebuild", call=Call.REBUILD_CONFIG_DRIVE, stage=Stage.DISKS, arrives={"active"}, under_way=frozenset()
)

REBUILDABLE: Final = frozenset({"active", "deploy failed", "error"})
"""Provision states in which Ironic takes ``rebuild``."""

IMAGE_FIELDS: Final = frozenset(
    {
        "image_source",
        "image_checksum",
        "image_os_hash_algo",
        "image_os_hash_value",
        "image_disk_format",
        "image_type",
        "image_url",
        "kernel",
        "ramdisk",
    }
)
"""Fields of ``instance_info`` that describe an image, also those that Ironic adds; a new image replaces them all."""


class IronicRebuild(OnSite, Rebuild):
    """Writes the image to the node's disk again, or another image."""

    def rebuild(
        self,
        guest: InstanceRef,
        op: Operation,
        *,
        source: ImageSource | None = None,
        cloud_init: CloudInit | None = None,
    ) -> Instance:
        op.stage(Stage.CLAIM)
        found = self.site.guests.owned(guest, op)
        require_rebuildable(found)
        self._require_disk(found, source, op)
        transition, arguments = PLAIN, {}
        if cloud_init is not None:
            transition = WITH_CONFIG_DRIVE
            arguments = {"configdrive": config_drive(cloud_init, found.uuid, found.name)}
            if reason := self.site.connection.too_old(transition.call):
                raise NotSupported(Feature.CLOUD_INIT, "cloud_init", reason)
        before = found.row.instance_info
        if source is not None:
            self._describe_image(found, new_image(source), op)
        transitions = Transitions(self.site)
        try:
            row = transitions.make(found.row, transition, op, **arguments)
        except VirtError as error:
            if source is not None and error.state_after is StateAfter.UNCHANGED:
                with suppress(VirtError):  # the error at hand says more
                    self._describe_image(found, {key: before[key] for key in IMAGE_FIELDS & before.keys()}, op)
            asked = before if source is None else new_image(source)
            of_image = trouble_with(asked.get("image_source"), error.message)
            if of_image is not None:
                of_image.state_after = error.state_after
                raise of_image from error
            if type(error) is BackendError and error.state_after is StateAfter.CHANGED:
                raise StorageError(error.message, hint=error.hint, state_after=error.state_after) from error
            raise
        leave_running(self.site, row, op)
        return self.site.guests.instance(guest, fresh=True)

    def _require_disk(self, guest: Guest, source: ImageSource | None, op: Operation) -> None:
        """Refuse a guest that did not come from an image on a disk.

        Raises:
            InvalidSpec: it did not, or nobody knows and no image was given.
        """
        info = guest.row.instance_info
        if "boot_iso" in info or RAMDISK in (info.get("deploy_interface"), guest.row.deploy_interface):
            raise InvalidSpec("guest", guest.name, "a guest with a disk; this one starts from an ISO image")
        if "image_source" in info:
            return
        if self._starts_from_volume(guest, op):
            raise InvalidSpec("guest", guest.name, "a guest with a disk of its own; this one starts from a volume")
        if source is None:
            raise InvalidSpec("source", None, "an image, as the one that the guest was made from is not known")

    def _starts_from_volume(self, guest: Guest, op: Operation) -> bool:
        """Whether one of the node's volume targets is the one to boot from."""
        targets = self.site.connection.read(
            f"list the volumes of node {guest.row.label}",
            lambda client: client.volume_target.list(node=guest.row.uuid, fields=["uuid", "boot_index"], limit=0),
            at=Call.VOLUMES,
            op=op,
        )
        return any(int(target.boot_index) == 0 for target in targets)

    def _describe_image(self, guest: Guest, info: Mapping[str, Any], op: Operation) -> None:
        """Let ``instance_info`` describe this image and no other."""
        row = self.site.listing.node(guest.row.uuid, op) or guest.row
        stale = (IMAGE_FIELDS & row.instance_info.keys()) - info.keys()
        patch: list[dict[str, Any]] = [{"op": "remove", "path": f"/instance_info/{key}"} for key in sorted(stale)]
        patch += [{"op": "add", "path": f"/instance_info/{key}", "value": value} for key, value in info.items()]
        self.site.connection.change(
            f"describe the image for node {row.label}",
            lambda client: client.node.update(row.uuid, patch),
            at=Call.PATCH_NODE,
            op=op,
        )


def require_rebuildable(guest: Guest) -> None:
    """Refuse a guest that Ironic cannot write anew now.

    Raises:
        InvalidState: it is rescued, unfinished, or in the middle of something.
    """
    finished = guest.record is None or guest.record.record.phase is Phase.READY
    if guest.row.provision_state in REBUILDABLE and finished:
        return
    current = meaning_of(guest.row).lifecycle if finished else Lifecycle.BUILDING
    hint = f"its node is {guest.row.provision_state!r}, Ironic rebuilds nodes that are {', '.join(sorted(REBUILDABLE))}"
    raise InvalidState(current, (Lifecycle.READY, Lifecycle.ERROR), hint=hint)


def new_image(source: ImageSource) -> Mapping[str, Any]:
    """An image in the words of ``instance_info``.

    Raises:
        InvalidSpec: it has a format that Ironic does not write.
    """
    try:
        return image(source)
    except InvalidSpec as error:
        raise InvalidSpec(error.field.removeprefix("disks[0]."), error.value, error.allowed) from error
