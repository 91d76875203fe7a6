"""Manage guests on any hypervisor through one typed API. Public names, loaded when they are first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.version import API_VERSION, __version__

if TYPE_CHECKING:
    from nova_virt_api.capability import Capability, Feature
    from nova_virt_api.compute import until
    from nova_virt_api.compute.compute import Compute
    from nova_virt_api.compute.connect import connect
    from nova_virt_api.compute.operation import Operation, OperationState
    from nova_virt_api.driver.endpoint import Manage
    from nova_virt_api.driver.operation import CancelMode, Stage
    from nova_virt_api.errors import (
        Ambiguous,
        AuthenticationFailed,
        BackendError,
        Busy,
        Cancelled,
        ConfigError,
        ConnectionLost,
        DriverBug,
        DriverImportError,
        DriverLoadError,
        DriverNotFound,
        DriverVersionError,
        DuplicateDriver,
        GuestAgentUnavailable,
        HookFailed,
        ImageNotFound,
        ImageRejected,
        InstanceExists,
        InstanceNotFound,
        InvalidSpec,
        InvalidState,
        NetworkError,
        NoCapacity,
        NotSupported,
        PermissionDenied,
        StateAfter,
        StorageError,
        Timeout,
        Unavailable,
        VirtError,
    )
    from nova_virt_api.events import Change, Gap, InstanceEvent, WatchEvent
    from nova_virt_api.model.capabilities import Availability, Capabilities
    from nova_virt_api.model.cloud_init import CloudInit
    from nova_virt_api.model.console import ConsoleAddress, ConsoleKind, PtyConsole, TcpConsole
    from nova_virt_api.model.disk import Blank, Disk, DiskBus
    from nova_virt_api.model.identity import InstanceRef, stable_uuid
    from nova_virt_api.model.image import (
        BackendUrl,
        Checksum,
        ImageFormat,
        ImageInfo,
        LocalFile,
        LocalTarget,
        Native,
        NativeTarget,
        Store,
        Template,
        Url,
    )
    from nova_virt_api.model.instance import (
        Condition,
        DiskPolicy,
        Health,
        Instance,
        Lifecycle,
        PowerOff,
        PowerState,
        Scope,
    )
    from nova_virt_api.model.labels import Labels
    from nova_virt_api.model.leftover import Leftover
    from nova_virt_api.model.nic import Address, Nic, NicModel
    from nova_virt_api.model.place import Inventory, Network, Node, PoolFeature, Resource, StoragePool
    from nova_virt_api.model.placement import Placement
    from nova_virt_api.model.secret import Secret
    from nova_virt_api.model.spec import Extra, Firmware, InstanceSpec, InstanceUpdate
    from nova_virt_api.model.units import GiB, KiB, MiB

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
