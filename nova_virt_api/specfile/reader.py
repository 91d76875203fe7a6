"""From a spec file to an ``InstanceSpec``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.cloud_init import LARGEST, CloudInit, CloudInitSource
from nova_virt_api.model.device_tag import LONGEST_TAG, TAG
from nova_virt_api.model.disk import SERIAL, Disk, DiskBus, DiskCache
from nova_virt_api.model.identity import stable_uuid
from nova_virt_api.model.nic import Nic, NicModel
from nova_virt_api.model.placement import Placement
from nova_virt_api.model.spec import MOST_VCPUS, NAME, Firmware, InstanceSpec
from nova_virt_api.specfile.document import Document, read_document, read_text
from nova_virt_api.specfile.kinds import (
    Choice,
    Fields,
    FilePath,
    Flag,
    Integer,
    Kind,
    List,
    Pairs,
    Size,
    Text,
    Uuid,
    inside,
)
from nova_virt_api.specfile.machine import (
    BACKING,
    CPU,
    DISK_LIMITS,
    NIC_LIMITS,
    NUMA_CELL,
    SCREEN,
    TPM,
    WATCHDOG,
)
from nova_virt_api.specfile.port import Port
from nova_virt_api.specfile.source import Source
from nova_virt_api.specfile.volume import VOLUME

if TYPE_CHECKING:
    from pathlib import Path

    from nova_virt_api.model.volume import Volume


class CloudInitFields(Fields):
    """First-boot data; each of its two texts may be in a file of its own, named by ``<field>_file``."""

    FILES: Final = ("user_data", "network_config")

    def read(self, value: Any, path: str, folder: Path) -> Any:
        values = self.values(value, path, folder)
        for name in self.FILES:
            file = values.pop(f"{name}_file", None)
            if file is None:
                continue
            if name in values:
                raise InvalidSpec(inside(path, f"{name}_file"), file, f"nothing beside {name}")
            values[name] = read_text(inside(path, f"{name}_file"), folder / file, LARGEST)
        return self.built(values, path)

    def schema(self) -> dict[str, Any]:
        both = [{"required": [name, f"{name}_file"]} for name in self.FILES]
        return {**super().schema(), "not": {"anyOf": both}}


DISK: Final = Fields(
    Disk,
    {
        "source": Source(),
        "size_bytes": Size(),
        "pool": Text(maxLength=255),
        "bus": Choice(DiskBus),
        "limits": DISK_LIMITS,
        "cache": Choice(DiskCache),
        "discard": Flag(),
        "serial": Text(pattern=f"^{SERIAL.pattern}$"),
        "tag": Text(pattern=TAG, maxLength=LONGEST_TAG),
    },
)
NIC: Final = Fields(
    Nic,
    {
        "network": Text(maxLength=255),
        "mac": Text(),
        "model": Choice(NicModel),
        "vif_id": Text(maxLength=255),
        "limits": NIC_LIMITS,
        "queues": Integer(1, 256),
        "mtu": Integer(68, 65535),
        "link_up": Flag(),
        "binding": Port(),
        "tag": Text(pattern=TAG, maxLength=LONGEST_TAG),
    },
)
CLOUD_INIT: Final = CloudInitFields(
    CloudInit,
    {
        "user_data": Text(),
        "user_data_file": FilePath(),
        "network_config": Text(),
        "network_config_file": FilePath(),
        "hostname": Text(maxLength=253),
        "ssh_authorized_keys": List(Text()),
        "metadata": Text(),
        "source": Choice(CloudInitSource),
    },
)
PLACEMENT: Final = Fields(
    Placement,
    {
        "node": Text(maxLength=255),
        "pool": Text(maxLength=255),
        "folder": Text(maxLength=255),
        "host": Text(maxLength=255),
        "pinned": Flag(),
    },
)
SPEC_KINDS: Final[dict[str, Kind]] = {
    "name": Text(pattern=f"^{NAME.pattern}$"),
    "uuid": Uuid(),
    "vcpus": Integer(1, MOST_VCPUS),
    "max_vcpus": Integer(1, MOST_VCPUS),
    "memory_bytes": Size(),
    "max_memory_bytes": Size(),
    "disks": List(DISK),
    "volumes": List(VOLUME),
    "nics": List(NIC),
    "cloud_init": CLOUD_INIT,
    "placement": PLACEMENT,
    "firmware": Choice(Firmware),
    "secure_boot": Flag(),
    "stateless_firmware": Flag(),
    "tpm": TPM,
    "cpu": CPU,
    "numa": List(NUMA_CELL),
    "backing": BACKING,
    "watchdog": WATCHDOG,
    "screen": SCREEN,
    "labels": Pairs(),
    "power_on": Flag(),
}
SPEC: Final = Fields(InstanceSpec, SPEC_KINDS, optional=frozenset({"uuid"}))


def read_spec(path: str) -> InstanceSpec:
    """The spec in a YAML file. Without a ``uuid`` it gets the stable one of its name, so that it can be spawned again.

    Args:
        path: the file; ``-`` reads standard input. Paths in it are relative to its folder.

    Raises:
        InvalidSpec: names the field, what came, what is allowed, and the line.
    """
    return spec_of(read_document(path))


def read_volume(path: str) -> Volume:
    """The volume in a YAML file, in the form that a spec has it in.

    Args:
        path: the file; ``-`` reads standard input. Paths in it are relative to its folder.

    Raises:
        InvalidSpec: names the field, what came, what is allowed, and the line.
    """
    document = read_document(path)
    try:
        volume: Volume = VOLUME.read(dict(document.data), "", document.folder)
    except InvalidSpec as error:
        raise document.placed(error) from error.__cause__
    return volume


def spec_of(document: Document) -> InstanceSpec:
    """The spec that a document holds.

    Raises:
        InvalidSpec: names the field, what came, what is allowed, and where it came from.
    """
    try:
        values = SPEC.values(document.data, "", document.folder)
        values.setdefault("uuid", stable_uuid(str(values["name"])))
        spec: InstanceSpec = SPEC.built(values, "")
    except InvalidSpec as error:
        raise document.placed(error) from error.__cause__
    return spec
