"""All that guests may leave behind on a host, as libvirt, and where it can be seen the host itself, list it."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import libvirt
from lxml import etree
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

from nova_virt_libvirt.rig.volumes import PREFIX

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

BASE_IMAGE: Final = re.compile(r"nova-virt-base-[0-9a-f]+\.\w+")
"""Images that are kept on purpose, for the next guest made from them."""

OF_OWNER: Final = re.compile(r"nova-virt-volume\+[0-9a-f-]{36}\+(?P<owner>[^+]+)\+.*")
"""Volumes that no guest owns say whose they are."""

CLAIM: Final = re.compile(r"[0-9a-f-]{36}\.claim(\..*)?")
NAMESPACE: Final = "https://nova-virt.org/libvirt/1"
STATE_KINDS: Final = ("nvram", "save", "snapshot", "checkpoint", "dump")
"""Directories in which libvirt keeps UEFI variables, saved memory and the like; no API of its lists them all."""

PATIENCE: Final = 10.0


class Objects:
    """Looks at what there is.

    Args:
        native: the connection to look with.
        pools: names of the storage pools that count.
        owners: whose objects count; others' that say whose they are do not.
        state: the directory in which libvirt keeps what is no volume, where it can be looked into.
    """

    def __init__(self, native: Any, pools: Collection[str], owners: Collection[str], state: Path | None) -> None:
        self._native = native
        self._pools = pools
        self._owners = owners
        self._state = state

    def list(self) -> list[str]:
        """One line for each object."""
        domains = {domain.UUIDString(): domain for domain in self._native.listAllDomains(0)}
        others = {uuid for uuid, domain in domains.items() if self._is_others(owner_of(domain))}
        found = [f"domain {uuid} {domain.name()}" for uuid, domain in domains.items() if uuid not in others]
        for pool in self._pools:
            found += self._volumes(self._native.storagePoolLookupByName(pool), others)
        found += [f"secret {uuid}" for uuid in self._native.listSecrets()]
        if self._state is not None:
            found += self._files(self._state, {domains[uuid].name() for uuid in others})
        return found

    def _volumes(self, pool: Any, others: Collection[str]) -> Iterator[str]:
        refresh(pool)
        volumes = {volume.name(): volume for volume in pool.listAllVolumes(0)}
        claimed = {name[:36] for name, volume in volumes.items() if CLAIM.fullmatch(name) and self._is_claimed(volume)}
        for name in volumes:
            said = OF_OWNER.fullmatch(name)
            kept = BASE_IMAGE.fullmatch(name) or name.startswith(PREFIX) or (said and self._is_others(said["owner"]))
            if not kept and name[:36] not in claimed and name[:36] not in others:
                yield f"volume {pool.name()}/{name}"

    def _is_claimed(self, volume: Any) -> bool:
        """Whether the volume is a claim that somebody else has written."""
        try:
            return self._is_others(json.loads(content(self._native, volume).rstrip(b"\0"))["owner"])
        except (libvirt.libvirtError, ValueError, KeyError):  # gone since, or not written yet
            return False

    def _is_others(self, owner: str | None) -> bool:
        return owner is not None and owner not in self._owners

    def _files(self, state: Path, others: Collection[str]) -> Iterator[str]:
        for kind in STATE_KINDS:
            with suppress(PermissionError, FileNotFoundError):
                for path in (state / kind).iterdir():
                    if path.is_dir() and not any(path.iterdir()):
                        continue  # libvirt's own; it goes with the guest
                    if not any(path.name.startswith(f"{name}.") or path.name.startswith(f"{name}_") for name in others):
                        yield f"file {path}"


def owner_of(domain: Any) -> str | None:
    """Whose mark a domain bears, valid or not; None without one."""
    with suppress(libvirt.libvirtError):  # gone since, or without a mark
        return etree.fromstring(domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, NAMESPACE, 0)).get("owner")
    return None


def refresh(pool: Any) -> None:
    """Let libvirt look at the storage; it refuses while a volume is being made there."""
    busy = retry_if_exception(is_busy)
    for attempt in Retrying(retry=busy, stop=stop_after_delay(PATIENCE), wait=wait_fixed(0.02), reraise=True):
        with attempt:
            pool.refresh(0)


def is_busy(error: BaseException) -> bool:
    """Whether libvirt refuses because of work under way."""
    return isinstance(error, libvirt.libvirtError) and error.get_error_code() == libvirt.VIR_ERR_INTERNAL_ERROR


def content(native: Any, volume: Any) -> bytes:
    """The bytes of a small volume."""
    stream = native.newStream(0)
    parts: list[bytes] = []
    try:
        volume.download(stream, 0, 0, 0)
        while part := stream.recv(65536):
            parts.append(part)
        stream.finish()
    except BaseException:
        with suppress(libvirt.libvirtError):
            stream.abort()
        raise
    return b"".join(parts)
