"""What is in the hosts."""

from collections.abc import Sequence

from nova_virt_api.capability import Capability
from nova_virt_api.driver.devices import Devices
from nova_virt_api.fake.connection import Connection
from nova_virt_api.fake.steps import Step
from nova_virt_api.model.device import Device, DeviceKind
from nova_virt_api.model.spec import require_one

VENDOR = "fake"


class FakeDevices(Devices):
    """The role ``Devices`` of the fake driver: what a host must have to be as large as the options say."""

    connection: Connection

    def devices(self, node: str | None = None) -> Sequence[Device]:
        self.connection.require(Capability.DEVICES)
        self.connection.switches.reach(Step.READ)
        shape = self.connection.world.shape
        require_one("node", node, shape.nodes)
        processor = Device(id="processor", kind=DeviceKind.PROCESSOR, name=f"{shape.vcpus} fake CPUs", vendor=VENDOR)
        memory = Device(id="memory", kind=DeviceKind.MEMORY, vendor=VENDOR, size_bytes=shape.memory_bytes)
        disks = [
            Device(
                id=f"disk-{name}",
                kind=DeviceKind.DISK,
                name=name,
                vendor=VENDOR,
                address=f"/dev/fake/{name}",
                size_bytes=shape.pool_bytes,
            )
            for name in shape.pools
        ]
        nics = [
            Device(
                id=f"nic-{name}", kind=DeviceKind.NIC, name=name, vendor=VENDOR, address=f"0000:00:{index + 3:02x}.0"
            )
            for index, name in enumerate(shape.networks)
        ]
        return [processor, memory, *disks, *nics]
