"""Changing a guest's name and labels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import libvirt
from lxml import etree

from nova_virt_api.capability import Feature
from nova_virt_api.driver.driver import Driver
from nova_virt_api.errors import InstanceExists, NotSupported
from nova_virt_api.model.instance import PowerState
from nova_virt_libvirt.claims.guest_claim import claimed
from nova_virt_libvirt.definition import PARSER
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.metadata import read_mark, write_mark
from nova_virt_libvirt.verbs import OnDomains

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_api.model.instance import Instance
    from nova_virt_api.model.spec import InstanceUpdate
    from nova_virt_libvirt.domain import Domain
    from nova_virt_libvirt.site import Site


class LibvirtUpdate(OnDomains, Driver):
    """The verb ``update``."""

    site: Site

    def update(self, guest: InstanceRef, update: InstanceUpdate, op: Operation) -> Instance:
        domain = self.domains.owned(guest)
        if update.labels is not None and domain.mark is None:
            raise NotSupported(Feature.UPDATE_LABELS, "labels", "the guest bears no mark of this API")
        if update.name is not None and update.name != domain.name:
            rename(domain, update.name)
        if update.labels is not None:
            with claimed(self.site, domain, op), translated("write the guest's labels"):  # the mark says more
                native = domain.native
                mark = read_mark(native)
                if mark is not None:
                    write_mark(native, replace(mark, labels=update.labels))
        self.domains.forget(guest.uuid)
        return self.domains.instance(guest, fresh=True)


def rename(domain: Domain, name: str) -> None:
    """Give a guest another name.

    Raises:
        InstanceExists: the name is taken.
        InvalidState: the guest is not stopped.
        NotSupported: its firmware's variables would get lost.
    """
    domain.require(PowerState.SHUTDOWN)
    if has_variables_by_name(domain):
        reason = "this libvirt would leave the variables of the guest's UEFI firmware behind under its old name"
        raise NotSupported(Feature.UPDATE_NAME, "name", reason)
    with translated("rename the guest"):
        try:
            domain.native.rename(name)
        except libvirt.libvirtError as error:
            if is_taken(domain, name):
                raise InstanceExists(
                    f"the name {name} is taken by another guest", hint="names are unique in libvirt; use another"
                ) from error
            raise


def has_variables_by_name(domain: Domain) -> bool:
    """Whether libvirt finds the UEFI variables by the guest's name.

    Up to libvirt 9.1 a definition does not say where they are; later ones do, and a rename leaves them in use.
    """
    with translated("look at the guest's firmware"):
        definition = etree.fromstring(domain.urgent.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE), PARSER)
    return definition.find("os[@firmware='efi']") is not None and definition.find("os/nvram") is None


def is_taken(domain: Domain, name: str) -> bool:
    """Whether another guest has that name."""
    connection = domain.urgent.connect()
    try:
        return bool(connection.lookupByName(name).UUID() != domain.uuid.bytes)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return False
        raise
