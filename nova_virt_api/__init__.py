"""Manage guests on any hypervisor through one typed API. Public names, loaded when they are first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.version import API_VERSION, __version__

if TYPE_CHECKING:
    from nova_virt_api.capability import (
        Capability as Capability,
        Feature as Feature,
    )
    from nova_virt_api.compute import (
        aio as aio,
        until as until,
    )
    from nova_virt_api.compute.adoption import (
        Adoption as Adoption,
        AdoptionOutcome as AdoptionOutcome,
    )
    from nova_virt_api.compute.compute import (
        Compute as Compute,
    )
    from nova_virt_api.compute.connect import (
        connect as connect,
    )
    from nova_virt_api.compute.operation import (
        Operation as Operation,
        OperationState as OperationState,
    )
    from nova_virt_api.driver.endpoint import (
        Manage as Manage,
    )
    from nova_virt_api.driver.operation import (
        CancelMode as CancelMode,
        Stage as Stage,
    )
    from nova_virt_api.errors import (
        Ambiguous as Ambiguous,
        AuthenticationFailed as AuthenticationFailed,
        BackendError as BackendError,
        BackupChainBroken as BackupChainBroken,
        Busy as Busy,
        Cancelled as Cancelled,
        ConfigError as ConfigError,
        ConnectionLost as ConnectionLost,
        DriverBug as DriverBug,
        DriverImportError as DriverImportError,
        DriverLoadError as DriverLoadError,
        DriverNotFound as DriverNotFound,
        DriverVersionError as DriverVersionError,
        DuplicateDriver as DuplicateDriver,
        GuestAgentUnavailable as GuestAgentUnavailable,
        HookFailed as HookFailed,
        ImageNotFound as ImageNotFound,
        ImageRejected as ImageRejected,
        InstanceExists as InstanceExists,
        InstanceNotFound as InstanceNotFound,
        InvalidSpec as InvalidSpec,
        InvalidState as InvalidState,
        MigrationError as MigrationError,
        NetworkError as NetworkError,
        NoCapacity as NoCapacity,
        NotSupported as NotSupported,
        PermissionDenied as PermissionDenied,
        StateAfter as StateAfter,
        StorageError as StorageError,
        Timeout as Timeout,
        Unavailable as Unavailable,
        VirtError as VirtError,
        VolumeError as VolumeError,
        VolumeExists as VolumeExists,
        VolumeNotFound as VolumeNotFound,
    )
    from nova_virt_api.events import (
        Change as Change,
        Gap as Gap,
        InstanceEvent as InstanceEvent,
        WatchEvent as WatchEvent,
    )
    from nova_virt_api.model.backup import (
        BackupDisk as BackupDisk,
        BackupPoint as BackupPoint,
        BackupSession as BackupSession,
        Extent as Extent,
        ExtentKind as ExtentKind,
    )
    from nova_virt_api.model.capabilities import (
        Availability as Availability,
        Capabilities as Capabilities,
    )
    from nova_virt_api.model.checkpoint import (
        CheckpointInfo as CheckpointInfo,
    )
    from nova_virt_api.model.clone import (
        CloneSpec as CloneSpec,
    )
    from nova_virt_api.model.cloud_init import (
        CloudInit as CloudInit,
        CloudInitSource as CloudInitSource,
    )
    from nova_virt_api.model.console import (
        ConsoleAddress as ConsoleAddress,
        ConsoleKind as ConsoleKind,
        PtyConsole as PtyConsole,
        TcpConsole as TcpConsole,
        WebConsole as WebConsole,
    )
    from nova_virt_api.model.cpu import (
        Cpu as Cpu,
        CpuMode as CpuMode,
        CpuTopology as CpuTopology,
        NumaCell as NumaCell,
    )
    from nova_virt_api.model.device import (
        Device as Device,
        DeviceKind as DeviceKind,
    )
    from nova_virt_api.model.device_tag import (
        DeviceAddress as DeviceAddress,
        DeviceBus as DeviceBus,
    )
    from nova_virt_api.model.diagnostics import (
        Diagnosis as Diagnosis,
        Incident as Incident,
        Sensor as Sensor,
    )
    from nova_virt_api.model.disk import (
        Blank as Blank,
        Disk as Disk,
        DiskBus as DiskBus,
        DiskCache as DiskCache,
    )
    from nova_virt_api.model.guest_info import (
        GuestFilesystem as GuestFilesystem,
        GuestInfo as GuestInfo,
        GuestInterface as GuestInterface,
        GuestOs as GuestOs,
        GuestUser as GuestUser,
    )
    from nova_virt_api.model.host_connection import (
        HostConnection as HostConnection,
    )
    from nova_virt_api.model.identity import (
        InstanceRef as InstanceRef,
        stable_uuid as stable_uuid,
    )
    from nova_virt_api.model.image import (
        BackendUrl as BackendUrl,
        Checksum as Checksum,
        ImageFormat as ImageFormat,
        ImageInfo as ImageInfo,
        LocalFile as LocalFile,
        LocalTarget as LocalTarget,
        Native as Native,
        NativeTarget as NativeTarget,
        Store as Store,
        Template as Template,
        Url as Url,
    )
    from nova_virt_api.model.image_copy import (
        ImageCopy as ImageCopy,
    )
    from nova_virt_api.model.instance import (
        Condition as Condition,
        DiskPolicy as DiskPolicy,
        Health as Health,
        Instance as Instance,
        Lifecycle as Lifecycle,
        PowerOff as PowerOff,
        PowerState as PowerState,
        Scope as Scope,
    )
    from nova_virt_api.model.interface import (
        Interface as Interface,
    )
    from nova_virt_api.model.labels import (
        Labels as Labels,
    )
    from nova_virt_api.model.leftover import (
        Leftover as Leftover,
    )
    from nova_virt_api.model.limits import (
        DiskLimits as DiskLimits,
        DiskRate as DiskRate,
        NicLimits as NicLimits,
        NicRate as NicRate,
    )
    from nova_virt_api.model.memory import (
        MemoryBacking as MemoryBacking,
        MemoryEncryption as MemoryEncryption,
    )
    from nova_virt_api.model.metrics import (
        DiskMetrics as DiskMetrics,
        GuestMetrics as GuestMetrics,
        NicMetrics as NicMetrics,
    )
    from nova_virt_api.model.nic import (
        Address as Address,
        Nic as Nic,
        NicModel as NicModel,
    )
    from nova_virt_api.model.nic_binding import (
        BridgePort as BridgePort,
        NicBinding as NicBinding,
        OpaquePort as OpaquePort,
        OvsPort as OvsPort,
    )
    from nova_virt_api.model.place import (
        HostCell as HostCell,
        HostPages as HostPages,
        Inventory as Inventory,
        Network as Network,
        Node as Node,
        PoolFeature as PoolFeature,
        Resource as Resource,
        StoragePool as StoragePool,
    )
    from nova_virt_api.model.placement import (
        Placement as Placement,
    )
    from nova_virt_api.model.quiesce import (
        Quiesce as Quiesce,
    )
    from nova_virt_api.model.screen import (
        Graphics as Graphics,
        Screen as Screen,
        VideoModel as VideoModel,
    )
    from nova_virt_api.model.secret import (
        Secret as Secret,
    )
    from nova_virt_api.model.share import (
        HostDirectory as HostDirectory,
        Share as Share,
    )
    from nova_virt_api.model.size import (
        Size as Size,
    )
    from nova_virt_api.model.spec import (
        Extra as Extra,
        Firmware as Firmware,
        InstanceSpec as InstanceSpec,
        InstanceUpdate as InstanceUpdate,
    )
    from nova_virt_api.model.stored_volume import (
        StoredVolume as StoredVolume,
        StoredVolumeSpec as StoredVolumeSpec,
    )
    from nova_virt_api.model.ticket import (
        Move as Move,
        Ticket as Ticket,
    )
    from nova_virt_api.model.tpm import (
        Tpm as Tpm,
        TpmModel as TpmModel,
        TpmVersion as TpmVersion,
    )
    from nova_virt_api.model.units import (
        GiB as GiB,
        KiB as KiB,
        MiB as MiB,
    )
    from nova_virt_api.model.volume import (
        AttachedVolume as AttachedVolume,
        LuksEncryption as LuksEncryption,
        Volume as Volume,
        VolumeConnector as VolumeConnector,
    )
    from nova_virt_api.model.volume_connection import (
        BlockVolume as BlockVolume,
        FileVolume as FileVolume,
        IscsiVolume as IscsiVolume,
        NbdVolume as NbdVolume,
        NfsVolume as NfsVolume,
        OpaqueVolume as OpaqueVolume,
        RbdVolume as RbdVolume,
    )
    from nova_virt_api.model.watchdog import (
        Watchdog as Watchdog,
        WatchdogAction as WatchdogAction,
    )

HOMES: Final = {
    "capability": "Capability Feature",
    "compute.adoption": "Adoption AdoptionOutcome",
    "compute.compute": "Compute",
    "compute.connect": "connect",
    "compute.operation": "Operation OperationState",
    "driver.endpoint": "Manage",
    "driver.operation": "CancelMode Stage",
    "errors": (
        "Ambiguous AuthenticationFailed BackendError BackupChainBroken Busy Cancelled ConfigError ConnectionLost"
        " DriverBug DriverImportError DriverLoadError DriverNotFound DriverVersionError DuplicateDriver"
        " GuestAgentUnavailable HookFailed ImageNotFound ImageRejected InstanceExists InstanceNotFound InvalidSpec"
        " InvalidState MigrationError NetworkError NoCapacity NotSupported PermissionDenied StateAfter StorageError"
        " Timeout Unavailable VirtError VolumeError VolumeExists VolumeNotFound"
    ),
    "events": "Change Gap InstanceEvent WatchEvent",
    "model.backup": "BackupDisk BackupPoint BackupSession Extent ExtentKind",
    "model.capabilities": "Availability Capabilities",
    "model.checkpoint": "CheckpointInfo",
    "model.clone": "CloneSpec",
    "model.cloud_init": "CloudInit CloudInitSource",
    "model.console": "ConsoleAddress ConsoleKind PtyConsole TcpConsole WebConsole",
    "model.cpu": "Cpu CpuMode CpuTopology NumaCell",
    "model.device": "Device DeviceKind",
    "model.device_tag": "DeviceAddress DeviceBus",
    "model.diagnostics": "Diagnosis Incident Sensor",
    "model.disk": "Blank Disk DiskBus DiskCache",
    "model.guest_info": "GuestFilesystem GuestInfo GuestInterface GuestOs GuestUser",
    "model.host_connection": "HostConnection",
    "model.identity": "InstanceRef stable_uuid",
    "model.image": (
        "BackendUrl Checksum ImageFormat ImageInfo LocalFile LocalTarget Native NativeTarget Store Template Url"
    ),
    "model.instance": "Condition DiskPolicy Health Instance Lifecycle PowerOff PowerState Scope",
    "model.image_copy": "ImageCopy",
    "model.interface": "Interface",
    "model.labels": "Labels",
    "model.leftover": "Leftover",
    "model.limits": "DiskLimits DiskRate NicLimits NicRate",
    "model.memory": "MemoryBacking MemoryEncryption",
    "model.metrics": "DiskMetrics GuestMetrics NicMetrics",
    "model.nic": "Address Nic NicModel",
    "model.nic_binding": "BridgePort NicBinding OpaquePort OvsPort",
    "model.place": "HostCell HostPages Inventory Network Node PoolFeature Resource StoragePool",
    "model.placement": "Placement",
    "model.quiesce": "Quiesce",
    "model.screen": "Graphics Screen VideoModel",
    "model.secret": "Secret",
    "model.share": "HostDirectory Share",
    "model.size": "Size",
    "model.spec": "Extra Firmware InstanceSpec InstanceUpdate",
    "model.stored_volume": "StoredVolume StoredVolumeSpec",
    "model.ticket": "Move Ticket",
    "model.tpm": "Tpm TpmModel TpmVersion",
    "model.units": "GiB KiB MiB",
    "model.volume": "AttachedVolume LuksEncryption Volume VolumeConnector",
    "model.volume_connection": ("BlockVolume FileVolume IscsiVolume NbdVolume NfsVolume OpaqueVolume RbdVolume"),
    "model.watchdog": "Watchdog WatchdogAction",
}
"""Module below this package: the public names that live there."""

SUBMODULES: Final = {"aio": "compute.aio", "until": "compute.until", "errors": "errors"}
NAMES: Final = {name: module for module, names in HOMES.items() for name in names.split()}

__all__ = ["API_VERSION", "__version__", *NAMES, "aio", "until"]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name in NAMES:
        value: Any = getattr(import_module(f"{__name__}.{NAMES[name]}"), name)
    elif name in SUBMODULES:
        value = import_module(f"{__name__}.{SUBMODULES[name]}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *SUBMODULES, *(name for name in globals() if name.startswith("__"))})
