"""A home of its own for each test, and a driver with one option of each kind."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from oslo_config import cfg, types

from nova_virt_api.driver.driver import Driver


class Sample(Driver):
    """Never opened here: only its options matter."""

    @classmethod
    def options(cls) -> Sequence[cfg.Opt]:
        return (
            cfg.StrOpt("uri", default="sample:///"),
            cfg.StrOpt("mode", choices=["fast", "safe"]),
            cfg.IntOpt("retries", default=3, min=0, max=9),
            cfg.FloatOpt("pause", min=0.5),
            cfg.PortOpt("port"),
            cfg.BoolOpt("insecure", default=False),
            cfg.ListOpt("pools", default=["default"]),
            cfg.DictOpt("tags"),
            cfg.MultiStrOpt("node"),
            cfg.URIOpt("proxy"),
            cfg.StrOpt("password", secret=True),
            cfg.Opt("token", type=types.String(max_length=8), secret=True),
            cfg.StrOpt("new-name", deprecated_name="old-name"),
        )


@dataclass(frozen=True)
class Loaded:
    """What the loader would return."""

    driver_class: type[Driver] = Sample
    name: str = "sample"


@pytest.fixture
def sample() -> Loaded:
    return Loaded()


@pytest.fixture
def load() -> Callable[..., Loaded]:
    """Any driver with these options."""

    def load(*options: cfg.Opt) -> Loaded:
        return Loaded(type("Other", (Driver,), {"options": classmethod(lambda cls: options)}))

    return load


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home directory."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "NOVA_VIRT_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def profiles(home: Path) -> Callable[[str], Path]:
    """Write the file of profiles, readable by its owner only."""

    def write(text: str) -> Path:
        path = home / ".config/nova-virt/profiles.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
        return path

    return write
