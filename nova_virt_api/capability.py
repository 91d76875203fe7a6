"""What an endpoint can do: one enum member per role, one per feature, each with an answer."""

import enum


class Capability(enum.Enum):
    """A role: a family of verbs that a driver may implement (see :mod:`nova_virt_api.driver`)."""

    PAUSE = "pause"
    SUSPEND = "suspend"
    SNAPSHOT = "snapshot"
    CONSOLE = "console"
    CONSOLE_LOG = "console_log"
    REBUILD = "rebuild"
    RESCUE = "rescue"
    INTERFACES = "interfaces"
    VOLUMES = "volumes"
    CRASH_DUMP = "crash_dump"
    DIAGNOSTICS = "diagnostics"
    HOST_CONTROL = "host_control"
    ADOPT = "adopt"
    DEVICES = "devices"


class Feature(enum.Enum):
    """Something finer than a role: a field of a request, or a stronger promise of a verb.

    Every field of a spec outside Core (uuid, name, labels, vcpus, memory, one disk from an image, one NIC,
    placement, power_on) belongs to exactly one of these.
    """

    WHOLE_NODES = "whole_nodes"
    """Guests are whole machines that ``spawn`` claims: a node holds one, and the CPUs and memory of a spec are the
    least that the machine must have. Not a strength but a way of being; specs need nothing of it."""

    CLIENT_IMAGES = "client_images"
    """Images whose bytes pass through this library: ``LocalFile``, ``Url`` and ``Store``."""

    BACKEND_URL = "backend_url"
    """Images that the backend fetches itself: ``BackendUrl``."""

    MULTIPLE_DISKS = "multiple_disks"
    BLANK_DISK = "blank_disk"
    DISK_BUS = "disk_bus"
    MULTIPLE_NICS = "multiple_nics"
    NIC_MAC = "nic_mac"
    NIC_MODEL = "nic_model"
    NIC_VIF = "nic_vif"
    SPAWN_VOLUMES = "spawn_volumes"
    CLOUD_INIT = "cloud_init"
    UEFI = "uefi"
    EXTRAS = "extras"
    KEEP_DISKS = "keep_disks"
    GRACEFUL_POWER_OFF = "graceful_power_off"
    UPDATE_NAME = "update_name"
    UPDATE_LABELS = "update_labels"
    SNAPSHOT_LIVE = "snapshot_live"
    RESCUE_IMAGE = "rescue_image"
    RESCUE_PASSWORD = "rescue_password"  # noqa: S105 - the name of a feature
    GUEST_ADDRESSES = "guest_addresses"
    GUEST_AGENT = "guest_agent"
    EVERY_TRANSITION = "every_transition"
