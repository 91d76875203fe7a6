"""Volumes: what is refused says why and shows no secret; what is accepted holds none that can be seen."""

from typing import Any

import pytest

from nova_virt_api import InstanceSpec, InvalidSpec, IscsiVolume, MiB, OpaqueVolume, Secret, Volume, stable_uuid
from nova_virt_api.model.record import fingerprint

IQN = "iqn.2001-04.com.example:disk"
PASSWORD = "hunter2"


def iscsi(**changes: Any) -> IscsiVolume:
    return IscsiVolume(**{"portal": "192.0.2.7:3260", "iqn": IQN, **changes})


def spec(*volumes: Volume) -> InstanceSpec:
    return InstanceSpec(uuid=stable_uuid("web"), name="web", memory_bytes=MiB(64), volumes=volumes)


@pytest.mark.parametrize(
    ("build", "field"),
    [
        (lambda: iscsi(portal="192.0.2.7"), "portal"),
        (lambda: iscsi(portal="192.0.2.7:0"), "portal"),
        (lambda: iscsi(portal=":3260"), "portal"),
        (lambda: iscsi(iqn=""), "iqn"),
        (lambda: iscsi(lun=-1), "lun"),
        (lambda: iscsi(chap_username="me"), "chap_password"),
        (lambda: iscsi(chap_password=Secret(PASSWORD)), "chap_password"),
        (lambda: iscsi(chap_username="me", chap_password=7), "chap_password"),
        (lambda: OpaqueVolume("iscsi", Secret(f"[{PASSWORD!r}]")), "properties"),
        (lambda: OpaqueVolume("iscsi", Secret(PASSWORD)), "properties"),
        (lambda: OpaqueVolume("", Secret("{}")), "kind"),
        (lambda: OpaqueVolume("iscsi", Secret(PASSWORD * 20_000)), "properties"),
        (lambda: Volume(id="", connection=iscsi()), "id"),
        (lambda: Volume(id="v", connection=IQN), "connection"),  # type: ignore[arg-type]
        (lambda: Volume(id="v", connection=iscsi(), boot=1), "boot"),  # type: ignore[arg-type]
        (lambda: spec(*[Volume(id="v", connection=iscsi())] * 2), "volumes"),
        (lambda: spec(*(Volume(id=text, connection=iscsi(), boot=True) for text in "ab")), "volumes"),
    ],
)
def test_what_is_wrong_is_refused_naming_its_field(build: Any, field: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        build()
    assert caught.value.field == field
    assert PASSWORD not in str(caught.value)


def test_an_ipv6_portal_is_one() -> None:
    assert iscsi(portal="[2001:db8::7]:3260").portal == "[2001:db8::7]:3260"


def test_a_secret_is_neither_shown_nor_part_of_the_fingerprint() -> None:
    made = [
        spec(Volume(id="v", connection=iscsi(chap_username="me", chap_password=Secret(text))))
        for text in (PASSWORD, "x")
    ]
    assert PASSWORD not in repr(made[0])
    assert fingerprint(made[0]) == fingerprint(made[1])
    assert fingerprint(made[0]) != fingerprint(spec(Volume(id="v", connection=iscsi())))
    opaque = [spec(Volume(id="v", connection=OpaqueVolume("fc", Secret(text)))) for text in ('{"a": 1}', "{}")]
    assert fingerprint(opaque[0]) == fingerprint(opaque[1])
