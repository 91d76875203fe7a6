"""One deployment of one node, from ``available`` to ``active`` (API reference: "Change Node Provision State")."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.driver.operation import CancelMode
from nova_virt_api.errors import BackendError, VirtError
from nova_virt_ironic import images
from nova_virt_ironic.effect import bring_about
from nova_virt_ironic.errors import Conflict, Refused, cleaned
from nova_virt_ironic.history import History
from nova_virt_ironic.microversions import Call

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.spec import InstanceSpec
    from nova_virt_ironic.node import NodeRow
    from nova_virt_ironic.site import Site

ACTIVE: Final = "active"
AVAILABLE: Final = "available"
DEPLOYING: Final = frozenset({"deploying", "wait call-back", "deploy hold", "deploy complete"})
BEGUN: Final = DEPLOYING | {ACTIVE}
NEEDED: Final = ("power", "management", "boot", "deploy", "network", "storage")
"""Interfaces of a node without which it cannot be deployed."""


class Deployment:
    """One deployment of a node that is claimed.

    Args:
        site: the endpoint.
        row: the node.
        spec: what is to be deployed.
        op: the operation worked for.
    """

    def __init__(self, site: Site, row: NodeRow, spec: InstanceSpec, op: Operation) -> None:
        self._site = site
        self._row = row
        self._spec = spec
        self._op = op

    def validate(self) -> None:
        """See that Ironic finds all that it needs for the deployment (API reference: "Validate Node").

        Raises:
            ImageNotFound: there is no such image.
            BackendError: something else is missing; tells all.
        """
        row = self._row
        try:
            found = self._site.connection.read(
                f"validate node {row.label}",
                lambda client: client.node.validate(row.uuid),
                at=Call.VALIDATE,
                op=self._op,
            )
        except BackendError as error:
            raise self._trouble(error.message) or error from error
        answers = {} if found is None else {name: getattr(found, name, None) for name in NEEDED}
        reasons = [
            f"{name}: {cleaned(str(answer.get('reason') or 'no reason given'))}"
            for name, answer in answers.items()
            if isinstance(answer, dict) and answer.get("result") is False
        ]
        if reasons:
            text = f"node {row.label} cannot be deployed: {'; '.join(reasons)}"
            hint = "mend the node or the request, then look: openstack baremetal node validate"
            raise self._trouble(text) or BackendError(text, hint=hint)

    def make(self, drive: dict[str, Any] | None) -> NodeRow:
        """Deploy the node and return it once it is ``active``.

        Raises:
            BackendError: the deployment failed; tells why.
        """
        self._op.stage(f"deploy node {self._row.label}", CancelMode.IMMEDIATE)
        self._ask(drive)
        return self.wait()

    def wait(self) -> NodeRow:
        """Return the node once it is ``active``; its deployment is under way.

        Raises:
            BackendError: the deployment failed, or the guest was destroyed meanwhile; tells why.
        """
        seen = self._row
        while True:
            seen = self._see(self._site.watcher.wait(self._op, seen.uuid, partial(differs, before=seen)))
            if seen.provision_state == ACTIVE and seen.target_provision_state is None:
                return seen
            self._op.stage(words(seen), CancelMode.IMMEDIATE)

    def _ask(self, drive: dict[str, Any] | None) -> None:
        row = self._row

        def ask() -> None:
            self._site.connection.change(
                f"deploy node {row.label}",
                lambda client: client.node.set_provision_state(row.uuid, ACTIVE, configdrive=drive),
                at=Call.DEPLOY if drive is None else Call.CONFIG_DRIVE,
                op=self._op,
            )

        def is_heard() -> bool:
            now = self._site.listing.node(row.uuid, self._op)
            return now is None or now.provision_state != AVAILABLE

        try:
            bring_about(ask, is_heard, self._op)
        except (Refused, Conflict) as error:
            now = self._site.listing.node(row.uuid, self._op)
            if now is None or now.instance_uuid != row.instance_uuid or now.provision_state not in BEGUN:
                raise self._refusal(error, now) from error  # else another spawn of the same guest was faster

    def _refusal(self, error: VirtError, now: NodeRow | None) -> VirtError:
        hint = "look what Ironic misses: openstack baremetal node validate"
        if now is not None and now.maintenance:
            hint = f"node {now.label} was put into maintenance; take it out, or leave it out of the choice"
        return self._trouble(error.message) or BackendError(error.message, hint=hint)

    def _see(self, row: NodeRow | None) -> NodeRow:
        """The node, if it is deployed or Ironic is at work on it.

        Raises:
            BackendError: it will not be deployed.
        """
        before = self._row
        if row is None or row.instance_uuid != before.instance_uuid or row.provision_state == "deleting":
            raise BackendError(f"the guest was destroyed while node {before.label} was deployed")
        if row.provision_state in BEGUN:
            return row
        cause = History(self._site.connection).cause(row, before, self._op)
        text = f"the deployment of node {row.label} ended as {row.provision_state!r}" + (f": {cause}" if cause else "")
        raise self._trouble(text) or BackendError(text, hint="mend the cause, or name another node")

    def _trouble(self, text: str) -> VirtError | None:
        disks = self._spec.disks
        return images.trouble_with(images.image(disks[0].source)["image_source"] if disks else None, text)


def words(row: NodeRow) -> str:
    """What Ironic does with a node now, for people."""
    step = row.deploy_step
    doing = f": {step.get('interface')}.{step.get('step')}" if step else ""
    resting = " (in maintenance)" if row.maintenance else ""
    return f"{row.provision_state}{doing}{resting}"


def differs(row: NodeRow | None, before: NodeRow) -> bool:
    """Whether a deployment has got further, or nowhere."""
    if row is None:
        return True
    fields = ("instance_uuid", "provision_state", "target_provision_state", "deploy_step", "maintenance")
    return any(getattr(row, field) != getattr(before, field) for field in fields)
