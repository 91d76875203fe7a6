"""How nova.conf describes the endpoint."""

from pathlib import Path
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_bridge.site import pair, processor_options


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("uri=qemu:///system", ("uri", "qemu:///system")),
        ("uri = qemu+tls://host/system?no_tty=1 ", ("uri", "qemu+tls://host/system?no_tty=1")),
        ("password={file: /etc/nova/secret}", ("password", {"file": "/etc/nova/secret"})),
        ("password={env: SECRET}", ("password", {"env": "SECRET"})),
        ("password={curly}", ("password", "{curly}")),
        ("password=", ("password", "")),
    ],
)
def test_option(text: str, read: tuple[str, Any]) -> None:
    assert pair(text) == read


def test_what_is_no_option_is_not_shown() -> None:
    with pytest.raises(virt.ConfigError) as caught:
        pair("=hunter2")
    assert "hunter2" not in str(caught.value)


def test_a_secret_by_reference(make_driver: Any, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2\n")
    secret.chmod(0o600)
    assert make_driver(password=f"{{file: {secret}}}").get_available_nodes()


def test_a_profile(make_driver: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profiles = tmp_path / "nova-virt" / "profiles.yaml"
    profiles.parent.mkdir()
    profiles.write_text("profiles: {lab: {driver: fake, nodes: [alpha]}}\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    driver = make_driver(config_options={"profile": "lab"})
    assert driver.get_available_nodes() == ["alpha"]


def test_images_and_state_are_novas(driver: Any, tmp_path: Path) -> None:
    endpoint = driver.compute._driver.endpoint
    assert endpoint.cache_dir == tmp_path / "nova-virt" / "cache"
    assert endpoint.state_dir == tmp_path / "nova-virt" / "state"
    assert endpoint.owner == "nova"


def test_nova_says_how_the_hosts_processors_are_divided(config: Any) -> None:
    assert processor_options() == {}
    config.config(group="compute", cpu_dedicated_set="2-5,^3", cpu_shared_set="0,1")
    assert processor_options() == {"cpu_dedicated_set": "2-5,^3", "cpu_shared_set": "0,1"}
