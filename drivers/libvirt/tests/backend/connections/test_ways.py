"""Other ways to a daemon carry everything: reads, verbs, events, and the bytes of images in both directions."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api import MiB

POOL = "nova-virt"
CONTENT = b"carried over\n" * 8192


@pytest.fixture(params=["an account's own", "TLS", "SSH"])
def compute(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[virt.Compute]:
    """A connection over each way."""
    if request.param == "SSH":
        uri = request.getfixturevalue("ssh_uri")
    else:
        own = request.getfixturevalue("own_daemon")
        uri = own.tls if request.param == "TLS" else own.local
    with virt.connect("libvirt", uri=uri, pool=POOL, owner="ways", cache_dir=tmp_path / "cache") as compute:
        yield compute


def test_a_life(compute: virt.Compute, tmp_path: Path) -> None:
    image = tmp_path / "image.raw"
    image.write_bytes(CONTENT)
    watch = compute.watch()
    spec = virt.InstanceSpec(
        uuid=virt.stable_uuid("far away"),
        name="far-away",
        memory_bytes=MiB(16),
        disks=[virt.Disk(source=virt.LocalFile(image, format=virt.ImageFormat.RAW), size_bytes=MiB(1))],
        cloud_init=virt.CloudInit(user_data="#cloud-config\n"),
    )
    guest = compute.spawn(spec, timeout=120)
    try:
        assert guest.power_state is virt.PowerState.RUNNING
        assert compute.spawn(spec) == compute.instance(guest)
        compute.pause(guest)
        assert compute.find("far-away").power_state is virt.PowerState.PAUSED
        told = seen(watch, guest, lambda event: event.instance.power_state is virt.PowerState.PAUSED)
        assert told.instance.owned
        assert isinstance(compute.console_log(guest), bytes)
        compute.power_off(guest, mode=virt.PowerOff.HARD)
        compute.snapshot(guest, virt.LocalTarget(tmp_path / "copy.raw", virt.ImageFormat.RAW))
        assert (tmp_path / "copy.raw").read_bytes() == CONTENT.ljust(MiB(1), b"\0")
    finally:
        watch.close()
        assert compute.destroy(guest, timeout=120)
    assert not compute.leftovers()


def seen(watch: Any, guest: virt.Instance, condition: Callable[[Any], bool]) -> Any:
    """The first event of the guest that is like this."""
    end = time.monotonic() + 60
    for event in watch:
        if getattr(event, "instance", None) is not None and event.instance.uuid == guest.uuid and condition(event):
            return event
        assert time.monotonic() < end, "the event did not come"
    raise AssertionError("the watch ended")


def test_an_account_of_its_own_has_user_mode_networking(own_daemon: Any) -> None:
    with virt.connect("libvirt", uri=own_daemon.local, pool=POOL) as compute:
        assert [(network.name, network.kind) for network in compute.networks()] == [("user-mode", "user")]
        guest = compute.spawn(
            virt.InstanceSpec(uuid=virt.stable_uuid("alone"), name="alone", memory_bytes=MiB(16), nics=[virt.Nic()])
        )
        try:
            attached = compute.attach_interface(guest, virt.Nic(network="user-mode"))
            assert [nic.network for nic in compute.interfaces(guest)] == ["user-mode", "user-mode"]
            assert attached in compute.interfaces(guest)
            limited = virt.Nic(limits=virt.NicLimits(send=virt.NicRate(bytes_per_second=1_000_000)))
            with pytest.raises(virt.InvalidSpec, match=r" nic\.limits"):  # libvirt would quietly leave them out
                compute.attach_interface(guest, limited)
            with pytest.raises(virt.InvalidSpec, match=r"nics\[0\]\.mtu"):
                compute.spawn(
                    virt.InstanceSpec(
                        uuid=virt.stable_uuid("big"), name="big", memory_bytes=MiB(16), nics=[virt.Nic(mtu=1400)]
                    )
                )
        finally:
            compute.destroy(guest)


def test_an_account_of_its_own_has_no_networks_of_libvirts(own_daemon: Any) -> None:
    with virt.connect("libvirt", uri=own_daemon.local, pool=POOL) as compute:
        spec = virt.InstanceSpec(
            uuid=virt.stable_uuid("nic"), name="nic", memory_bytes=MiB(16), nics=[virt.Nic(network="default")]
        )
        with pytest.raises(virt.InvalidSpec, match=r"nics\[0\].network.*user-mode"):
            compute.spawn(spec)
        assert not [guest for guest in compute.instances() if guest.name == "nic"]
        assert not compute.leftovers()


def test_a_certificate_for_another_name_is_refused(own_daemon: Any) -> None:
    uri = own_daemon.tls.replace("127.0.0.1", "localhost")
    with pytest.raises(virt.AuthenticationFailed, match="certificate") as caught, virt.connect("libvirt", uri=uri):
        pass
    assert "cacert.pem" in (caught.value.hint or "")


def test_a_certificate_of_another_authority_is_refused(own_daemon: Any, other_pki: Path) -> None:
    uri = own_daemon.tls.replace(str(own_daemon.pki), str(other_pki))
    with pytest.raises(virt.AuthenticationFailed, match="certificate"), virt.connect("libvirt", uri=uri):
        pass


def test_a_host_key_that_is_not_known_is_refused(ssh_uri: str, tmp_path: Path) -> None:
    client = Path(ssh_uri.partition("command=")[2].partition("&")[0])
    trusting_nobody = tmp_path / "client"
    text = client.read_text()
    known = text.partition("UserKnownHostsFile=")[2].split()[0]
    trusting_nobody.write_text(text.replace(known, "/dev/null"))
    trusting_nobody.chmod(0o700)
    with (
        pytest.raises(virt.Unavailable, match="Host key verification failed") as caught,
        virt.connect("libvirt", uri=ssh_uri.replace(str(client), str(trusting_nobody))),
    ):
        pass
    assert "ssh private true" in (caught.value.hint or "")
