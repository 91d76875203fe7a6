"""Manage guests on any hypervisor through one typed API. Public names, loaded when they are first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.version import API_VERSION, __version__

if TYPE_CHECKING:
    from nova_virt_api.capability import (
        Capability as Capability,
    )
    from nova_virt_api.capability import (
        Feature as Feature,
    )
    from nova_virt_api.compute import (
        aio as aio,
    )
    from nova_virt_api.compute import (
        until as until,
    )
    from nova_virt_api.compute.compute import (
        Compute as Compute,
    )
    from nova_virt_api.compute.connect import (
        connect as connect,
    )
    from nova_virt_api.compute.operation import (
        Operation as Operation,
    )
    from nova_virt_api.compute.operation import (
        OperationState as OperationState,
    )
    from nova_virt_api.driver.endpoint import (
        Manage as Manage,
    )
    from nova_virt_api.driver.operation import (
        CancelMode as CancelMode,
    )
    from nova_virt_api.driver.operation import (
        Stage as Stage,
    )
    from nova_virt_api.errors import (
        Ambiguous as Ambiguous,
    )
    from nova_virt_api.errors import (
        AuthenticationFailed as AuthenticationFailed,
    )
    from nova_virt_api.errors import (
        BackendError as BackendError,
    )
    from nova_virt_api.errors import (
        Busy as Busy,
    )
    from nova_virt_api.errors import (
        Cancelled as Cancelled,
    )
    from nova_virt_api.errors import (
        ConfigError as ConfigError,
    )
    from nova_virt_api.errors import (
        ConnectionLost as ConnectionLost,
    )
    from nova_virt_api.errors import (
        DriverBug as DriverBug,
    )
    from nova_virt_api.errors import (
        DriverImportError as DriverImportError,
    )
    from nova_virt_api.errors import (
        DriverLoadError as DriverLoadError,
    )
    from nova_virt_api.errors import (
        DriverNotFound as DriverNotFound,
    )
    from nova_virt_api.errors import (
        DriverVersionError as DriverVersionError,
    )
    from nova_virt_api.errors import (
        DuplicateDriver as DuplicateDriver,
    )
    from nova_virt_api.errors import (
        GuestAgentUnavailable as GuestAgentUnavailable,
    )
    from nova_virt_api.errors import (
        HookFailed as HookFailed,
    )
    from nova_virt_api.errors import (
        ImageNotFound as ImageNotFound,
    )
    from nova_virt_api.errors import (
        ImageRejected as ImageRejected,
    )
    from nova_virt_api.errors import (
        InstanceExists as InstanceExists,
    )
    from nova_virt_api.errors import (
        InstanceNotFound as InstanceNotFound,
    )
    from nova_virt_api.errors import (
        InvalidSpec as InvalidSpec,
    )
    from nova_virt_api.errors import (
        InvalidState as InvalidState,
    )
    from nova_virt_api.errors import (
        NetworkError as NetworkError,
    )
    from nova_virt_api.errors import (
        NoCapacity as NoCapacity,
    )
    from nova_virt_api.errors import (
        NotSupported as NotSupported,
    )
    from nova_virt_api.errors import (
        PermissionDenied as PermissionDenied,
    )
    from nova_virt_api.errors import (
        StateAfter as StateAfter,
    )
    from nova_virt_api.errors import (
        StorageError as StorageError,
    )
    from nova_virt_api.errors import (
        Timeout as Timeout,
    )
    from nova_virt_api.errors import (
        Unavailable as Unavailable,
    )
    from nova_virt_api.errors import (
        VirtError as VirtError,
    )
    from nova_virt_api.events import (
        Change as Change,
    )
    from nova_virt_api.events import (
        Gap as Gap,
    )
    from nova_virt_api.events import (
        InstanceEvent as InstanceEvent,
    )
    from nova_virt_api.events import (
        WatchEvent as WatchEvent,
    )
    from nova_virt_api.model.capabilities import (
        Availability as Availability,
    )
    from nova_virt_api.model.capabilities import (
        Capabilities as Capabilities,
    )
    from nova_virt_api.model.cloud_init import (
        CloudInit as CloudInit,
    )
    from nova_virt_api.model.console import (
        ConsoleAddress as ConsoleAddress,
    )
    from nova_virt_api.model.console import (
        ConsoleKind as ConsoleKind,
    )
    from nova_virt_api.model.console import (
        PtyConsole as PtyConsole,
    )
    from nova_virt_api.model.console import (
        TcpConsole as TcpConsole,
    )
    from nova_virt_api.model.disk import (
        Blank as Blank,
    )
    from nova_virt_api.model.disk import (
        Disk as Disk,
    )
    from nova_virt_api.model.disk import (
        DiskBus as DiskBus,
    )
    from nova_virt_api.model.identity import (
        InstanceRef as InstanceRef,
    )
    from nova_virt_api.model.identity import (
        stable_uuid as stable_uuid,
    )
    from nova_virt_api.model.image import (
        BackendUrl as BackendUrl,
    )
    from nova_virt_api.model.image import (
        Checksum as Checksum,
    )
    from nova_virt_api.model.image import (
        ImageFormat as ImageFormat,
    )
    from nova_virt_api.model.image import (
        ImageInfo as ImageInfo,
    )
    from nova_virt_api.model.image import (
        LocalFile as LocalFile,
    )
    from nova_virt_api.model.image import (
        LocalTarget as LocalTarget,
    )
    from nova_virt_api.model.image import (
        Native as Native,
    )
    from nova_virt_api.model.image import (
        NativeTarget as NativeTarget,
    )
    from nova_virt_api.model.image import (
        Store as Store,
    )
    from nova_virt_api.model.image import (
        Template as Template,
    )
    from nova_virt_api.model.image import (
        Url as Url,
    )
    from nova_virt_api.model.instance import (
        Condition as Condition,
    )
    from nova_virt_api.model.instance import (
        DiskPolicy as DiskPolicy,
    )
    from nova_virt_api.model.instance import (
        Health as Health,
    )
    from nova_virt_api.model.instance import (
        Instance as Instance,
    )
    from nova_virt_api.model.instance import (
        Lifecycle as Lifecycle,
    )
    from nova_virt_api.model.instance import (
        PowerOff as PowerOff,
    )
    from nova_virt_api.model.instance import (
        PowerState as PowerState,
    )
    from nova_virt_api.model.instance import (
        Scope as Scope,
    )
    from nova_virt_api.model.labels import (
        Labels as Labels,
    )
    from nova_virt_api.model.leftover import (
        Leftover as Leftover,
    )
    from nova_virt_api.model.nic import (
        Address as Address,
    )
    from nova_virt_api.model.nic import (
        Nic as Nic,
    )
    from nova_virt_api.model.nic import (
        NicModel as NicModel,
    )
    from nova_virt_api.model.place import (
        Inventory as Inventory,
    )
    from nova_virt_api.model.place import (
        Network as Network,
    )
    from nova_virt_api.model.place import (
        Node as Node,
    )
    from nova_virt_api.model.place import (
        PoolFeature as PoolFeature,
    )
    from nova_virt_api.model.place import (
        Resource as Resource,
    )
    from nova_virt_api.model.place import (
        StoragePool as StoragePool,
    )
    from nova_virt_api.model.placement import (
        Placement as Placement,
    )
    from nova_virt_api.model.secret import (
        Secret as Secret,
    )
    from nova_virt_api.model.spec import (
        Extra as Extra,
    )
    from nova_virt_api.model.spec import (
        Firmware as Firmware,
    )
    from nova_virt_api.model.spec import (
        InstanceSpec as InstanceSpec,
    )
    from nova_virt_api.model.spec import (
        InstanceUpdate as InstanceUpdate,
    )
    from nova_virt_api.model.units import (
        GiB as GiB,
    )
    from nova_virt_api.model.units import (
        KiB as KiB,
    )
    from nova_virt_api.model.units import (
        MiB as MiB,
    )

HOMES: Final = {
    "capability": "Capability Feature",
    "compute.compute": "Compute",
    "compute.connect": "connect",
    "compute.operation": "Operation OperationState",
    "driver.endpoint": "Manage",
    "driver.operation": "CancelMode Stage",
    "errors": (
        "Ambiguous AuthenticationFailed BackendError Busy Cancelled ConfigError ConnectionLost DriverBug"
        " DriverImportError DriverLoadError DriverNotFound DriverVersionError DuplicateDriver GuestAgentUnavailable"
        " HookFailed ImageNotFound ImageRejected InstanceExists InstanceNotFound InvalidSpec InvalidState NetworkError"
        " NoCapacity NotSupported PermissionDenied StateAfter StorageError Timeout Unavailable VirtError"
    ),
    "events": "Change Gap InstanceEvent WatchEvent",
    "model.capabilities": "Availability Capabilities",
    "model.cloud_init": "CloudInit",
    "model.console": "ConsoleAddress ConsoleKind PtyConsole TcpConsole",
    "model.disk": "Blank Disk DiskBus",
    "model.identity": "InstanceRef stable_uuid",
    "model.image": (
        "BackendUrl Checksum ImageFormat ImageInfo LocalFile LocalTarget Native NativeTarget Store Template Url"
    ),
    "model.instance": "Condition DiskPolicy Health Instance Lifecycle PowerOff PowerState Scope",
    "model.labels": "Labels",
    "model.leftover": "Leftover",
    "model.nic": "Address Nic NicModel",
    "model.place": "Inventory Network Node PoolFeature Resource StoragePool",
    "model.placement": "Placement",
    "model.secret": "Secret",
    "model.spec": "Extra Firmware InstanceSpec InstanceUpdate",
    "model.units": "GiB KiB MiB",
}
"""Module below this package: the public names that live there."""

SUBMODULES: Final = {"aio": "compute.aio", "until": "compute.until", "errors": "errors", "testing": "testing"}
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
    return sorted({*globals(), *__all__})
