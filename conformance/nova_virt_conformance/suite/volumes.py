"""Volumes of a storage service: who the nodes are to it, and guests that use them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from ipaddress import ip_address
from typing import Final

import pytest

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.volumes import Volumes
from nova_virt_api.errors import InstanceExists, InvalidSpec
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.secret import Secret
from nova_virt_api.model.volume import LuksEncryption, Volume
from nova_virt_api.model.volume_connection import IscsiVolume, OpaqueVolume
from nova_virt_conformance.aftermath import check_gone, leaving_as_is, leaving_nothing
from nova_virt_conformance.covers import covers
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.outcome import NotVerified
from nova_virt_conformance.suite.inventory import some
from nova_virt_conformance.suite.secrets import look, planted, recorded_logs

ISCSI_NAME: Final = re.compile(r"(iqn\.\d{4}-\d{2}\.|eui\.|naa\.).+")
"""RFC 7143, section 4.2.7."""

WORLD_WIDE_NAME: Final = re.compile(r"[0-9a-f]{16}")


@covers(Capability.VOLUMES, Volumes.volume_connector)
def test_connector_of_each_node(lab: Lab) -> None:
    """Every node says who it is to a storage service, in the service's terms, the same each time."""
    nodes = some(lab.compute.nodes())
    for node in nodes:
        connector = lab.compute.volume_connector(node.name)
        assert connector.node == node.name
        if connector.iscsi_initiator is not None:
            assert ISCSI_NAME.fullmatch(connector.iscsi_initiator), f"{connector.iscsi_initiator} is no iSCSI name"
        for name in (*connector.wwpns, *connector.wwnns):
            assert WORLD_WIDE_NAME.fullmatch(name), f"{name} is not 16 hexadecimal digits"
        for address in connector.addresses:
            ip_address(address)
        assert lab.second.volume_connector(node.id) == connector
    initiators = [lab.compute.volume_connector(node.name).iscsi_initiator for node in nodes]
    known = [name for name in initiators if name is not None]
    assert len(known) == len(set(known)), "two nodes have the same iSCSI name"


@covers(Capability.VOLUMES, Volumes.volume_connector)
def test_connector_without_a_node(lab: Lab) -> None:
    """With one node its name may be left out; with several, leaving it out is an InvalidSpec."""
    nodes = lab.compute.nodes()
    if len(nodes) == 1:
        assert lab.compute.volume_connector().node == nodes[0].name
        return
    with pytest.raises(InvalidSpec):
        lab.compute.volume_connector()


@covers(Feature.SPAWN_VOLUMES, Driver.spawn, Driver.destroy)
def test_guest_uses_a_volume(lab: Lab) -> None:
    """A guest is made with a volume, beside its own disk, and is destroyed without a trace of it."""
    with leaving_nothing(lab, "the life of a guest with a volume"):
        volume = lab.rig.volume()
        spec = lab.spec(volumes=(volume,))
        lab.compute.spawn(spec, timeout=lab.patience)
        hardware = lab.rig.hardware(spec.uuid)
        if hardware.volumes is None:
            raise NotVerified("the rig's hardware() does not tell volumes")
        assert hardware.volumes == (volume.id,)
        assert len(hardware.disks) >= len(spec.disks), "the guest has lost its own disk"
        lab.compute.destroy(spec.uuid, timeout=lab.patience)
    check_gone(lab, spec.uuid)


@covers(Feature.SPAWN_VOLUMES, Driver.spawn)
def test_guest_boots_from_a_volume(lab: Lab) -> None:
    """A guest without a disk of its own boots from its volume; there is nothing of its own to be written anew."""
    volume = replace(lab.rig.volume(), boot=True)
    spec = lab.spec(disks=(), volumes=(volume,))
    guest = lab.compute.spawn(spec, timeout=lab.patience)
    assert lab.compute.instance(guest, fresh=True).power_state is PowerState.RUNNING
    assert lab.rig.hardware(spec.uuid).volumes in (None, (volume.id,))
    if lab.compute.capabilities().has(Capability.REBUILD):
        with leaving_as_is(lab, guest.uuid, "a refused rebuild"), pytest.raises(InvalidSpec):
            lab.compute.rebuild(guest, source=lab.image(), timeout=lab.patience)


@covers(Feature.SPAWN_VOLUMES, Driver.spawn)
def test_volumes_are_a_part_of_the_request(lab: Lab) -> None:
    """The same spec with its volume finds the guest; without it, it is another request and refused."""
    spec = lab.spec(volumes=(lab.rig.volume(),), power_on=False)
    made = lab.compute.spawn(spec, timeout=lab.patience)
    assert lab.second.spawn(spec, timeout=lab.patience).native_id == made.native_id
    with pytest.raises(InstanceExists):
        lab.compute.spawn(replace(spec, volumes=()), timeout=lab.patience)


@covers(Feature.SPAWN_VOLUMES, Driver.spawn)
def test_secret_of_a_volume_is_not_shown(lab: Lab) -> None:
    """The password with which a volume is reached is in no log, no error and no text of the guest or the request."""
    password = planted(lab)
    volume = lab.rig.volume()
    spec = lab.spec(volumes=(with_password(volume, password),), power_on=False)
    with recorded_logs() as logs:
        guest = lab.compute.spawn(spec, timeout=lab.patience)
        with pytest.raises(InstanceExists) as caught:
            lab.compute.spawn(replace(spec, vcpus=spec.vcpus + 1), timeout=lab.patience)
        said = [repr(spec), repr(guest), repr(caught.value), caught.value.public_message, repr(caught.value.__dict__)]
        said += [repr(lab.compute.instances(fresh=True)), repr(lab.compute.leftovers())]
        lab.compute.destroy(guest, timeout=lab.patience)
    look(lab, [*said, *logs])


def with_password(volume: Volume, password: str) -> Volume:
    """A volume with this password: the target's, one in what only the service understands, or that of its content."""
    connection = volume.connection
    if isinstance(connection, IscsiVolume):
        chap = replace(connection, chap_username="conformance", chap_password=Secret(password))
        return replace(volume, connection=chap)
    if isinstance(connection, OpaqueVolume):
        properties = json.loads(connection.properties.reveal()) | {"auth_password": password}
        return replace(volume, connection=replace(connection, properties=Secret(json.dumps(properties))))
    return replace(volume, encryption=LuksEncryption(passphrase=Secret(password)))
