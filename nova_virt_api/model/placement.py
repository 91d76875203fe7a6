"""Where a guest is to live."""

from dataclasses import dataclass, fields

from nova_virt_api.model.check import check_text, check_type


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Names places of the endpoint; what is left out is chosen where exactly one candidate exists.

    Args:
        node: name or id of a node (host, cluster, machine).
        pool: name or id of the storage pool for disks that name none.
        folder: the backend's folder or directory for guests, where it has such.
        host: one host inside a node that has several.
        pinned: whether the guest must stay on that node or host.
    """

    node: str | None = None
    pool: str | None = None
    folder: str | None = None
    host: str | None = None
    pinned: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "pinned":
                check_type("pinned", value, bool, "True or False")
            elif value is not None:
                check_text(field.name, value, 255)
