"""The storage pools and networks that an endpoint shows."""

from typing import Any, Final

import libvirt
from lxml import etree

from nova_virt_api.model.place import Network, PoolFeature, StoragePool
from nova_virt_libvirt.names import is_opened_directory
from nova_virt_libvirt.network.bridges import Bridges
from nova_virt_libvirt.network.user_network import user_networks

KINDS: Final = {
    "dir": frozenset({PoolFeature.OVERLAY, PoolFeature.THIN}),
    "fs": frozenset({PoolFeature.OVERLAY, PoolFeature.THIN}),
    "netfs": frozenset({PoolFeature.OVERLAY, PoolFeature.THIN, PoolFeature.SHARED}),
    "gluster": frozenset({PoolFeature.THIN, PoolFeature.SHARED}),
    "rbd": frozenset({PoolFeature.THIN, PoolFeature.SHARED}),
    "iscsi": frozenset({PoolFeature.SHARED}),
    "iscsi-direct": frozenset({PoolFeature.SHARED}),
    "zfs": frozenset({PoolFeature.THIN}),
}
"""What pools of a kind can do; kinds that are not here can do nothing of it."""


def storage_pools(native: Any, node: str) -> list[StoragePool]:
    """All pools, inactive ones too.

    Raises:
        libvirt.libvirtError: the connection broke.
    """
    found = []
    for pool in native.listAllStoragePools(0):
        if is_opened_directory(pool.name()):
            continue
        try:
            found.append(storage_pool(pool, node))
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_STORAGE_POOL:  # removed meanwhile
                raise
    return sorted(found, key=lambda pool: pool.name)


def storage_pool(native: Any, node: str) -> StoragePool:
    """One pool."""
    state, capacity, _, free = native.info()
    active = state == libvirt.VIR_STORAGE_POOL_RUNNING
    kind = etree.fromstring(native.XMLDesc(0)).get("type", "")
    return StoragePool(
        id=native.UUIDString(),
        name=native.name(),
        kind=kind,
        nodes=(node,),
        capacity_bytes=capacity if active else None,
        free_bytes=free if active else None,
        available=active,
        features=KINDS.get(kind, frozenset()),
    )


def networks(native: Any, node: str, bridges: Bridges) -> list[Network]:
    """All networks, inactive ones too; the host's bridges that count as such; user mode where there is nothing better.

    Raises:
        libvirt.libvirtError: the connection broke.
    """
    found = []
    for network in native.listAllNetworks(0):
        try:
            forward = etree.fromstring(network.XMLDesc(0)).find("forward")
            kind = "isolated" if forward is None else forward.get("mode", "nat")
            found.append(
                Network(
                    id=network.UUIDString(),
                    name=network.name(),
                    kind=kind,
                    nodes=(node,),
                    available=bool(network.isActive()),
                )
            )
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_NETWORK:  # removed meanwhile
                raise
    listed = sorted(found, key=lambda network: network.name)
    return [*listed, *bridges.networks(native, node), *user_networks(native, node)]
