"""What is refused before a driver is called: anything that the endpoint does not declare."""

from collections.abc import Mapping
from enum import Enum
from typing import Final, TypeVar

from nova_virt_api.capability import Feature
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.operation import Stage
from nova_virt_api.driver.role import Role
from nova_virt_api.errors import InvalidSpec, NotSupported
from nova_virt_api.model.check import check
from nova_virt_api.model.clone import CloneSpec
from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.model.disk import source_features
from nova_virt_api.model.image import BackendUrl, ImageSource, LocalFile, Native, Store, Template, Url
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.share import Share
from nova_virt_api.model.spec import InstanceSpec, InstanceUpdate
from nova_virt_api.model.volume import Volume

R = TypeVar("R", bound=Role)
SPAWN_HOOKS: Final = (Stage.NETWORK_READY, Stage.DISKS_READY, Stage.BEFORE_START)
START_HOOKS: Final = (Stage.BEFORE_START,)
IMAGE_SOURCES: Final = (LocalFile, Url, BackendUrl, Native, Template, Store)


def admit_spec(driver: Driver, spec: InstanceSpec) -> None:
    """Refuse a spec that uses a feature which the endpoint or the node asked for does not declare.

    Raises:
        NotSupported: names the feature and the field.
        InvalidSpec: ``extras`` holds a type that is not this driver's.
    """
    check_kind("spec", spec, InstanceSpec)
    for index, extra in enumerate(spec.extras):
        if not isinstance(extra, driver.extras):
            names = ", ".join(kind.__name__ for kind in driver.extras)
            raise InvalidSpec(f"extras[{index}]", type(extra).__name__, f"one of: {names}" if names else "nothing here")
    try:
        capabilities = driver.capabilities(spec.placement.node)
    except InvalidSpec as error:
        raise error.under("placement") from error
    for feature, field in spec.features():
        capabilities.require(feature, field)


def admit_clone(driver: Driver, spec: CloneSpec) -> None:
    """Refuse a copy that uses a feature which the endpoint does not declare.

    Raises:
        NotSupported: names the feature and the field.
    """
    capabilities = driver.capabilities()
    for feature, field in spec.features():
        capabilities.require(feature, field)


def admit_update(driver: Driver, update: InstanceUpdate) -> None:
    """Refuse a change that the endpoint does not declare.

    Raises:
        NotSupported: names the feature and the field.
    """
    check_kind("update", update, InstanceUpdate)
    capabilities = driver.capabilities()
    for feature, field in update.features():
        capabilities.require(feature, field)


def admit_source(driver: Driver, source: ImageSource, field: str, *also: Feature) -> None:
    """Refuse an image from where the endpoint does not declare to take one.

    Args:
        driver: the opened driver.
        source: the image.
        field: the argument that names it.
        also: what the endpoint has to declare beside.

    Raises:
        InvalidSpec: it is no source of an image.
        NotSupported: names the feature and the argument.
    """
    check(isinstance(source, IMAGE_SOURCES), field, source, "a source of an image, e.g. Native(...)")
    capabilities = driver.capabilities()
    for feature in (*also, *source_features(source)):
        capabilities.require(feature, field)


def admit_nic(driver: Driver, nic: Nic) -> None:
    """Refuse an interface that asks for what the endpoint does not declare.

    Raises:
        NotSupported: names the feature and the field.
    """
    check_kind("nic", nic, Nic, 'Nic(network="default")')
    capabilities = driver.capabilities()
    for feature, field in nic.features():
        capabilities.require(feature, f"nic.{field}")


def admit_volume(driver: Driver, volume: Volume) -> None:
    """Refuse a volume that asks for what the endpoint does not declare.

    Raises:
        NotSupported: names the feature and the field.
    """
    check_private("volume", volume, Volume, 'Volume(id="data", connection=FileVolume(path="/volumes/data.raw"))')
    capabilities = driver.capabilities()
    for feature, field in volume.features():
        capabilities.require(feature, f"volume.{field}")


def admit_cloud_init(driver: Driver, cloud_init: CloudInit) -> None:
    """Refuse first-boot data, or a form of them, that the endpoint does not declare.

    Raises:
        NotSupported: names the feature and the field.
    """
    capabilities = driver.capabilities()
    for feature, field in cloud_init.features():
        capabilities.require(feature, field)


def admit_share(driver: Driver, share: Share) -> None:
    """Refuse a share that asks for what the endpoint does not declare.

    Raises:
        NotSupported: names the feature and the field.
    """
    check_kind("share", share, Share)
    capabilities = driver.capabilities()
    for feature, field in share.features():
        capabilities.require(feature, f"share.{field}")


def admit_feature(driver: Driver, feature: Feature, field: str) -> None:
    """Refuse an argument that the endpoint does not declare.

    Raises:
        NotSupported: names the feature and the argument.
    """
    driver.capabilities().require(feature, field)


def admitted_role(driver: Driver, kind: type[R]) -> R:
    """The driver as one of its roles.

    Raises:
        NotSupported: the driver's class does not have the role, or this endpoint cannot serve it.
    """
    good = isinstance(kind, type) and issubclass(kind, Role)
    check(good, "role", kind, "a class that inherits nova_virt_api.driver.role.Role")
    if not isinstance(driver, kind):
        capability = kind.capability
        if capability is None:
            raise InvalidSpec("role", kind.__name__, f"a role that the driver {driver.endpoint.driver} has")
        said = driver.capabilities().answers.get(capability)  # a driver may say why it has none
        reason = said.reason if said is not None else f"the driver {driver.endpoint.driver} does not have it"
        raise NotSupported(capability, reason=reason)
    if kind.capability is not None:
        driver.capabilities().require(kind.capability)
    return driver


def check_hooks(hooks: Mapping[Stage, object] | None, stages: tuple[Stage, ...]) -> None:
    """Refuse hooks that would never run."""
    for stage, hook in (hooks or {}).items():
        check(stage in stages, "hooks", stage, f"hooks for {', '.join(map(str, stages))}")
        check(callable(hook), f"hooks[{stage}]", hook, "a function that takes the operation")


def check_kind(field: str, value: object, kind: type, example: str = "") -> None:
    """Refuse an argument of another type; say what is meant, by an example or by all members of an enum."""
    if isinstance(value, kind):
        return
    if issubclass(kind, Enum):
        raise InvalidSpec(field, value, f"one of: {', '.join(str(member) for member in kind)}")
    raise InvalidSpec(field, value, f"an object of type {kind.__name__}" + (f", e.g. {example}" if example else ""))


def check_private(field: str, value: object, kind: type, example: str = "") -> None:
    """Refuse an argument of another type without telling what it says, which may be a secret."""
    if not isinstance(value, kind):
        check_kind(field, f"an object of type {type(value).__name__}", kind, example)
