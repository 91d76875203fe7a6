"""Spec files are read strictly, and an error says where to look."""

from pathlib import Path
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api.specfile import read_spec, spec_of
from nova_virt_api.specfile.document import parse_document

FULL = """
name: web
uuid: 6ba7b810-9dad-41d1-80b4-00c04fd430c8
vcpus: 2
memory_bytes: 1.5G
disks:
- source: {local_file: images/debian.qcow2, format: qcow2, checksum: "sha256:DIGEST"}
  size_bytes: 20GiB
  pool: fast
  bus: virtio
- source: {url: https://example.org/x.img}
- source: {backend_url: https://example.org/x.img, checksum: "sha256:DIGEST", format: raw}
- source: {native: debian-13}
- source: {template: golden}
- source: {store: glance, id: "5"}
- source: {blank: true}
  size_bytes: 1073741824
volumes:
- id: root
  boot: true
  connection:
    iscsi:
      portal: 192.0.2.7:3260
      iqn: iqn.2001-04.com.example:root
      lun: 3
      chap_username: me
      chap_password: {file: password}
- id: data
  connection: {opaque: {kind: fibre_channel, properties: {env: THE_PROPERTIES}}}
nics:
- {network: default, mac: "52:54:00:00:00:01", model: virtio}
- {vif_id: port-1}
- {}
cloud_init:
  user_data_file: user-data
  network_config: "version: 2"
  hostname: www
  ssh_authorized_keys: [ssh-ed25519 AAAA]
placement: {node: one, pool: slow, folder: here, host: h, pinned: true}
firmware: uefi
labels: {tier: front}
power_on: false
""".replace("DIGEST", "ab" * 32)


def spec(text: str, folder: Path = Path()) -> virt.InstanceSpec:
    return spec_of(parse_document(text, "web.yaml", folder))


def test_every_field_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_PROPERTIES", '{"lun": 1}')
    (tmp_path / "password").write_text("hunter2\n")
    (tmp_path / "user-data").write_text("#cloud-config\n")
    (tmp_path / "web.yaml").write_text(FULL)
    checksum = virt.Checksum(digest="ab" * 32)
    read = read_spec(str(tmp_path / "web.yaml"))
    assert read == virt.InstanceSpec(
        uuid=read.uuid,
        name="web",
        vcpus=2,
        memory_bytes=virt.GiB(1.5),
        disks=[
            virt.Disk(
                source=virt.LocalFile(tmp_path / "images/debian.qcow2", virt.ImageFormat.QCOW2, checksum),
                size_bytes=virt.GiB(20),
                pool="fast",
                bus=virt.DiskBus.VIRTIO,
            ),
            virt.Disk(source=virt.Url("https://example.org/x.img")),
            virt.Disk(source=virt.BackendUrl("https://example.org/x.img", checksum, virt.ImageFormat.RAW)),
            virt.Disk(source=virt.Native("debian-13")),
            virt.Disk(source=virt.Template("golden")),
            virt.Disk(source=virt.Store("glance", "5")),
            virt.Disk(source=virt.Blank(), size_bytes=virt.GiB(1)),
        ],
        volumes=[
            virt.Volume(
                id="root",
                boot=True,
                connection=virt.IscsiVolume(
                    portal="192.0.2.7:3260",
                    iqn="iqn.2001-04.com.example:root",
                    lun=3,
                    chap_username="me",
                    chap_password=virt.Secret("hunter2"),
                ),
            ),
            virt.Volume(id="data", connection=virt.OpaqueVolume("fibre_channel", virt.Secret('{"lun": 1}'))),
        ],
        nics=[
            virt.Nic(network="default", mac="52:54:00:00:00:01", model=virt.NicModel.VIRTIO),
            virt.Nic(vif_id="port-1"),
            virt.Nic(),
        ],
        cloud_init=virt.CloudInit(
            user_data="#cloud-config\n",
            network_config="version: 2",
            hostname="www",
            ssh_authorized_keys=["ssh-ed25519 AAAA"],
        ),
        placement=virt.Placement(node="one", pool="slow", folder="here", host="h", pinned=True),
        firmware=virt.Firmware.UEFI,
        labels={"tier": "front"},
        power_on=False,
    )
    assert str(read.uuid) == "6ba7b810-9dad-41d1-80b4-00c04fd430c8"


