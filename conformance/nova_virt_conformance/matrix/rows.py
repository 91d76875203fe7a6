"""The rows of the support matrix: every promise, role and feature, in words for those who use them."""

from __future__ import annotations

from itertools import groupby
from typing import Final

from nova_virt_api.capability import Capability, Feature
from nova_virt_conformance.matrix.row import Row
from nova_virt_conformance.matrix.storage_rows import STORAGE_ROWS
from nova_virt_conformance.promise import Promise

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
    Row(
        Feature.NOCLOUD,
        "Life",
        "NoCloud",
        "Hands out first-boot data for the data source NoCloud where that is asked for.",
    ),
    Row(
        Feature.CONFIG_DRIVE,
        "Life",
        "Config drive",
        "Hands out first-boot data as OpenStack's config drive where that is asked for.",
    ),
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
    *STORAGE_ROWS,
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
    Row(
        Feature.NIC_TAG,
        "Network",
        "Tagged interfaces",
        "Tells the guest the tags of its interfaces and where they are; those that come later at its next start.",
    ),
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
