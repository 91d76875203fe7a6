"""First-boot data as a medium, in the form that the guest's data source looks for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from nova_virt_api.model.cloud_init import CloudInit, CloudInitSource
from nova_virt_api.toolkit import config_drive, nocloud
from nova_virt_api.toolkit.device_list import TaggedDevice
from nova_virt_api.toolkit.iso import iso


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How a medium looks for one data source.

    Args:
        label: by which the data source finds the medium.
        meta_data: path of the file that says who the guest is.
        network: path of the network configuration.
        files: makes all of its files.
    """

    label: str
    meta_data: str
    network: str
    files: Callable[[CloudInit, UUID, str, Sequence[TaggedDevice] | None], dict[str, bytes]]

    def image(self, files: Mapping[str, bytes]) -> bytes:
        """The medium that holds these files."""
        return iso(self.label, files)


NOCLOUD: Final = Form(label="cidata", meta_data=nocloud.META_DATA, network=nocloud.NETWORK, files=nocloud.nocloud_files)
CONFIG_DRIVE: Final = Form(
    label="config-2",
    meta_data=config_drive.META_DATA,
    network=config_drive.NETWORK,
    files=config_drive.config_drive_files,
)

FORMS: Final = {None: NOCLOUD, CloudInitSource.NOCLOUD: NOCLOUD, CloudInitSource.CONFIG_DRIVE: CONFIG_DRIVE}
"""The form for each data source; NoCloud, which needs no cloud, where none is asked for."""


def seed_image(cloud_init: CloudInit, uuid: UUID, name: str, devices: Sequence[TaggedDevice] | None = None) -> bytes:
    """The medium's bytes; the same input gives the same ones, so that a repeated spawn finds its medium unchanged.

    Args:
        cloud_init: what the guest is to read.
        uuid: becomes the instance id; another one makes cloud-init run its first-boot steps again.
        name: becomes the host name unless ``cloud_init`` gives one.
        devices: the guest's tagged devices, of which the medium tells in OpenStack's ``meta_data.json`` whatever its
            form is; None leaves that out.

    Raises:
        InvalidSpec: the network configuration cannot be said in the form that is asked for.
    """
    form = FORMS[cloud_init.source]
    return form.image(form.files(cloud_init, uuid, name, devices))


def check_form(cloud_init: CloudInit) -> None:
    """Refuse what cannot be said in the form that is asked for, before anything is made.

    Raises:
        InvalidSpec: such is the network configuration.
    """
    FORMS[cloud_init.source].files(cloud_init, UUID(int=0), "", None)


def form_of(files: Mapping[str, bytes]) -> Form:
    """The form of a medium that holds these files; NoCloud for what is neither."""
    is_config_drive = CONFIG_DRIVE.meta_data in files and NOCLOUD.meta_data not in files
    return CONFIG_DRIVE if is_config_drive else NOCLOUD