def test_without_a_uuid_the_name_makes_one() -> None:
    assert spec("{name: web, memory_bytes: 1G}").uuid == virt.stable_uuid("web")


def test_null_counts_as_not_given() -> None:
    assert spec("{name: web, memory_bytes: 1G, cloud_init: null, disks: ~}").disks == ()


@pytest.mark.parametrize("mac", ["52:54:00:12:34:56", "'52:54:00:12:34:56'", "52-54-00-12-34-56"])
def test_a_mac_address_is_never_a_number(mac: str) -> None:
    (nic,) = spec(f"{{name: web, memory_bytes: 1G, nics: [{{mac: {mac}}}]}}").nics
    assert nic.mac == "52:54:00:12:34:56"


BASE = "name: web\nmemory_bytes: 1G\n"
VOLUME = BASE + "volumes:\n- id: v\n  connection: "
PROPERTIES = "volumes[0].connection.opaque.properties"


@pytest.mark.parametrize(
    ("text", "field", "said"),
    [
        ("", "web.yaml", "got nothing"),
        ("- a", "web.yaml", "a mapping of a guest's fields"),
        ("a: b: c", "web.yaml", "line 1"),
        ("a: \x00", "web.yaml", "valid YAML"),
        ("a: 1\n---\nb: 2", "web.yaml", "one document"),
        ("name: web", "memory_bytes", "it must be given"),
        ("memory_bytes: 1G", "name", "it must be given"),
        ("name: web\nname: db", "name", "got a second value"),
        ("name: 5\nmemory_bytes: 1G", "name", "put it in quotes"),
        ("name: a/b\nmemory_bytes: 1G", "name", "1 to 63 letters"),
        ("name: web\nmemory: 1G", "memory", "did you mean 'memory_bytes'?"),
        ("name: web\nmemory_bytes: 1GB", "memory_bytes", "powers of 1024"),
        ("name: web\nmemory_bytes: -1", "memory_bytes", "a whole number of bytes"),
        ("name: web\nmemory_bytes: 1.3", "memory_bytes", "a size such as"),
        (BASE + "vcpus: two", "vcpus", "a whole number of virtual CPUs"),
        (BASE + "vcpus: true", "vcpus", "got True"),
        (BASE + "uuid: 5", "uuid", "a uuid such as"),
        (BASE + "firmware: efi", "firmware", "one of: bios, uefi"),
        (BASE + "power_on: maybe", "power_on", "True or False"),
        (BASE + "labels: [a]", "labels", "a mapping"),
        (BASE + "labels: {tier: 1}", "labels.tier", "put it in quotes"),
        (BASE + "disks: x", "disks", "a list"),
        (BASE + "disks: [x]", "disks[0]", "a mapping of: source"),
        (BASE + "disks: [{}]", "disks[0].source", "it must be given"),
        (BASE + "disks: [{source: x}]", "disks[0].source", "one of the keys: local_file"),
        (BASE + "disks: [{source: {native: a, url: b}}]", "disks[0].source", "one of the keys"),
        (BASE + "disks: [{source: {native: a, format: raw}}]", "disks[0].source.format", "an unknown field"),
        (BASE + "disks: [{source: {local_file: a, format: exe}}]", "disks[0].source.format", "one of: raw"),
        (BASE + "disks: [{source: {local_file: a, checksum: x}}]", "disks[0].source.checksum", "sha256:"),
        (BASE + "disks: [{source: {local_file: a, checksum: 'sha256:x'}}]", "disks[0].source.checksum", "64"),
        (BASE + "disks: [{source: {url: 'ftp://x/y'}}]", "disks[0].source.url", "https://"),
        (BASE + "disks: [{source: {url: 'http://x/y'}}]", "disks[0].source.checksum", "protects nothing"),
        (BASE + "disks: [{source: {backend_url: 'https://x/y'}}]", "disks[0].source.checksum", "must be given"),
        (BASE + "disks: [{source: {store: glance}}]", "disks[0].source.id", "must be given"),
        (BASE + "disks: [{source: {blank: true}}]", "disks[0].size_bytes", "a blank disk"),
        (BASE + "disks: [{source: {blank: false}}]", "disks[0].source.blank", "allowed is true"),
        (BASE + "disks: [{source: {native: a}, bus: floppy}]", "disks[0].bus", "one of: virtio"),
        (BASE + "nics: [{mac: zz}]", "nics[0].mac", "a unicast MAC address"),
        (BASE + "cloud_init: {user_data_file: nope}", "cloud_init.user_data_file", "a file that can be read"),
        (BASE + "cloud_init: {user_data: a, user_data_file: b}", "cloud_init.user_data_file", "nothing beside"),
        (BASE + "cloud_init: {hostname: ''}", "cloud_init.hostname", "text of 1 to 253"),
        (BASE + "placement: {pinned: 1}", "placement.pinned", "True or False"),
        (BASE + "extras: []", "extras", "an unknown field"),
        (BASE + "volumes: [{id: v}]", "volumes[0].connection", "it must be given"),
        (VOLUME + "{iscsi: {iqn: a, portal: nowhere}}", "volumes[0].connection.iscsi.portal", "address:port"),
        (
            VOLUME + "{nvme: {x: y}}",
            "volumes[0].connection",
            "the keys: iscsi, file, block, nbd, nfs, rbd, host, opaque",
        ),
        (VOLUME + "{iscsi: {}, opaque: {}}", "volumes[0].connection", "one of the keys"),
        (VOLUME + "hunter2", "volumes[0].connection", "one of the keys"),
        (VOLUME + "{opaque: hunter2}", "volumes[0].connection", "a mapping as its value"),
        (VOLUME + "{opaque: {kind: fc, properties: hunter2}}", PROPERTIES, "a JSON object"),
        (VOLUME + "{opaque: {kind: fc, properties: [hunter2]}}", PROPERTIES, "{env: NAME}"),
        (VOLUME + "{opaque: {kind: fc, properties: {vault: hunter2}}}", PROPERTIES, "{env: NAME}"),
        (VOLUME + "{opaque: {kind: fc, properties: {env: NOT_SET_AT_ALL}}}", PROPERTIES, "is not set"),
        (VOLUME + "{opaque: {kind: fc, properties: {file: nope}}}", PROPERTIES, "cannot be read"),
        ("name: &a web\nx: &b [1]\ny: *b", "y", "an alias"),
        ("name: !!python/name:os.system x", "name", "python/name"),
        ("{" * 30 + "a: b" + "}" * 30, None, ""),
        ("a: " + "[" * 30 + "]" * 30, None, "at most 20 levels"),
    ],
)
def test_what_is_wrong_is_named(text: str, field: str | None, said: str, tmp_path: Path) -> None:
    with pytest.raises(virt.InvalidSpec) as caught:
        spec(text, tmp_path)
    assert field is None or caught.value.field == field
    assert said in caught.value.public_message
    assert "hunter2" not in caught.value.public_message
    assert "\n" not in caught.value.public_message


