"""Ways to reach a volume: what is refused names the field, and each asks for its feature."""

from collections.abc import Callable
from typing import Any

import pytest

from nova_virt_api import (
    BlockVolume,
    DiskBus,
    Feature,
    FileVolume,
    HostConnection,
    ImageFormat,
    InvalidSpec,
    LuksEncryption,
    NbdVolume,
    NfsVolume,
    OpaqueVolume,
    RbdVolume,
    Secret,
    Volume,
)

KEY = Secret("AQD-hush")


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: FileVolume(path="relative.raw"), "path"),
        (lambda: FileVolume(path="/srv/../etc/shadow"), "path"),
        (lambda: FileVolume(path="/srv/a.iso", format=ImageFormat.ISO), "format"),
        (lambda: BlockVolume(path="sda"), "path"),
        (NbdVolume, "host"),
        (lambda: NbdVolume(host="a", socket="/run/b"), "host"),
        (lambda: NbdVolume(host="a", port=0), "port"),
        (lambda: NbdVolume(socket="run/b"), "socket"),
        (lambda: NfsVolume(server="a", export="srv", path="b"), "export"),
        (lambda: NfsVolume(server="a", export="/srv", path="/b"), "path"),
        (lambda: NfsVolume(server="a", export="/srv", path="../b"), "path"),
        (lambda: NfsVolume(server="a", export="/srv", path="b", format=ImageFormat.VMDK), "format"),
        (lambda: RbdVolume(monitors=("a",), pool="p", image="i"), "monitors[0]"),
        (lambda: RbdVolume(pool="p/q", image="i"), "pool"),
        (lambda: RbdVolume(pool="p", image="i", user="u"), "key"),
        (lambda: RbdVolume(pool="p", image="i", key=KEY), "key"),
        (lambda: LuksEncryption(passphrase="hush"), "passphrase"),  # type: ignore[arg-type]
        (lambda: Volume(id="v", connection=FileVolume(path="/a"), serial="ä"), "serial"),
        (lambda: Volume(id="v", connection=FileVolume(path="/a"), serial="x" * 21), "serial"),
        (lambda: Volume(id="v", connection=FileVolume(path="/a"), tag="a/b"), "tag"),
        (lambda: Volume(id="v", connection=FileVolume(path="/a"), bus="virtio"), "bus"),  # type: ignore[arg-type]
        (lambda: Volume(id="v", connection=FileVolume(path="/a"), shared=1), "shared"),  # type: ignore[arg-type]
        (
            lambda: Volume(
                id="v",
                connection=FileVolume(path="/a", format=ImageFormat.QCOW2),
                encryption=LuksEncryption(passphrase=KEY),
            ),
            "encryption",
        ),
    ],
)
def test_what_is_refused_is_named(make: Callable[[], Any], field: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        make()
    assert caught.value.field == field
    assert "hush" not in str(caught.value)


def test_each_field_asks_for_its_feature() -> None:
    volume = Volume(
        id="v",
        connection=FileVolume(path="/a"),
        bus=DiskBus.SCSI,
        encryption=LuksEncryption(passphrase=KEY),
        shared=True,
        read_only=True,
        serial="s",
        tag="t",
    )
    assert list(volume.features()) == [
        (Feature.HOST_VOLUMES, "connection"),
        (Feature.VOLUME_BUS, "bus"),
        (Feature.VOLUME_ENCRYPTION, "encryption"),
        (Feature.VOLUME_SHARED, "shared"),
        (Feature.VOLUME_READ_ONLY, "read_only"),
        (Feature.VOLUME_SERIAL, "serial"),
        (Feature.VOLUME_TAG, "tag"),
    ]
    assert "hush" not in repr(volume)


@pytest.mark.parametrize(
    ("connection", "features"),
    [
        (BlockVolume(path="/dev/a"), [Feature.HOST_VOLUMES]),
        (NbdVolume(socket="/run/a"), [Feature.NBD_VOLUMES]),
        (NfsVolume(server="a", export="/b", path="c"), [Feature.NFS_VOLUMES]),
        (RbdVolume(monitors=("a:1",), pool="b", image="c", user="d", key=KEY), [Feature.RBD_VOLUMES]),
        (HostConnection(protocol="nvmeof", properties="{}"), [Feature.HOST_CONNECTIONS]),
        (OpaqueVolume("iscsi", Secret("{}")), []),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_way_that_not_all_have_asks_for_its_feature(connection: Any, features: list[Feature]) -> None:
    assert [feature for feature, _ in Volume(id="v", connection=connection).features()] == features
