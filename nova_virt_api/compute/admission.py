"""What is refused before a driver is called: anything that the endpoint does not declare."""

from collections.abc import Mapping
from typing import TypeVar

from nova_virt_api.capability import Feature
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.operation import Stage
from nova_virt_api.driver.role import Role
from nova_virt_api.errors import InvalidSpec, NotSupported
from nova_virt_api.model.check import check
from nova_virt_api.model.spec import InstanceSpec, InstanceUpdate

R = TypeVar("R", bound=Role)


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


def admit_update(driver: Driver, update: InstanceUpdate) -> None:
    """Refuse a change that the endpoint does not declare.

    Raises:
        NotSupported: names the feature and the field.
    """
    check_kind("update", update, InstanceUpdate)
    capabilities = driver.capabilities()
    for feature, field in update.features():
        capabilities.require(feature, field)


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
        raise NotSupported(capability, reason=f"the driver {driver.endpoint.driver} does not have it")
    if kind.capability is not None:
        driver.capabilities().require(kind.capability)
    return driver


def check_hooks(hooks: Mapping[Stage, object] | None, stages: tuple[Stage, ...]) -> None:
    """Refuse hooks that would never run."""
    for stage, hook in (hooks or {}).items():
        check(stage in stages, "hooks", stage, f"hooks for {', '.join(map(str, stages))}")
        check(callable(hook), f"hooks[{stage}]", hook, "a function that takes the operation")


def check_kind(field: str, value: object, kind: type) -> None:
    """Refuse an argument of another type."""
    if not isinstance(value, kind):
        raise InvalidSpec(field, value, f"an object of type {kind.__name__}")