def test_the_line_is_told() -> None:
    with pytest.raises(virt.InvalidSpec, match=r"disks\[1\]\.siez: .*see web.yaml, line 6$"):
        spec(BASE + "disks:\n- source: {native: a}\n- source: {native: b}\n  siez: 5G\n")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(virt.InvalidSpec, match="No such file"):
        read_spec(str(tmp_path / "none.yaml"))
    (tmp_path / "bad.yaml").write_bytes(b"name: \xff")
    with pytest.raises(virt.InvalidSpec, match="UTF-8"):
        read_spec(str(tmp_path / "bad.yaml"))
    (tmp_path / "long.yaml").write_bytes(b"#" * (4 * 1024**2 + 1))
    with pytest.raises(virt.InvalidSpec, match="at most 4194304 bytes"):
        read_spec(str(tmp_path / "long.yaml"))


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        (7, 7),
        ("512", 512),
        ("512B", 512),
        ("4k", 4096),
        ("4 KiB", 4096),
        ("1.5M", 3 * 2**19),
        ("2g", 2**31),
        ("1TiB", 2**40),
        ("1P", 2**50),
    ],
)
def test_sizes(text: Any, size: int) -> None:
    from nova_virt_api.specfile.size import parse_size

    assert parse_size("x", text) == size


@pytest.mark.parametrize(
    "text", ["", "G", "1GB", "-1G", "1e3", "1,5G", "0.3B", "1 2G", "٣G", True, None, 1.5, "9" * 30]
)
def test_what_is_no_size(text: Any) -> None:
    from nova_virt_api.specfile.size import parse_size

    with pytest.raises(virt.InvalidSpec, match=r"memory_bytes: got .*a size such as"):
        parse_size("memory_bytes", text)
