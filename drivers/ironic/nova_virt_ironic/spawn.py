"""Spawning: find the guest, or claim a node for it; have it deployed; give the node back if that fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import InstanceExists, StateAfter, VirtError
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.labels import Labels
from nova_virt_api.model.leftover import Leftover
from nova_virt_api.model.record import Phase, Record, fingerprint
from nova_virt_api.toolkit.unstoppable import Unstoppable
from nova_virt_ironic import images, vifs, volume_targets
from nova_virt_ironic.claim import Claims
from nova_virt_ironic.config_drive import config_drive
from nova_virt_ironic.deployment import Deployment
from nova_virt_ironic.hold import Hold, HoldLost, free, held, token, worker, write
from nova_virt_ironic.leftovers import NODE
from nova_virt_ironic.places import check_places
from nova_virt_ironic.power import OFF, ON, settled, switch
from nova_virt_ironic.provision_states import power_state_of
from nova_virt_ironic.record import DISPLAY_NAME, KEY, GuestRecord, record_of
from nova_virt_ironic.removal import NEVER_DEPLOYED, Removal
from nova_virt_ironic.site import OnSite
from nova_virt_ironic.waiting import wait_for_worker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.instance import Instance
    from nova_virt_api.model.spec import InstanceSpec
    from nova_virt_ironic.instances import Guest
    from nova_virt_ironic.node import NodeRow
    from nova_virt_ironic.site import Site

LONGEST_UNDO: Final = 86400.0
"""Seconds that undoing may take: a step of a deployment that Ironic cannot be stopped in has to end first."""

RESUMABLE: Final = frozenset({"available", "active"})
"""Provision states from which an interrupted spawn goes on; from all others it begins anew."""

UNDER_WAY: Final = frozenset({"deploying", "wait call-back", "deploy hold"})


class IronicSpawn(OnSite, Driver):
    """The verb ``spawn``."""

    def spawn(self, spec: InstanceSpec, op: Operation) -> Instance:
        with token() as taking:
            return Spawn(self.site, spec, taking, op).run()


class Spawn:
    """One spawn.

    Args:
        site: the endpoint.
        spec: what was asked for.
        taking: the token under which the guest is taken.
        op: the operation worked for.
    """

    def __init__(self, site: Site, spec: InstanceSpec, taking: str, op: Operation) -> None:
        self._site = site
        self._spec = spec
        self._taking = taking
        self._op = op
        self._ref = InstanceRef(uuid=spec.uuid)
        self._fingerprint = fingerprint(spec)
        self._marks = site.endpoint.manage is not Manage.ALL
        self._records: dict[str, GuestRecord] = {}

    def run(self) -> Instance:
        """Return the guest, made now or before."""
        self._op.stage(Stage.CLAIM, CancelMode.IMMEDIATE)
        check_places(self._spec)
        images.check(self._spec)
        vifs.check_nics(self._spec)
        drive = self._drive()
        while True:
            found = self._site.guests.look_for(self._ref, self._op)
            if found is None:
                row = self._claim()
                hold = None if row is None else self._hold_of(row)
            elif self._is_finished(found):
                break
            else:
                row, hold = self._take_up(found)
            if row is not None and self._make(row, hold, drive):
                break
        return self._site.guests.instance(self._ref, fresh=True)

    # --- the claim ------------------------------------------------------------------------------------------------

    def _claim(self) -> NodeRow | None:
        op = self._op
        return Claims(self._site).take(
            self._spec, self._info, lambda row: vifs.too_few_ports(self._site.connection, row, self._spec.nics, op), op
        )

    def _info(self, row: NodeRow) -> Mapping[str, Any]:
        """All of ``instance_info``, our record included."""
        spec = self._spec
        info = images.deployment(spec, row) | volume_targets.storage_interface(spec.volumes, row)
        info[DISPLAY_NAME] = spec.name
        if self._marks:
            record = self._records[row.uuid] = held(self._record(row), self._taking)
            info[KEY] = record.encode()
        return info

    def _record(self, row: NodeRow) -> GuestRecord:
        record = Record(
            uuid=self._spec.uuid,
            owner=self._site.endpoint.owner,
            fingerprint=self._fingerprint,
            native_id=row.uuid,
        )
        return GuestRecord(record=record, name=self._spec.name, labels=Labels(self._spec.labels))

    def _hold_of(self, row: NodeRow) -> Hold | None:
        return Hold(self._site, row, self._records[row.uuid]) if self._marks else None

    # --- what is there --------------------------------------------------------------------------------------------

    def _is_finished(self, found: Guest) -> bool:
        """Whether the guest is complete; False if it is in the making, or on its way out.

        Raises:
            InstanceExists: it is another one.
        """
        if found.record is None:
            if self._marks or found.name != self._spec.name:
                raise InstanceExists(
                    f"guest {found.uuid} on node {found.row.label} was not made by this spec", hint="take another uuid"
                )
            return found.row.provision_state not in NEVER_DEPLOYED | UNDER_WAY
        record = found.record.record
        if record.owner != self._site.endpoint.owner:
            raise InstanceExists(f"guest {found.uuid} belongs to owner {record.owner}", hint="take another uuid")
        if record.phase is not Phase.DELETING and record.fingerprint != self._fingerprint:
            raise InstanceExists(
                f"guest {found.uuid} was asked for with another spec",
                hint="take another uuid, or destroy that guest first",
            )
        return record.phase is Phase.READY and found.row.provision_state != "deleting"

    def _take_up(self, found: Guest) -> tuple[NodeRow | None, Hold | None]:
        """A guest in the making, from whoever left it so; no node if it has to be looked for again."""
        ours = found.record is not None and found.record.hold == self._taking
        holder = None if ours else worker(found.row, found.record)
        if holder is not None:
            wait_for_worker(self._site, found, holder, self._op)
            return None, None
        state = found.row.provision_state
        if (found.record is None and state in RESUMABLE) or state in UNDER_WAY:
            return found.row, None  # no record can be changed while Ironic is at work
        if found.record is not None and state in RESUMABLE:
            hold = Hold.take_over(self._site, found.row, found.record, self._taking, self._op)
            return (found.row, hold) if hold is not None else (None, None)
        Removal(self._site, found.uuid, Unstoppable(LONGEST_UNDO, self._op)).run(found.row)
        return None, None

    # --- the guest ------------------------------------------------------------------------------------------------

    def _drive(self) -> dict[str, Any] | None:
        spec = self._spec
        return None if spec.cloud_init is None else config_drive(spec.cloud_init, spec.uuid, spec.name)

    def _make(self, row: NodeRow, hold: Hold | None, drive: dict[str, Any] | None) -> bool:
        """Have what is missing done, and undo everything if that fails; False if somebody else does it."""
        try:
            if row.provision_state == "available":
                self._prepare(row)
                if hold is not None:
                    hold.verify(self._op)
                    hold.rest()
                row = Deployment(self._site, row, self._spec, self._op).make(drive)
            elif row.provision_state in UNDER_WAY:
                row = Deployment(self._site, row, self._spec, self._op).wait()
            self._power(row)
            self._settle(row, hold)
            return True
        except HoldLost:
            return False
        except BaseException as error:
            self._undo(row, hold, error)
            raise

    def _prepare(self, row: NodeRow) -> None:
        """What has to be there before a node is deployed; each step finds what was done before."""
        spec, op, connection = self._spec, self._op, self._site.connection
        owner = self._site.endpoint.owner if self._marks else None
        for nic in spec.nics:
            if nic.vif_id is not None:
                vifs.attach(connection, row, nic.vif_id, op)
        op.stage(Stage.NETWORK_READY)
        if spec.volumes:
            volume_targets.create(connection, row, spec.volumes, spec.uuid, owner, op)
        op.stage(Stage.DISKS_READY)
        Deployment(self._site, row, spec, op).validate()
        op.stage(Stage.BEFORE_START)

    def _power(self, row: NodeRow) -> None:
        """Ironic's deployments leave a machine running; a guest may be wanted to be off."""
        wanted, target = (PowerState.RUNNING, ON) if self._spec.power_on else (PowerState.SHUTDOWN, OFF)
        now = settled(self._site, row, self._op)
        if power_state_of(now) is not wanted:
            self._op.stage(Stage.START if self._spec.power_on else Stage.STOP)
            switch(self._site, now, target, self._op)

    def _settle(self, row: NodeRow, hold: Hold | None) -> None:
        """Write that the guest is complete, unless guests bear no record."""
        if hold is not None:
            hold.settle(Phase.READY, self._op)
            return
        now = self._site.listing.node(row.uuid, self._op)
        record = None if now is None else record_of(now)
        if record is not None:
            write(self._site, row, free(record, Phase.READY), self._op)

    # --- back -----------------------------------------------------------------------------------------------------

    def _undo(self, row: NodeRow, hold: Hold | None, error: BaseException) -> None:
        """Take the guest off its node again, unless somebody else has taken it over; what is left is named."""
        self._op.stage(Stage.CLEAN_UP, CancelMode.NONE)
        rest = Unstoppable(LONGEST_UNDO, self._op)
        try:
            now = self._site.listing.node(row.uuid, rest)
            if now is not None and now.instance_uuid == self._spec.uuid:
                if hold is not None and now.provision_state in NEVER_DEPLOYED:
                    now = hold.verify(rest)
                Removal(self._site, self._spec.uuid, rest).run(now)
        except HoldLost:  # what is there is somebody else's affair now
            return
        except VirtError as second:
            if isinstance(error, VirtError):
                error.state_after = StateAfter.CHANGED
                error.leftovers = second.leftovers or (
                    Leftover(uuid=self._spec.uuid, kind=NODE, name=row.label, owner=self._site.endpoint.owner),
                )
        finally:
            if hold is not None:
                hold.end()
