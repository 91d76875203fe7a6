"""Backups of guests in a directory: a full one, then what changed, each a file per disk that qemu-img understands."""

from nova_virt_api.backups.folder import BackupFolder
from nova_virt_api.backups.manifest import DiskFile, Manifest
from nova_virt_api.backups.restore import restore_backup, submit_restore
from nova_virt_api.backups.write import Written, submit_backup, write_backup

__all__ = [
    "BackupFolder",
    "DiskFile",
    "Manifest",
    "Written",
    "restore_backup",
    "submit_backup",
    "submit_restore",
    "write_backup",
]
