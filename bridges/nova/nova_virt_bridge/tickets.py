"""Our tickets, in what Nova carries from one nova-compute to another."""

from __future__ import annotations

from typing import Any

from nova.objects.migrate_data import LibvirtLiveMigrateData

import nova_virt_api as virt


def ticket_of(text: str, phase: str) -> virt.Ticket:
    """The ticket that a text is.

    Raises:
        MigrationError: it is none.
    """
    try:
        return virt.Ticket.decode(text)
    except virt.InvalidSpec as error:
        hint = "both hosts must run nova-virt-bridge with the same driver"
        raise virt.MigrationError(phase, "what the other nova-compute sent is no ticket of ours", hint=hint) from error


def packed(ticket: virt.Ticket) -> LibvirtLiveMigrateData:
    """Nova's data of a live migration with our ticket in it.

    Conductor and computes refuse classes that they do not know, so it is one of Nova's: the one for which Nova asks
    both ends to clean up. Nothing but Nova's own libvirt driver reads the field that the ticket is in.
    """
    return LibvirtLiveMigrateData(
        filename=ticket.encode(), is_shared_instance_path=False, is_shared_block_storage=False
    )


def repacked(data: Any, ticket: virt.Ticket) -> Any:
    """The same data with another ticket; what Nova itself put in stays."""
    data.filename = ticket.encode()
    return data


def unpacked(data: Any, phase: str) -> virt.Ticket:
    """The ticket in Nova's data.

    Raises:
        MigrationError: there is none.
    """
    carried = isinstance(data, LibvirtLiveMigrateData) and "filename" in data
    return ticket_of(data.filename if carried else "", phase)
