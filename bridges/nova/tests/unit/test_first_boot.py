"""What a guest finds at its first boot."""

import base64
import email
import gzip
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
import yaml
from nova import exception
from nova.network import model

import nova_virt_api as virt
from nova_virt_bridge.first_boot import cloud_init_of
from nova_virt_bridge.network_config import network_config_of
from nova_virt_bridge.spec import Request

SCRIPT = "#!/bin/sh\necho grüß dich\n"
FILES = [("/etc/motd", b"hi")]
Encoded = Callable[[bytes], str]


@pytest.fixture
def first_boot(make_instance: Any, image_meta: Any, beside: virt.Compute) -> Any:
    """Makes the first-boot data of an instance."""

    def make(files: Any = (), vifs: Any = (), **instance: Any) -> Any:
        request = Request(
            context=None,
            instance=make_instance(**instance),
            image_meta=image_meta,
            files=tuple(files),
            vifs=tuple(vifs),
            block_devices={},
        )
        return cloud_init_of(request, beside.capabilities())

    return make


def parts(user_data: str) -> list[tuple[str, str]]:
    found = [each for each in email.message_from_string(user_data).walk() if not each.is_multipart()]
    return [(each.get_content_type(), bytes(each.get_payload(decode=True)).decode()) for each in found]


def test_name_and_keys(first_boot: Any) -> None:
    told = first_boot(hostname="web", key_data="ssh-ed25519 AAAA me\nssh-rsa BBBB you\n")
    assert told.hostname == "web"
    assert told.ssh_authorized_keys == ("ssh-ed25519 AAAA me", "ssh-rsa BBBB you")
    assert told.user_data == ""
    assert told.metadata is None


def test_the_servers_metadata(first_boot: Any) -> None:
    told = first_boot(metadata={"role": "web", "A key: with words": "ä"})
    assert json.loads(told.metadata) == {"role": "web", "A key: with words": "ä"}
    assert "role" not in repr(told)


def test_a_certificate_is_no_key(first_boot: Any) -> None:
    assert first_boot(key_data="-----BEGIN CERTIFICATE-----\nMII\n").ssh_authorized_keys == ()


def test_user_data_comes_as_it_is(first_boot: Any, encoded: Encoded) -> None:
    assert first_boot(user_data=encoded(SCRIPT.encode())).user_data == SCRIPT
    assert first_boot(user_data=encoded(gzip.compress(SCRIPT.encode()))).user_data == SCRIPT


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"\x1f\x8bnot gzip"])
def test_user_data_that_is_no_text_is_refused(first_boot: Any, encoded: Encoded, data: bytes) -> None:
    with pytest.raises(exception.InvalidInput, match="not text"):
        first_boot(user_data=encoded(data))


def test_files_without_user_data(first_boot: Any) -> None:
    told = first_boot(files=[("/etc/motd", b"hi\x00")])
    config = yaml.safe_load(told.user_data)
    assert told.user_data.startswith("#cloud-config\n")
    (file,) = config["write_files"]
    assert (file["path"], base64.b64decode(file["content"])) == ("/etc/motd", b"hi\x00")


def test_files_are_added_to_what_the_user_said(first_boot: Any, encoded: Encoded) -> None:
    told = first_boot(user_data=encoded(SCRIPT.encode()), files=FILES)
    (first, text), (second, config) = parts(told.user_data)
    assert (first, text) == ("text/plain", SCRIPT)
    assert second == "text/cloud-config"
    assert yaml.safe_load(config)["merge_how"] == "list(append)+dict(no_replace,recurse_list)+str()"
    assert told == first_boot(user_data=encoded(SCRIPT.encode()), files=FILES), "the same request, the same data"


def test_user_data_of_several_parts_keeps_them(first_boot: Any, encoded: Encoded) -> None:
    several = (
        'Content-Type: multipart/mixed; boundary="B"\nMIME-Version: 1.0\n\n'
        "--B\nContent-Type: text/x-shellscript\n\necho one\n--B\nContent-Type: text/cloud-config\n\n{}\n--B--\n"
    )
    told = first_boot(user_data=encoded(several.encode()), files=FILES)
    assert [kind for kind, _ in parts(told.user_data)] == [
        "text/x-shellscript",
        "text/cloud-config",
        "text/cloud-config",
    ]
    assert parts(told.user_data)[0][1].strip() == "echo one"


