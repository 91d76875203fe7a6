"""Drivers that are wrong about directories that guests share with their host."""

from collections.abc import Sequence
from typing import Any

from nova_virt_api.driver.operation import Operation
from nova_virt_api.errors import PermissionDenied, VirtError
from nova_virt_api.fake.driver import FakeDriver
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.share import HostDirectory, Share


class SharesWhatIsAsked(FakeDriver):
    """Any directory of the host is shared, whatever the options say."""

    caught_by = "test_directory_that_is_not_allowed_is_refused"

    def attach_share(self, guest: InstanceRef, share: Share, op: Operation) -> None:
        try:
            super().attach_share(guest, share, op)
        except PermissionDenied:
            source = HostDirectory(path="/srv/shares/instead")
            super().attach_share(guest, Share(tag=share.tag, source=source), op)


class SharesOnPaper(FakeDriver):
    """An attached share is shown, and the backend knows nothing of it."""

    caught_by = "test_attached_share_is_there"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.made_up: dict[Any, list[Share]] = {}

    def attach_share(self, guest: InstanceRef, share: Share, op: Operation) -> None:
        super().attach_share(guest, share, op)
        super().detach_share(guest, share.tag, op)
        self.made_up.setdefault(guest.uuid, []).append(share)

    def shares(self, guest: InstanceRef) -> Sequence[Share]:
        return [*super().shares(guest), *self.made_up.get(guest.uuid, [])]


class SuspendHidesTheShare(FakeDriver):
    """A guest with a share is not suspended, and nobody says that the share is why."""

    caught_by = "test_suspend_takes_shares_along_or_names_them"

    def suspend(self, guest: InstanceRef, op: Operation) -> None:
        try:
            super().suspend(guest, op)
        except VirtError as error:
            error.message = "the guest cannot be saved"
            raise
