"""What an endpoint can do: one enum member per role, one per feature, each with an answer."""

import enum


class Capability(enum.Enum):
    """A role: a family of verbs that a driver may implement (see :mod:`nova_virt_api.driver`)."""

    PAUSE = "pause"
    SUSPEND = "suspend"
    SNAPSHOT = "snapshot"
    CLONE = "clone"
    CHECKPOINT = "checkpoint"
    BACKUP = "backup"
    CONSOLE = "console"
    CONSOLE_LOG = "console_log"
    REBUILD = "rebuild"
    RESIZE = "resize"
    LIVE_MIGRATION = "live_migration"
    RESCUE = "rescue"
    INTERFACES = "interfaces"
    VOLUMES = "volumes"
    STORAGE_VOLUMES = "storage_volumes"
    SHARES = "shares"
    IMAGE_CACHE = "image_cache"
    GUEST = "guest"
    CRASH_DUMP = "crash_dump"
    DIAGNOSTICS = "diagnostics"
    METRICS = "metrics"
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
    DISK_LIMITS = "disk_limits"
    DISK_CACHE = "disk_cache"
    DISK_DISCARD = "disk_discard"
    DISK_SERIAL = "disk_serial"
    DISK_TAG = "disk_tag"
    """Guests are told the tags of their own disks."""

    MULTIPLE_NICS = "multiple_nics"
    NIC_MAC = "nic_mac"
    NIC_MODEL = "nic_model"
    NIC_LIMITS = "nic_limits"
    NIC_QUEUES = "nic_queues"
    NIC_MTU = "nic_mtu"
    NIC_LINK = "nic_link"
    NIC_TAG = "nic_tag"
    """Guests are told the tags of their interfaces, those of the spec and those that they are given later."""

    NIC_VIF = "nic_vif"
    NIC_BRIDGE = "nic_bridge"
    """Interfaces on a Linux bridge of the hypervisor's host: ``BridgePort``."""

    NIC_OVS = "nic_ovs"
    """Interfaces on an Open vSwitch bridge of the hypervisor's host: ``OvsPort``."""

    NIC_OPAQUE = "nic_opaque"
    """Interfaces whose port a network service describes: ``OpaquePort``."""

    SPAWN_VOLUMES = "spawn_volumes"
    ATTACH_VOLUMES = "attach_volumes"
    """Guests that exist are given volumes, and volumes are taken away from them, running or not."""

    EXTEND_VOLUME = "extend_volume"
    SWAP_VOLUME = "swap_volume"
    VOLUME_BUS = "volume_bus"
    VOLUME_ENCRYPTION = "volume_encryption"
    VOLUME_SHARED = "volume_shared"
    VOLUME_READ_ONLY = "volume_read_only"
    VOLUME_SERIAL = "volume_serial"
    VOLUME_TAG = "volume_tag"
    """Guests are told the tags of their volumes, those of the spec and those that they are given later."""

    HOST_VOLUMES = "host_volumes"
    """Volumes that are files or block devices of the hypervisor's host."""

    NBD_VOLUMES = "nbd_volumes"
    NFS_VOLUMES = "nfs_volumes"
    RBD_VOLUMES = "rbd_volumes"
    HOST_CONNECTIONS = "host_connections"
    """Volumes that the hypervisor's host connects by itself, e.g. by fibre channel: ``HostConnection``."""

    ATTACH_SHARES = "attach_shares"
    """Guests that run are given shares, and shares are taken away from them."""

    SHARE_READ_ONLY = "share_read_only"
    CLOUD_INIT = "cloud_init"
    NOCLOUD = "nocloud"
    """First-boot data can be asked for in the form of cloud-init's data source NoCloud."""

    CONFIG_DRIVE = "config_drive"
    """First-boot data can be asked for as OpenStack's config drive."""

    UEFI = "uefi"
    SECURE_BOOT = "secure_boot"
    STATELESS_FIRMWARE = "stateless_firmware"
    TPM = "tpm"
    CPU_MODEL = "cpu_model"
    CPU_FLAGS = "cpu_flags"
    CPU_TOPOLOGY = "cpu_topology"
    DEDICATED_CPUS = "dedicated_cpus"
    NUMA = "numa"
    HUGE_PAGES = "huge_pages"
    FILE_BACKED_MEMORY = "file_backed_memory"
    SHARED_MEMORY = "shared_memory"
    LOCKED_MEMORY = "locked_memory"
    MEMORY_ENCRYPTION = "memory_encryption"
    WATCHDOG = "watchdog"
    VIDEO_MODEL = "video_model"
    GRAPHICS = "graphics"
    EXTRAS = "extras"
    KEEP_DISKS = "keep_disks"
    GRACEFUL_POWER_OFF = "graceful_power_off"
    UPDATE_NAME = "update_name"
    UPDATE_LABELS = "update_labels"
    SNAPSHOT_LIVE = "snapshot_live"
    SNAPSHOT_QUIESCE = "snapshot_quiesce"
    """A running guest's file systems can be brought to rest at the moment of a snapshot."""

    CLONE_LIVE = "clone_live"
    """A copy can be made of a guest that runs or is paused."""

    CLONE_QUIESCE = "clone_quiesce"
    """A running guest's file systems can be brought to rest at the moment of a clone."""

    CLONE_NICS = "clone_nics"
    """A copy can have other network interfaces than its original."""

    CHECKPOINT_MEMORY = "checkpoint_memory"
    RESIZE_DISKS = "resize_disks"
    """A resize can make a guest's own disks larger."""

    LIVE_VCPUS = "live_vcpus"
    """A running guest can be given more virtual CPUs, up to the ``max_vcpus`` of its spec."""

    LIVE_VCPUS_REMOVAL = "live_vcpus_removal"
    """Virtual CPUs can be taken away from a running guest, too."""

    LIVE_MEMORY = "live_memory"
    """A running guest can be given more memory, up to the ``max_memory_bytes`` of its spec."""

    LIVE_MEMORY_REMOVAL = "live_memory_removal"
    """Memory that a running guest was given since its start can be taken away from it, too."""

    COLD_MIGRATION = "cold_migration"
    """A stopped guest can be finished at another endpoint than the one that prepared it."""

    BACKUP_STOPPED = "backup_stopped"
    """A guest can also be backed up while it is off."""

    BACKUP_QUIESCE = "backup_quiesce"
    """A guest's file systems can be brought to rest at the moment of a backup."""

    MIGRATE_WITHIN = "migrate_within"
    """A running guest can move between nodes of one endpoint."""

    RESCUE_IMAGE = "rescue_image"
    RESCUE_PASSWORD = "rescue_password"  # noqa: S105 - the name of a feature
    GUEST_ADDRESSES = "guest_addresses"
    GUEST_AGENT = "guest_agent"
    """Listings say whether a guest's agent is connected."""

    GUEST_PASSWORD = "guest_password"  # noqa: S105 - the name of a feature
    GUEST_QUIESCE = "guest_quiesce"
    EVERY_TRANSITION = "every_transition"
