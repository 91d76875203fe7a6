"""Definitions kept in mind per domain, fetched once and forgotten when libvirt tells of a change."""

import itertools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, Final
from uuid import UUID

import libvirt

from nova_virt_libvirt.definition import Definition, parse_definition
from nova_virt_libvirt.metadata import mark_text, parse_mark_text

MOST_CHANGES: Final = 50_000
"""So many changes are remembered before everything is forgotten together."""

FEW: Final = 8
"""Up to so many domains are asked one by one."""

MANY: Final = 100
"""So many are worth a second connection."""

SIZES: Final[int] = libvirt.VIR_DOMAIN_STATS_VCPU | libvirt.VIR_DOMAIN_STATS_BALLOON
OFF: Final[int] = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_INACTIVE | libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
"""These groups ask QEMU, so only domains that have none may be asked for them."""

GONE: Final = ""

Stamp = tuple[int, int | None]


class Definitions:
    """A cache. Whoever hears of a change calls :meth:`forget`, from any thread; it locks nothing.

    Args:
        helper: gives a second ``virConnect`` for a moment, or None.
    """

    def __init__(self, helper: Callable[[], AbstractContextManager[Any]]) -> None:
        self._helper = helper
        self._known: dict[bytes, Definition] = {}
        self._changes: dict[bytes, int] = {}
        self._count = itertools.count(1)
        self._era = 0

    @property
    def known(self) -> Mapping[bytes, Definition]:
        """What is known now, by the domain's uuid."""
        return self._known

    def forget(self, uuid: bytes) -> None:
        """Something of this domain changed."""
        self._changes[uuid] = next(self._count)
        self._known.pop(uuid, None)

    def clear(self) -> None:
        """Changes may have been missed."""
        self._era = next(self._count)
        self._known = {}
        self._changes = {}

    def keep_only(self, uuids: Iterable[bytes]) -> None:
        """Forget domains that are no more."""
        for uuid in self._known.keys() - set(uuids):
            self.forget(uuid)
        if len(self._changes) > MOST_CHANGES:
            self.clear()

    def get(self, domain: Any, *, off: bool) -> Definition | None:
        """A ``virDomain``'s definition; None if it is gone.

        Args:
            domain: the domain.
            off: it is shut off, so that what only matters while it runs may be missing.

        Raises:
            libvirt.libvirtError: of any other reason than that it is gone.
        """
        uuid: bytes = domain.UUID()
        known = self._known.get(uuid)
        return known if known is not None and (known.whole or off) else self._fetch(domain, uuid)

    def get_many(self, native: Any, domains: Sequence[Any], off: Sequence[bool]) -> list[Definition | None]:
        """Several at once; see :meth:`get`.

        Raises:
            libvirt.libvirtError: of any other reason than that a domain is gone.
        """
        known = self._known
        uuids = [domain.UUID() for domain in domains]
        lacking = {
            uuid: domain
            for uuid, domain, is_off in zip(uuids, domains, off, strict=True)
            if is_off and uuid not in known
        }
        fetched = self._fetch_off(native, lacking) if len(lacking) > FEW else {}
        return [
            fetched.get(uuid) or self.get(domain, off=is_off)
            for uuid, domain, is_off in zip(uuids, domains, off, strict=True)
        ]

    def _fetch(self, domain: Any, uuid: bytes) -> Definition | None:
        stamp = self._stamp(uuid)
        try:
            xml = domain.XMLDesc(0)  # asks no monitor
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return None
            raise
        definition = parse_definition(xml, UUID(bytes=uuid))
        self._keep(uuid, definition, stamp)
        return definition

    def _fetch_off(self, native: Any, domains: Mapping[bytes, Any]) -> dict[bytes, Definition]:
        """Only what is shown of a domain that is off: half the work of reading its whole definition.

        All requests come before all parsing: in turns, client and daemon would sleep and wake a thousand times.
        """
        stamps = {uuid: self._stamp(uuid) for uuid in domains}
        sizes = {domain.UUID(): stats for domain, stats in native.getAllDomainStats(SIZES, OFF) if tells_memory(stats)}
        texts = self._texts({uuid: domain for uuid, domain in domains.items() if uuid in sizes})
        found = {}
        for uuid, text in texts.items():
            if text is GONE:
                continue
            identity = UUID(bytes=uuid)
            found[uuid] = Definition(
                uuid=identity,
                name=domains[uuid].name(),
                vcpus=sizes[uuid]["vcpu.current"],
                memory_bytes=sizes[uuid]["balloon.maximum"] * 1024,
                mark=parse_mark_text(text, identity),
                whole=False,
            )
            self._keep(uuid, found[uuid], stamps[uuid])
        return found

    def _texts(self, domains: Mapping[bytes, Any]) -> dict[bytes, str | None]:
        """The texts of marks; of many, half come over a second connection meanwhile."""
        if len(domains) < MANY:
            return {uuid: text_of(domain) for uuid, domain in domains.items()}
        with self._helper() as helper, ThreadPoolExecutor(1, "nova-virt-libvirt-listing") as second:
            share = frozenset() if helper is None else frozenset(list(domains)[::2])
            others = second.submit(texts_over, helper, share)
            texts = {uuid: text_of(domain) for uuid, domain in domains.items() if uuid not in share}
            return texts | others.result()

    def _stamp(self, uuid: bytes) -> Stamp:
        return self._era, self._changes.get(uuid)

    def _keep(self, uuid: bytes, definition: Definition, stamp: Stamp) -> None:
        self._known[uuid] = definition
        if self._stamp(uuid) != stamp:  # it changed while it was fetched
            self._known.pop(uuid, None)


def tells_memory(stats: Mapping[str, Any]) -> bool:
    """Whether a guest's memory can be told without its definition: not if it can be given more while it runs."""
    return "balloon.maximum" in stats and stats.get("balloon.current") == stats["balloon.maximum"]


def texts_over(native: Any, uuids: Collection[bytes]) -> dict[bytes, str | None]:
    """The texts of the marks of these domains, as far as they are off."""
    domains = native.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_INACTIVE) if uuids else []
    return {domain.UUID(): text_of(domain) for domain in domains if domain.UUID() in uuids}


def text_of(domain: Any) -> str | None:
    """The text of a domain's mark, or ``GONE``."""
    try:
        return mark_text(domain)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return GONE
        raise
