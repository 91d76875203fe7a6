"""Tags of devices: what is one, and what asks for it."""

from collections.abc import Callable
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api.errors import InvalidSpec

FILE = virt.FileVolume(path="/a")
MAKERS: dict[virt.Feature, Callable[[Any], Any]] = {
    virt.Feature.NIC_TAG: lambda tag: virt.Nic(tag=tag),
    virt.Feature.DISK_TAG: lambda tag: virt.Disk(source=virt.Native("image"), tag=tag),
    virt.Feature.VOLUME_TAG: lambda tag: virt.Volume(id="v", connection=FILE, tag=tag),
}


@pytest.mark.parametrize("feature", MAKERS)
@pytest.mark.parametrize("tag", ["a/b", "a,b", "", "x" * 61, "a\nb", 7])
def test_what_is_no_tag_is_refused(feature: virt.Feature, tag: Any) -> None:
    with pytest.raises(InvalidSpec) as caught:
        MAKERS[feature](tag)
    assert caught.value.field == "tag"


@pytest.mark.parametrize("feature", MAKERS)
def test_a_tag_asks_for_its_feature(feature: virt.Feature) -> None:
    assert (feature, "tag") in list(MAKERS[feature]("ä b" * 20).features())
    assert (feature, "tag") not in list(MAKERS[feature](None).features())


def test_an_address_has_a_bus() -> None:
    with pytest.raises(InvalidSpec, match="bus"):
        virt.DeviceAddress(bus="pci", text="0000:00:01.0")  # type: ignore[arg-type]
