"""What was made for guests that are not there, or that never were finished, and that nobody works on."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final
from uuid import UUID

from nova_virt_api.errors import VirtError
from nova_virt_api.model.instance import Lifecycle
from nova_virt_api.model.leftover import Leftover
from nova_virt_api.model.record import Phase
from nova_virt_libvirt.claims.records import Records
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.host_connections.connected import volumes_of_mark
from nova_virt_libvirt.names import claim_key, guest_of, is_claim, reserved_cpus
from nova_virt_libvirt.network.vif_note import VifNote
from nova_virt_libvirt.places import Places
from nova_virt_libvirt.remains import find_domain, mark_of
from nova_virt_libvirt.stored_volumes.removal import volume_leftovers
from nova_virt_libvirt.volumes.secrets import secrets_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nova_virt_api.model.instance import Instance
    from nova_virt_libvirt.claims.claim import Chain
    from nova_virt_libvirt.site import Site
    from nova_virt_libvirt.storage.pools import Pool

UNFINISHED: Final = frozenset({Lifecycle.BUILDING, Lifecycle.DELETING})
OLD: Final = 60.0
"""Seconds after which a claim that nobody has written yet is nobody's."""


class Leftovers:
    """Looks for them on one endpoint."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._places = Places(site.connection(), site.pool)
        self._records = Records(self._places.records_pool(), site.host())

    def find(self) -> list[Leftover]:
        """See ``Driver.leftovers``. Disks that were kept have no claim and are none."""
        volumes: dict[UUID, list[tuple[Pool, str]]] = defaultdict(list)
        listed = [(pool, pool.names()) for pool in self._places.active_pools()]
        for pool, names in listed:
            for name in names:
                if (uuid := guest_of(name)) is not None:
                    volumes[uuid].append((pool, name))
        guests = {instance.uuid: instance for instance in self._site.instances()}
        of_guests = [
            leftover
            for uuid, found in volumes.items()
            if any(is_claim(name) for _, name in found)
            for leftover in self._of_guest(uuid, found, guests.get(uuid))
        ]
        kept = [
            Leftover(uuid=uuid, kind="volume", name=name, place=pool.name)
            for uuid, found in volumes.items()
            for pool, name in found
            if uuid not in guests and self._keeps_for_nobody(pool, name)
        ]
        return [*of_guests, *kept, *volume_leftovers(self._site, listed, self._is_abandoned)]

    def _of_guest(self, uuid: UUID, found: list[tuple[Pool, str]], guest: Instance | None) -> Iterator[Leftover]:
        if guest is not None and (guest.lifecycle not in UNFINISHED or not guest.owned):
            return
        key = claim_key(uuid)
        chain = self._records.read(key) or self._records.stray(key, [name for _, name in found if is_claim(name)])
        if chain is None or not self._is_abandoned(chain):  # all gone since the names were listed: somebody removed it
            return
        if self._is_whole(uuid):
            return
        owner = chain.claim.record.owner if chain.claim else None
        if guest is not None:
            yield Leftover(uuid=uuid, kind="domain", name=guest.name, owner=guest.owner)
            yield from self._ports(uuid, guest.owner)
            yield from self._connections(uuid, guest.owner)
        for pool, name in found:
            yield Leftover(uuid=uuid, kind="volume", name=name, place=pool.name, owner=owner)
        with translated(f"look for passwords of guest {uuid}"):
            secrets = [secret.usageID() for secret in secrets_of(self._site.connection(), uuid)]
        for name in secrets:
            yield Leftover(uuid=uuid, kind="secret", name=name, owner=owner)

    def _keeps_for_nobody(self, pool: Pool, name: str) -> bool:
        """Whether a volume keeps processors of this host for a guest that is neither here nor on its way."""
        kept, records = reserved_cpus(name), self._records
        if kept is None or kept.host != self._site.host() or pool.name != records.pool.name:
            return False
        with translated(f"look for guest {kept.guest}"):
            here = find_domain(self._site.connection(), kept.guest)
        if here is not None or records.read(claim_key(kept.guest)) is not None:
            return False
        records.pool.refresh()  # on shared storage, another host may have made the claim, or removed this
        return records.read(claim_key(kept.guest)) is None and records.pool.find(name) is not None

    def _ports(self, uuid: UUID, owner: str | None) -> Iterator[Leftover]:
        """The ports that os-vif may have made for a guest."""
        with translated(f"look at guest {uuid}"):
            domain = find_domain(self._site.connection(), uuid)
        for mac in VifNote.of(None if domain is None else mark_of(domain)).ports:
            yield Leftover(uuid=uuid, kind="port", name=mac, owner=owner)

    def _connections(self, uuid: UUID, owner: str | None) -> Iterator[Leftover]:
        """The volumes that the host may have connected for a guest."""
        with translated(f"look at guest {uuid}"):
            domain = find_domain(self._site.connection(), uuid)
        for volume_id in {} if domain is None else volumes_of_mark(domain):
            yield Leftover(uuid=uuid, kind="connection", name=volume_id, owner=owner)

    def _is_whole(self, uuid: UUID) -> bool:
        """Whether the guest is complete now; it may have become so since the guests were listed."""
        with translated(f"look at guest {uuid}"):
            domain = find_domain(self._site.connection(), uuid)
        mark = None if domain is None else mark_of(domain)
        return mark is not None and mark.record.phase is Phase.READY

    def _is_abandoned(self, chain: Chain) -> bool:
        """Whether it is of this owner and nobody works on it."""
        if chain.newest.claim is None:
            try:
                return chain.newest.volume.age_seconds() > OLD
            except VirtError:  # removed or written meanwhile: somebody works on it
                return False
        ours = chain.newest.claim.record.owner == self._site.owner
        here = chain.newest.claim.host == self._site.host()
        return ours and here and self._records.holder(chain) is None
