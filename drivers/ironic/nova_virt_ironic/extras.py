"""What only Ironic's guests can be asked for, to be put into ``InstanceSpec.extras``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nova_virt_api.model.check import check, check_text, check_type, frozen_tuple
from nova_virt_api.model.image import LONGEST_REFERENCE, check_url, shown_url
from nova_virt_api.model.labels import NO_LABELS, Labels
from nova_virt_api.model.spec import Extra


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware(Extra):
    """Which nodes will do, beside the number of CPUs and the memory that the spec names.

    Args:
        resource_class: the kind of machine, as the node says or as Placement spells it (``CUSTOM_...``).
        traits: all of these; deploy templates of these names are applied.
        capabilities: all of these pairs of the node's ``properties/capabilities``.
    """

    resource_class: str | None = None
    traits: Sequence[str] = ()
    capabilities: Mapping[str, str] = NO_LABELS

    def __post_init__(self) -> None:
        if self.resource_class is not None:
            check_text("resource_class", self.resource_class, 80)
        frozen_tuple(self, "traits", str, "names of traits")
        for index, trait in enumerate(self.traits):
            check_text(f"traits[{index}]", trait, 255)
        if not isinstance(self.capabilities, Labels):
            object.__setattr__(self, "capabilities", Labels(self.capabilities))


@dataclass(frozen=True, slots=True, repr=False)
class BootIso(Extra):
    """Start from an ISO image, by Ironic's ``ramdisk`` deployment, instead of writing a disk.

    Args:
        url: of the image, as Ironic's conductor sees it. Its query, which may hold a token, is never shown.
    """

    url: str

    def __post_init__(self) -> None:
        check_type("url", self.url, str, "a URL, or a reference to an image of Glance's")
        if "://" in self.url and not self.url.startswith("file://"):
            check_url(self.url)
        check_text("url", self.url, LONGEST_REFERENCE)

    def __repr__(self) -> str:
        return f"BootIso({shown_url(self.url) if '://' in self.url else self.url!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionImage(Extra):
    """What the image of the first disk, being one of a single file system, is started with.

    Args:
        kernel: reference to the kernel, as Ironic takes it.
        ramdisk: reference to its initial RAM disk.
    """

    kernel: str
    ramdisk: str

    def __post_init__(self) -> None:
        for field in ("kernel", "ramdisk"):
            value = getattr(self, field)
            check_type(field, value, str, "a URL, or a reference to an image of Glance's")
            check(bool(value), field, value, "a URL, or a reference to an image of Glance's")
            check_text(field, value, LONGEST_REFERENCE)
