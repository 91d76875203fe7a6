"""First-boot data in the form that was asked for: for the data source NoCloud, or as OpenStack's config drive."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.clone import Clone
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.rebuild import Rebuild
from nova_virt_api.model.cloud_init import CloudInit, CloudInitSource
from nova_virt_api.model.disk import Disk
from nova_virt_api.model.nic import Nic
from nova_virt_conformance.booted import KEYS, MACS
from nova_virt_conformance.covers import covers, needs
from nova_virt_conformance.guest_image.markers import SeedSource
from nova_virt_conformance.suite.clone import wanted
from nova_virt_conformance.suite.device_tags import check_place, devices, restart
from nova_virt_conformance.suite.spec_fields import told

if TYPE_CHECKING:
    from nova_virt_api.model.instance import Instance
    from nova_virt_conformance.booted import Booted
    from nova_virt_conformance.lab import Lab

NOCLOUD: Final = CloudInit(hostname="conformance", source=CloudInitSource.NOCLOUD)
CONFIG_DRIVE: Final = CloudInit(hostname="conformance", source=CloudInitSource.CONFIG_DRIVE)

TAG: Final = "conformance"
METADATA: Final = {"role": "wéb", "ports": [80, 443]}

SCRIPT: Final = """#!/bin/sh
mkdir /drive
for device in /sys/class/block/*; do
    mount -r -t iso9660 "/dev/${device##*/}" /drive 2>/dev/null || continue
    printf 'conformance-drive: %s\\n' "$(tr -s ' \\n' ' ' </drive/openstack/latest/meta_data.json)"
    umount /drive
done
"""
"""User data by which a guest writes to its console what its config drive says of it."""

SAID: Final = re.compile(rb"conformance-drive: (\{.*\}) ?\r?\n")
NETWORK: Final = json.dumps(
    {"version": 2, "ethernets": {"lan": {"match": {"macaddress": MACS[0]}, "dhcp4": True, "mtu": 1400}}}
)


def form(lab: Lab, guest: Instance) -> CloudInitSource:
    """Where a guest looks for its first-boot data."""
    return told(lab.rig.hardware(guest.uuid).first_boot_source, "where a guest looks for its first-boot data")


@covers(Feature.NOCLOUD, Driver.spawn)
def test_nocloud_is_made_where_it_is_asked_for(lab: Lab) -> None:
    """First-boot data is for the data source NoCloud where that is asked for."""
    assert form(lab, lab.spawn(cloud_init=NOCLOUD, power_on=False)) is CloudInitSource.NOCLOUD


@covers(Feature.CONFIG_DRIVE, Driver.spawn)
def test_config_drive_is_made_where_it_is_asked_for(lab: Lab) -> None:
    """First-boot data is on a config drive where that is asked for."""
    assert form(lab, lab.spawn(cloud_init=CONFIG_DRIVE, power_on=False)) is CloudInitSource.CONFIG_DRIVE


@covers(Feature.CONFIG_DRIVE, Clone.clone)
@needs(Capability.CLONE)
def test_copy_gets_a_config_drive_where_it_is_asked_for(lab: Lab, stopped: Instance) -> None:
    """First-boot data of a copy is on a config drive where that is asked for."""
    copy = lab.compute.clone(stopped, wanted(cloud_init=CONFIG_DRIVE), timeout=lab.patience)
    assert form(lab, copy) is CloudInitSource.CONFIG_DRIVE


@covers(Feature.CONFIG_DRIVE, Rebuild.rebuild)
@needs(Capability.REBUILD)
def test_rebuild_keeps_a_config_drive(lab: Lab) -> None:
    """A guest that is rebuilt without new first-boot data keeps its config drive."""
    guest = lab.spawn(disks=(Disk(source=lab.image()),), cloud_init=CONFIG_DRIVE, power_on=False)
    lab.compute.rebuild(guest, source=lab.image(), timeout=lab.patience)
    assert form(lab, guest) is CloudInitSource.CONFIG_DRIVE


@covers(Feature.CONFIG_DRIVE, Feature.NOCLOUD, Rebuild.rebuild)
@needs(Capability.REBUILD)
def test_rebuild_gives_the_form_that_is_asked_for(lab: Lab) -> None:
    """New first-boot data of a rebuild is in the form that it asks for, whatever the guest had."""
    guest = lab.spawn(disks=(Disk(source=lab.image()),), cloud_init=NOCLOUD, power_on=False)
    for data in (CONFIG_DRIVE, NOCLOUD):
        lab.compute.rebuild(guest, source=lab.image(), cloud_init=data, timeout=lab.patience)
        assert form(lab, guest) is data.source


@covers(Feature.CONFIG_DRIVE, Feature.NIC_TAG, Driver.power_on)
@needs(Capability.INTERFACES)
def test_config_drive_tells_of_devices(lab: Lab) -> None:
    """A config drive tells of tagged devices as they are when the guest starts, those of later too."""
    guest = lab.spawn(nics=(Nic(network=lab.target.network, tag=TAG),), cloud_init=CONFIG_DRIVE)
    assert list(devices(lab, guest)) == [TAG]
    added = lab.compute.attach_interface(guest, replace(lab.rig.new_nic(), tag="later"), timeout=lab.patience)
    restart(lab, guest)
    found = devices(lab, guest)
    assert (set(found), found["later"].mac) == ({TAG, "later"}, added.mac)
    (shown,) = (one for one in lab.second.interfaces(guest) if one.id == added.id)
    check_place(found["later"], shown.address)


@covers(Feature.CONFIG_DRIVE)
def test_guest_reads_its_config_drive(lab: Lab) -> None:
    """A guest's system finds on its config drive who it is, keys, user data, metadata, its network and its devices."""
    data = CloudInit(
        user_data=SCRIPT,
        network_config=NETWORK,
        hostname="conformance",
        ssh_authorized_keys=KEYS,
        metadata=json.dumps(METADATA),
        source=CloudInitSource.CONFIG_DRIVE,
    )
    tag = TAG if lab.compute.capabilities().has(Feature.NIC_TAG) else None
    spec = lab.booted.spec(cloud_init=data)
    booted = lab.booted.boot(replace(spec, nics=[replace(nic, tag=tag) for nic in spec.nics]))
    report = booted.report()
    assert report.seed is not None
    assert report.seed.source is SeedSource.CONFIG_DRIVE
    assert (report.seed.instance_id, report.seed.hostname) == (str(spec.uuid), "conformance")
    assert report.seed.user_data_sha256 == hashlib.sha256(SCRIPT.encode()).hexdigest()
    assert report.seed.network_config_sha256 is not None, "there is no network_data.json"
    assert report.ssh_keys == tuple(key.rpartition(" ")[0] for key in KEYS)
    found = said(booted)
    assert found["name"] == spec.name
    assert found["meta"] == METADATA
    if tag is not None:
        assert [(one["type"], one["tags"]) for one in found["devices"]] == [("nic", [TAG])]


def said(booted: Booted) -> dict[str, Any]:
    """What a guest has read in its ``meta_data.json``, as it tells on its console."""
    booted.await_until(lambda: SAID.search(booted.log()) is not None, "the guest has read its config drive")
    found: dict[str, Any] = json.loads(SAID.findall(booted.log())[-1])
    return found