# --- the network ------------------------------------------------------------------------------------------------------


def subnet(version: int, cidr: str, ip: str, *, dhcp: bool = False, **meta: Any) -> model.Subnet:
    gateway = model.IP(address=cidr.replace("0/", "1/").partition("/")[0], type="gateway", version=version)
    if dhcp:
        meta["dhcp_server"] = gateway["address"]
    return model.Subnet(
        cidr=cidr,
        gateway=gateway,
        dns=[model.IP(address="192.0.2.53", type="dns", version=4)],
        ips=[model.FixedIP(address=ip, version=version)],
        routes=[],
        version=version,
        **meta,
    )


def test_fixed_addresses(make_vif: Any) -> None:
    four = subnet(4, "192.0.2.0/24", "192.0.2.7")
    six = model.Subnet(
        cidr="2001:db8::/64",
        gateway=model.IP(address="2001:db8::1", type="gateway", version=6),
        dns=[],
        ips=[model.FixedIP(address="2001:db8::7", version=6)],
        routes=[],
        version=6,
    )
    config = yaml.safe_load(network_config_of([make_vif(subnets=[four, six], mtu=1450)]) or "")
    assert config["version"] == 2
    (interface,) = config["ethernets"].values()
    assert interface == {
        "match": {"macaddress": "fa:16:3e:00:00:01"},
        "mtu": 1450,
        "addresses": ["192.0.2.7/24", "2001:db8::7/64"],
        "nameservers": {"addresses": ["192.0.2.53"]},
        "routes": [{"to": "0.0.0.0/0", "via": "192.0.2.1"}, {"to": "::/0", "via": "2001:db8::1"}],
    }


def test_dhcp(make_vif: Any) -> None:
    vif = make_vif(subnets=[subnet(4, "192.0.2.0/24", "192.0.2.7", dhcp=True)])
    (interface,) = yaml.safe_load(network_config_of([vif]) or "")["ethernets"].values()
    assert interface == {"match": {"macaddress": "fa:16:3e:00:00:01"}, "dhcp4": True}


def test_nothing_is_known(make_vif: Any) -> None:
    assert network_config_of([]) is None
    assert network_config_of([make_vif()]) is None


# --- whether ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("asked", "forced", "seeds"), [("True", False, 1), ("", True, 1), ("", False, 0)])
@pytest.mark.usefixtures("images")
def test_only_where_nova_wants_a_config_drive(
    driver: Any, make_instance: Any, spawn: Any, config: Any, switches: Any, asked: str, forced: bool, seeds: int
) -> None:
    config.config(force_config_drive=forced)
    spawn(driver, make_instance(config_drive=asked))
    assert len([each for each in switches.outside.objects() if "seed" in str(each)]) == seeds


@pytest.mark.parametrize("forms", [{virt.Feature.NOCLOUD, virt.Feature.CONFIG_DRIVE}, {virt.Feature.NOCLOUD}, set()])
@pytest.mark.usefixtures("images")
def test_it_is_a_config_drive_where_the_endpoint_makes_them(
    driver: Any, make_instance: Any, spawn: Any, switches: Any, forms: set[virt.Feature]
) -> None:
    """An image that knows OpenStack alone finds what it looks for; other endpoints choose by themselves."""
    for feature in {virt.Feature.NOCLOUD, virt.Feature.CONFIG_DRIVE} - forms:
        switches.withdraw(feature)
    instance = make_instance(config_drive="True")
    spawn(driver, instance)
    (seed,) = (one for one in switches.outside.parts(UUID(instance.uuid)).volumes if one.kind == "seed")
    made = virt.CloudInitSource.CONFIG_DRIVE if virt.Feature.CONFIG_DRIVE in forms else virt.CloudInitSource.NOCLOUD
    assert seed.content.endswith(made.value)


def test_an_endpoint_without_first_boot_data_refuses(
    driver: Any, make_instance: Any, spawn: Any, switches: Any
) -> None:
    switches.withdraw(virt.Feature.CLOUD_INIT)
    with pytest.raises(exception.ComputeResourcesUnavailable, match="cloud_init"):
        spawn(driver, make_instance(config_drive="True"))
