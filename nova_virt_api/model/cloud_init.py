"""First-boot data for cloud-init or a compatible agent in the guest."""

import enum
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from nova_virt_api.capability import Feature
from nova_virt_api.model.check import check, check_text, check_type, frozen_tuple, is_unicode

LARGEST: Final = 1024**2
"""One mebibyte of user data; backends with a lower limit refuse on their own."""


class CloudInitSource(enum.Enum):
    """Where a guest looks for its first-boot data: one of cloud-init's data sources."""

    NOCLOUD = "nocloud"
    """A medium called ``cidata`` with ``meta-data``, ``user-data`` and ``network-config``."""

    CONFIG_DRIVE = "config-drive"
    """OpenStack's config drive, version 2: a medium or partition called ``config-2``. Images that were made for
    OpenStack know it, also those without cloud-init (Windows, CoreOS)."""


FEATURES: Final = {CloudInitSource.NOCLOUD: Feature.NOCLOUD, CloudInitSource.CONFIG_DRIVE: Feature.CONFIG_DRIVE}
"""What an endpoint declares that can hand out first-boot data in this form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudInit:
    """What the guest reads at its first boot.

    Args:
        user_data: ``#cloud-config``, a script, or any other form that cloud-init knows. Not printed by ``repr``.
        network_config: cloud-init's network configuration, version 2, as YAML; None lets the guest use DHCP.
        hostname: None takes the guest's name.
        ssh_authorized_keys: public keys, one line each.
        metadata: a JSON object that programs in the guest find as ``meta`` in its metadata; cloud-init shows it as
            ``ds.meta_data.meta``. Not printed by ``repr``.
        source: where the guest looks for all that; None is the driver's choice. A config drive says less of networks
            than version 2 of cloud-init's configuration: what it cannot say is refused.
    """

    user_data: str = field(default="", repr=False)
    network_config: str | None = None
    hostname: str | None = None
    ssh_authorized_keys: Sequence[str] = ()
    metadata: str | None = field(default=None, repr=False)
    source: CloudInitSource | None = None

    def __post_init__(self) -> None:
        for name, value in (("user_data", self.user_data), ("network_config", self.network_config or "")):
            check_type(name, value, str, "text")
            size = len(value.encode("utf-8", "replace"))
            check(size <= LARGEST, name, f"{size} bytes", f"at most {LARGEST} bytes")
            check(is_unicode(value), name, "half of a surrogate pair", "text of whole Unicode characters")
        if self.hostname is not None:
            check_text("hostname", self.hostname, 253)
        frozen_tuple(self, "ssh_authorized_keys", str, "public keys")
        for index, key in enumerate(self.ssh_authorized_keys):
            check_text(f"ssh_authorized_keys[{index}]", key, 16384)
        if self.metadata is not None:
            check_metadata(self.metadata)
        if self.source is not None:
            check_type("source", self.source, CloudInitSource, "a CloudInitSource")

    def features(self) -> Iterator[tuple[Feature, str]]:
        """What an endpoint must declare for this, each with the field that asks for it."""
        yield Feature.CLOUD_INIT, "cloud_init"
        if self.source is not None:
            yield FEATURES[self.source], "cloud_init.source"


def check_metadata(metadata: object) -> None:
    """Refuse what is no JSON object, without showing it."""
    allowed = "text that holds a JSON object, of finite numbers and whole Unicode characters"
    check(isinstance(metadata, str), "metadata", type(metadata).__name__, allowed)
    text = str(metadata)
    check(len(text) <= LARGEST, "metadata", f"{len(text)} characters", f"at most {LARGEST} characters")
    try:
        loaded = json.loads(text)
        json.dumps(loaded, ensure_ascii=False, allow_nan=False).encode()
        good = isinstance(loaded, dict)
    except (ValueError, RecursionError):
        good = False
    check(good, "metadata", "other text", allowed)
