"""The rows of the support matrix: every promise, role and feature, in words for those who use them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from nova_virt_api.capability import Capability, Feature
from nova_virt_conformance.promise import Promise

if TYPE_CHECKING:
    from nova_virt_conformance.covers import Subject


@dataclass(frozen=True, slots=True)
class Row:
    """One promise, role or feature.

    Args:
        subject: it.
        group: under which heading it stands.
        title: its name for people.
        sentence: what a user gets by it.
    """

    subject: Subject
    group: str
    title: str
    sentence: str

    @property
    def key(self) -> str:
        """The name that reports use."""
        return str(self.subject.value)

    @property
    def kind(self) -> str:
        """Whether every driver owes it, or an endpoint may lack it."""
        return {Promise: "promise", Capability: "role", Feature: "feature"}[type(self.subject)]


ROWS: Final = (
    Row(
        Promise.SPAWN,
        "Life",
        "Create",
        "Makes a guest as it was asked for; asking twice makes one; a failure leaves nothing behind.",
    ),
    Row(
        Promise.DESTROY,
        "Life",
        "Delete",
        "Removes a guest from every state with all that it owned, any number of times.",
    ),
    Row(Promise.UPDATE, "Life", "Change", "Changes what can be changed of a guest, and refuses the rest by name."),
    Row(Feature.UPDATE_NAME, "Life", "Rename", "Gives an existing guest another name."),
    Row(Feature.UPDATE_LABELS, "Life", "Relabel", "Replaces an existing guest's labels."),
    Row(Feature.CLOUD_INIT, "Life", "First-boot data", "Hands cloud-init its user data, keys and network settings."),
    Row(Feature.UEFI, "Life", "UEFI", "Starts a guest with UEFI firmware that keeps its variables."),
    Row(
        Feature.WHOLE_NODES,
        "Life",
        "Whole machines",
        "A guest is a whole machine that is claimed, not a share of one; what it asks for is the least.",
    ),
    Row(
        Capability.ADOPT,
        "Life",
        "Adopt",
        "Takes over guests that were made by other means, and gives guests back unchanged.",
    ),
    Row(
        Capability.RESIZE,
        "Life",
        "Resize",
        "Gives a stopped guest another size, with a way back to its size and disks as they were.",
    ),
    Row(Feature.RESIZE_DISKS, "Life", "Larger disks", "Makes the guest's own disks larger in a resize."),
    Row(Feature.LIVE_VCPUS, "Life", "More CPUs, live", "Gives a running guest more virtual CPUs."),
    Row(Feature.LIVE_VCPUS_REMOVAL, "Life", "Fewer CPUs, live", "Takes virtual CPUs away from a running guest."),
    Row(Feature.LIVE_MEMORY, "Life", "More memory, live", "Gives a running guest more memory."),
    Row(
        Feature.LIVE_MEMORY_REMOVAL, "Life", "Less memory, live", "Takes back memory that a guest was given as it ran."
    ),
    Row(Feature.COLD_MIGRATION, "Life", "Cold migration", "Fetches a stopped guest from another endpoint."),
    Row(
        Capability.LIVE_MIGRATION,
        "Life",
        "Live migration",
        "Moves a running guest to another endpoint; it goes on running, and the move can be taken back.",
    ),
    Row(Feature.MIGRATE_WITHIN, "Life", "Change of node", "Moves a running guest to another node of its endpoint."),
    Row(Feature.EXTRAS, "Life", "Extras", "Takes settings that only this hypervisor knows, as types of the driver."),
    Row(
        Feature.SECURE_BOOT,
        "Machine",
        "Secure boot",
        "Starts signed systems only, with UEFI firmware and the well-known keys.",
    ),
    Row(
        Feature.STATELESS_FIRMWARE,
        "Machine",
        "Stateless firmware",
        "Starts a guest with UEFI firmware that keeps no variables.",
    ),
    Row(Feature.TPM, "Machine", "TPM", "Gives a guest a trusted platform module of its own."),
    Row(Feature.CPU_MODEL, "Machine", "CPU model", "Shows a guest the processor that was asked for."),
    Row(Feature.CPU_FLAGS, "Machine", "CPU flags", "Shows a guest a processor with and without the flags asked for."),
    Row(Feature.CPU_TOPOLOGY, "Machine", "CPU topology", "Arranges virtual CPUs in sockets, cores and threads."),
    Row(
        Feature.DEDICATED_CPUS,
        "Machine",
        "Dedicated CPUs",
        "Gives each virtual CPU a processor of the host that no other guest uses.",
    ),
    Row(Feature.NUMA, "Machine", "NUMA", "Shows a guest NUMA cells, each from a cell of the host if asked for."),
    Row(Feature.HUGE_PAGES, "Machine", "Huge pages", "Makes a guest's memory of the host's huge pages."),
    Row(Feature.FILE_BACKED_MEMORY, "Machine", "File-backed memory", "Keeps a guest's memory in a file of the host."),
    Row(
        Feature.SHARED_MEMORY,
        "Machine",
        "Shared memory",
        "Lets other processes of the host use a guest's memory, as virtiofs needs.",
    ),
    Row(Feature.LOCKED_MEMORY, "Machine", "Locked memory", "Keeps the host from swapping a guest's memory out."),
    Row(
        Feature.MEMORY_ENCRYPTION,
        "Machine",
        "Encrypted memory",
        "Keeps a guest's memory from its host by the processor's means.",
    ),
    Row(Feature.WATCHDOG, "Machine", "Watchdog", "Restarts, stops or pauses a guest whose system hangs."),
    Row(Feature.VIDEO_MODEL, "Machine", "Video card", "Shows a guest the video card that was asked for, or none."),
    Row(Feature.GRAPHICS, "Machine", "Screen", "Makes a guest's screen reachable by VNC, by SPICE or not at all."),
    Row(
        Promise.POWER,
        "Power",
        "Start, stop, restart",
        "Switches a guest on and off and restarts it; repeating is safe.",
    ),
    Row(
        Promise.POWER_STATES,
        "Power",
        "True power states",
        "Shows the state that the guest is in, also after changes made behind the driver's back.",
    ),
    Row(
        Feature.GRACEFUL_POWER_OFF,
        "Power",
        "Polite shutdown",
        "Asks the guest to shut down and cuts its power only after the time it was given.",
    ),
    Row(Capability.PAUSE, "Power", "Pause", "Stops and continues a guest's processors; its memory stays allocated."),
    Row(Capability.SUSPEND, "Power", "Suspend", "Saves a guest's memory to storage, frees it, and restores it later."),
    Row(
        Capability.STORAGE_VOLUMES,
        "Disks and images",
        "Volumes in its pools",
        "Makes, fills, resizes, reads and removes volumes that outlive guests, in the endpoint's own pools.",
    ),
    Row(
        Capability.IMAGE_CACHE,
        "Disks and images",
        "Image cache",
        "Shows, makes and removes the copies of images that guests are made from.",
    ),
    Row(
        Promise.IMAGES,
        "Disks and images",
        "Boot from an image",
        "Fills a guest's disk from an image, and refuses one that is not what it was said to be.",
    ),
    Row(
        Feature.CLIENT_IMAGES,
        "Disks and images",
        "Images sent to it",
        "Takes an image from a file, a URL or a store that the client reads and checks.",
    ),
    Row(
        Feature.BACKEND_URL,
        "Disks and images",
        "Images fetched by it",
        "Lets the backend fetch an image from a URL by itself.",
    ),
    Row(
        Capability.REBUILD,
        "Disks and images",
        "Rebuild",
        "Writes a guest's boot disk anew from an image; identity, place and interfaces stay.",
    ),
    Row(Feature.MULTIPLE_DISKS, "Disks and images", "Several disks", "Gives a guest more disks than the one it boots."),
    Row(Feature.BLANK_DISK, "Disks and images", "Empty disks", "Makes a disk of a given size without an image."),
    Row(Feature.DISK_BUS, "Disks and images", "Disk bus", "Attaches a disk by the bus that was asked for, e.g. SATA."),
    Row(
        Feature.KEEP_DISKS,
        "Disks and images",
        "Keep disks",
        "Leaves a guest's disks where they are when it is deleted.",
    ),
    Row(
        Capability.SNAPSHOT,
        "Disks and images",
        "Snapshot",
        "Writes the content of a stopped guest's boot disk to an image of its own.",
    ),
    Row(
        Feature.SNAPSHOT_LIVE,
        "Disks and images",
        "Snapshot while running",
        "Does the same with a running or paused guest, consistent as after a power cut.",
    ),
    Row(
        Feature.SNAPSHOT_QUIESCE,
        "Disks and images",
        "Snapshot at rest",
        "Brings a running guest's file systems to rest for the moment of a snapshot.",
    ),
    Row(
        Capability.CLONE,
        "Disks and images",
        "Clone",
        "Makes a guest that is a copy of a stopped one and stands alone, with an identity of its own.",
    ),
    Row(
        Feature.CLONE_LIVE,
        "Disks and images",
        "Clone while running",
        "Does the same with a running or paused guest, all disks at one moment.",
    ),
    Row(
        Feature.CLONE_QUIESCE,
        "Disks and images",
        "Clone at rest",
        "Brings a running guest's file systems to rest for the moment of the copy.",
    ),
    Row(
        Feature.CLONE_NICS,
        "Disks and images",
        "Clone to other networks",
        "Gives a copy other network interfaces than its original has.",
    ),
    Row(
        Capability.BACKUP,
        "Disks and images",
        "Backups",
        "Reads the disks of a running guest as they were at one moment, whole or what changed since another.",
    ),
    Row(
        Feature.BACKUP_STOPPED,
        "Disks and images",
        "Backups while stopped",
        "Does the same with a guest that is off.",
    ),
    Row(
        Feature.BACKUP_QUIESCE,
        "Disks and images",
        "Backups at rest",
        "Brings a running guest's file systems to rest for the moment of a backup.",
    ),
    Row(
        Capability.CHECKPOINT,
        "Disks and images",
        "Checkpoints",
        "Keeps what a guest's disks hold at a time, goes back to it, and forgets it without harm to the others.",
    ),
    Row(
        Feature.CHECKPOINT_MEMORY,
        "Disks and images",
        "Checkpoints with memory",
        "Keeps the memory too: the guest goes on from where it was.",
    ),
    Row(
        Capability.VOLUMES,
        "Disks and images",
        "Volume connector",
        "Tells a storage service who each node is, so that it lets guests there use its volumes.",
    ),
    Row(
        Feature.SPAWN_VOLUMES,
        "Disks and images",
        "Volumes",
        "Makes guests that use, or boot from, a storage service's volumes, which outlive them.",
    ),
    Row(Feature.DISK_LIMITS, "Disks and images", "Disk limits", "Limits how fast a guest may use a disk, with bursts."),
    Row(Feature.DISK_CACHE, "Disks and images", "Disk cache", "Lets the host cache a disk in the way asked for."),
    Row(Feature.DISK_DISCARD, "Disks and images", "Discard", "Gives back, or keeps, the space that a guest discards."),
    Row(Feature.DISK_SERIAL, "Disks and images", "Disk serial", "Shows the guest a serial number for a disk."),
    Row(
        Feature.ATTACH_VOLUMES,
        "Disks and images",
        "Attach and detach volumes",
        "Lets a guest that exists use a storage service's volumes, running or not, and takes them away.",
    ),
    Row(
        Feature.EXTEND_VOLUME,
        "Disks and images",
        "Extend volumes",
        "Lets a running guest see that one of its volumes has grown.",
    ),
    Row(
        Feature.SWAP_VOLUME,
        "Disks and images",
        "Swap volumes",
        "Copies a volume to another while a guest uses it, and lets the guest go over to that.",
    ),
    Row(Feature.VOLUME_BUS, "Disks and images", "Volume's bus", "Attaches a volume by the bus that was asked for."),
    Row(
        Feature.VOLUME_ENCRYPTION,
        "Disks and images",
        "Encrypted volumes",
        "Decrypts a volume in LUKS format outside of the guest, with a passphrase that nobody sees.",
    ),
    Row(
        Feature.VOLUME_SHARED,
        "Disks and images",
        "Shared volumes",
        "Lets several guests use one volume at the same time.",
    ),
    Row(Feature.VOLUME_READ_ONLY, "Disks and images", "Read-only volumes", "Keeps a guest from writing to a volume."),
    Row(
        Feature.VOLUME_TAG,
        "Disks and images",
        "Tagged volumes",
        "Gives a volume a serial number by which programs in the guest find it.",
    ),
    Row(
        Feature.HOST_VOLUMES,
        "Disks and images",
        "Files and devices of the host",
        "Uses files and block devices of the hypervisor's host as volumes.",
    ),
    Row(Feature.NBD_VOLUMES, "Disks and images", "NBD", "Uses volumes of NBD servers."),
    Row(Feature.NFS_VOLUMES, "Disks and images", "NFS", "Uses files of NFS servers as volumes, without a mount."),
    Row(Feature.RBD_VOLUMES, "Disks and images", "RBD", "Uses volumes of Ceph clusters."),
    Row(
        Capability.SHARES,
        "Disks and images",
        "Shared directories",
        "Lets a guest use directories of its host that the operator allows, and takes them away; their files stay.",
    ),
    Row(
        Feature.ATTACH_SHARES,
        "Disks and images",
        "Shared directories while it runs",
        "Gives a running guest shared directories, and takes them away.",
    ),
    Row(
        Feature.SHARE_READ_ONLY,
        "Disks and images",
        "Read-only shared directories",
        "Keeps a guest from writing to a directory that it shares.",
    ),
    Row(Feature.MULTIPLE_NICS, "Network", "Several NICs", "Connects a guest more than once, in the order asked for."),
    Row(Feature.NIC_MAC, "Network", "MAC address", "Gives a network interface the MAC address that was asked for."),
    Row(Feature.NIC_MODEL, "Network", "NIC model", "Shows the guest the kind of network card that was asked for."),
    Row(Feature.NIC_LIMITS, "Network", "NIC limits", "Limits how fast a guest may receive and send by an interface."),
    Row(Feature.NIC_BRIDGE, "Network", "Linux bridges", "Connects a guest to a bridge of its host, without a network."),
    Row(Feature.NIC_OVS, "Network", "Open vSwitch", "Connects a guest to a bridge of Open vSwitch, or a VLAN of it."),
    Row(
        Feature.NIC_OPAQUE,
        "Network",
        "Ports of network services",
        "Connects a guest to a port as its network service describes it, e.g. for os-vif.",
    ),
    Row(Feature.NIC_QUEUES, "Network", "NIC queues", "Lets several of a guest's processors work on one interface."),
    Row(Feature.NIC_MTU, "Network", "MTU", "Gives an interface the largest packet that was asked for."),
    Row(Feature.NIC_LINK, "Network", "Link", "Makes an interface with its cable plugged out."),
    Row(Feature.NIC_VIF, "Network", "VIF", "Connects a guest by an interface that a network service made."),
    Row(
        Capability.INTERFACES,
        "Network",
        "Attach and detach",
        "Shows a guest's network interfaces, gives it more while it lives and takes them away.",
    ),
    Row(Feature.GUEST_ADDRESSES, "Network", "IP addresses", "Tells which IP addresses a guest has."),
    Row(
        Promise.CAPABILITIES,
        "Seeing",
        "Honest answers",
        "Says of every role and feature whether it is there, and if it is not, why.",
    ),
    Row(
        Promise.INVENTORY,
        "Seeing",
        "Inventory",
        "Tells what nodes, storage pools and networks there are and what they have to give.",
    ),
    Row(
        Promise.LISTING,
        "Seeing",
        "Listing",
        "Lists all guests, foreign ones too, without a request for each; one that hangs delays nothing.",
    ),
    Row(Promise.EVENTS, "Seeing", "Events", "Tells a watcher each guest's final state after changes, and of gaps."),
    Row(
        Feature.EVERY_TRANSITION,
        "Seeing",
        "Every transition",
        "Reports every state that a guest goes through, none merged into the next.",
    ),
    Row(
        Capability.DIAGNOSTICS,
        "Seeing",
        "Diagnostics",
        "Looks closer at one guest: counters, sensors, and what happened to it.",
    ),
    Row(
        Capability.METRICS,
        "Seeing",
        "Metrics",
        "Counts what all guests use of processors, memory, disks and networks, without a request for each.",
    ),
    Row(Capability.DEVICES, "Seeing", "Devices", "Lists the devices of a node: processors, disks, network cards."),
    Row(Feature.GUEST_AGENT, "Seeing", "Guest agent", "Tells whether the agent inside a guest answers."),
    Row(
        Capability.GUEST,
        "Inside guests",
        "Ask a guest",
        "Asks the agent inside a guest for its system, addresses, file systems and users.",
    ),
    Row(Feature.GUEST_PASSWORD, "Inside guests", "Set a password", "Changes a user's password inside a guest."),
    Row(
        Feature.GUEST_QUIESCE,
        "Inside guests",
        "Quiesce",
        "Brings a guest's file systems to rest until it is told otherwise, and lets it write again.",
    ),
    Row(Capability.CONSOLE, "Consoles", "Console", "Says where a guest's screen or serial port can be reached."),
    Row(Capability.CONSOLE_LOG, "Consoles", "Console log", "Reads what a guest wrote to its serial port."),
    Row(
        Capability.RESCUE,
        "Repair",
        "Rescue",
        "Starts a rescue system in a guest's place, with its disks at hand, and lets it go back.",
    ),
    Row(Feature.RESCUE_IMAGE, "Repair", "Rescue image", "Starts the rescue system from an image of one's own."),
    Row(Feature.RESCUE_PASSWORD, "Repair", "Rescue password", "Lets one into the rescue system by a password."),
    Row(Capability.CRASH_DUMP, "Repair", "Crash dump", "Interrupts a guest so that its kernel dumps its memory."),
    Row(
        Capability.HOST_CONTROL,
        "Repair",
        "Maintenance",
        "Takes a node out of use for repair, with a reason that everybody sees, and back.",
    ),
    Row(
        Promise.OWNERSHIP,
        "Safety",
        "Ownership",
        "Shows guests that belong to others and never changes them; a uuid claimed twice is left alone.",
    ),
    Row(
        Promise.RECOVERY,
        "Safety",
        "Recovery",
        "Finishes or removes what a cut connection or a dead process left half done; nothing is lost.",
    ),
    Row(
        Promise.ISOLATION,
        "Safety",
        "Isolation",
        "Shares only values with its caller and nothing with other connections: it could live in another process.",
    ),
    Row(Promise.SECRETS, "Safety", "Secrets", "Keeps passwords out of logs and errors."),
    Row(
        Promise.CONNECTING,
        "Work",
        "Connecting",
        "Connects only when it is opened, says why it cannot, and frees everything when it is closed.",
    ),
    Row(
        Promise.OPERATIONS,
        "Work",
        "Long operations",
        "Has stages, progress that never runs backwards, deadlines, and cancels that tell the truth.",
    ),
    Row(
        Promise.CONCURRENCY,
        "Work",
        "Many callers",
        "Serves many callers at once; of two on one guest, one wins or both agree.",
    ),
    Row(Promise.ERRORS, "Work", "Errors", "Raises the documented errors and no others, each with what to do about it."),
)
"""All rows in the order in which they are shown; rows of one group stand together."""


def groups() -> tuple[tuple[str, tuple[Row, ...]], ...]:
    """The headings, each with its rows."""
    return tuple((group, tuple(rows)) for group, rows in groupby(ROWS, key=lambda row: row.group))
