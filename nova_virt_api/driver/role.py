"""Base of all roles."""

from abc import ABC
from typing import Any, ClassVar

from nova_virt_api.capability import Capability


class Role(ABC):
    """An optional family of verbs. A driver's class inherits the roles that it implements.

    A role of the contract is declared with ``class Pause(Role, capability=Capability.PAUSE)``. A role that only one
    vendor has is declared without capability in the driver's package and reached by ``compute.role(ThatRole)``.
    """

    capability: ClassVar[Capability | None] = None

    def __init_subclass__(cls, capability: Capability | None = None, **more: Any) -> None:
        super().__init_subclass__(**more)
        if capability is not None:
            cls.capability = capability


def roles_of(driver_class: type) -> frozenset[type[Role]]:
    """The contract's roles that a driver's class implements."""
    return frozenset(
        base
        for base in driver_class.__mro__
        if issubclass(base, Role) and "capability" in vars(base) and base.capability is not None
    )
