"""The rows about disks, images and volumes."""

from __future__ import annotations

from typing import Final

from nova_virt_api.capability import Capability, Feature
from nova_virt_conformance.matrix.row import Row
from nova_virt_conformance.promise import Promise

STORAGE_ROWS: Final = (
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
        Feature.DISK_TAG,
        "Disks and images",
        "Tagged disks",
        "Tells the guest the tags of its own disks and where it finds them, in its first-boot data.",
    ),
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
        Feature.VOLUME_SERIAL,
        "Disks and images",
        "Volume serial",
        "Shows the guest a serial number for a volume in place of its id.",
    ),
    Row(
        Feature.VOLUME_TAG,
        "Disks and images",
        "Tagged volumes",
        "Tells the guest the tags of its volumes and where they are; those that come later at its next start.",
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
        Feature.HOST_CONNECTIONS,
        "Disks and images",
        "Volumes that the host connects",
        "Lets the hypervisor's host log in to the storage first, e.g. by fibre channel, and out at the end.",
    ),
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
)
"""In the order in which they are shown."""
