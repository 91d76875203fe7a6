"""A moment at which a guest's file systems are at rest, for whoever copies its disks."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nova_virt_api.errors import GuestAgentUnavailable
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.quiesce import Quiesce
from nova_virt_libvirt.agent import quiesced
from nova_virt_libvirt.agent.guest_agent import GuestAgent
from nova_virt_libvirt.definition import parse_definition
from nova_virt_libvirt.errors import translated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nova_virt_libvirt.connection import Connection
    from nova_virt_libvirt.domain import Domain

LOG = logging.getLogger(__name__)


@contextmanager
def at_rest(agents: Connection, domain: Domain, quiesce: Quiesce) -> Iterator[None]:
    """While the block lasts, a running guest's file systems are at rest, if that is wanted and can be.

    Afterwards it writes again, unless somebody had brought it to rest before by ``Guest.quiesce``. One that was at rest
    for somebody who is gone writes again too.

    Args:
        agents: the connection for agents.
        domain: the guest; nothing happens to one that does not run.
        quiesce: whether it is wanted.

    Raises:
        GuestAgentUnavailable: it is required, and the agent does not do it; or the agent has gone in between.
    """
    if quiesce is Quiesce.NO or domain.power_state is not PowerState.RUNNING:
        yield
        return
    agent = GuestAgent(agents, domain)
    if not brought_to_rest(agent, domain, required=quiesce is Quiesce.REQUIRED):
        yield
        return
    try:
        yield
    finally:
        agent.thaw()


def brought_to_rest(agent: GuestAgent, domain: Domain, *, required: bool) -> bool:
    """Bring it to rest; False when it is not for us to let it write again.

    Raises:
        GuestAgentUnavailable: it is required, and the agent does not do it.
    """
    if not required and not agent_is_connected(domain):
        return False
    try:
        if agent.freeze():
            return True
    except GuestAgentUnavailable as error:
        if required:
            raise
        LOG.info("guest %s is copied as after a power cut: %s", domain.uuid, error)
        return False
    with translated("see who has brought the guest to rest"):
        return not quiesced.is_meant(domain.urgent)


def agent_is_connected(domain: Domain) -> bool:
    """Whether an agent has opened the channel to the guest; says nothing about whether it answers."""
    with translated("look at the guest's agent"):
        return parse_definition(domain.urgent.XMLDesc(0), domain.uuid).agent
