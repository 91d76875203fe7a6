"""Secrets in place, and references to files, the environment and the keyring."""

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keyring
import keyring.backend
import keyring.errors
import pytest

from nova_virt_api.config import read_endpoint
from nova_virt_api.errors import ConfigError
from nova_virt_api.model.secret import Secret


def password(sample: Any, value: object) -> str:
    secret = read_endpoint(sample, values={"password": value}).options.password
    assert isinstance(secret, Secret)
    return secret.reveal()


class Keyring(keyring.backend.KeyringBackend):
    """A keyring in memory with one entry."""

    priority = 1

    def __init__(self, locked: bool = False) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.locked = locked

    def get_password(self, service: str, username: str) -> str | None:
        if self.locked:
            raise keyring.errors.KeyringLocked("locked")
        return "from keyring" if (service, username) == ("https://vc/sdk", "me@vsphere.local") else None

    def set_password(self, service: str, username: str, password: str) -> None:
        raise NotImplementedError


@pytest.fixture
def with_keyring() -> Any:
    before = keyring.get_keyring()
    yield keyring.set_keyring
    keyring.set_keyring(before)


def test_in_place(sample: Any) -> None:
    assert password(sample, "geheim") == "geheim"
    assert password(sample, Secret("geheim")) == "geheim"


@pytest.mark.parametrize("content", ["from file", "from file\n", "from file\r\n"])
def test_from_a_file(sample: Any, home: Path, content: str) -> None:
    (home / "secret").write_bytes(content.encode())
    assert password(sample, {"file": "~/secret"}) == "from file"


def test_from_the_environment(sample: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_PASSWORD", "from environment")
    assert password(sample, {"env": "LAB_PASSWORD"}) == "from environment"
    monkeypatch.setenv("LAB_PASSWORD", "geheim\udcff")  # a byte that is no UTF-8
    with pytest.raises(ConfigError, match="whole Unicode characters") as refused:
        password(sample, {"env": "LAB_PASSWORD"})
    assert "geheim" not in str(refused.value)


def test_from_the_keyring(sample: Any, with_keyring: Callable[[Any], None]) -> None:
    with_keyring(Keyring())
    assert password(sample, {"keyring": "https://vc/sdk/me@vsphere.local"}) == "from keyring"


def test_a_keyring_that_lacks_it(sample: Any, with_keyring: Callable[[Any], None]) -> None:
    with_keyring(Keyring())
    with pytest.raises(ConfigError) as caught:
        password(sample, {"keyring": "lab/me"})
    assert caught.value.hint == "keyring set lab me"


def test_a_keyring_that_is_locked(sample: Any, with_keyring: Callable[[Any], None]) -> None:
    with_keyring(Keyring(locked=True))
    with pytest.raises(ConfigError, match="the keyring does not answer"):
        password(sample, {"keyring": "lab/me"})


def test_without_the_package_keyring(sample: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "keyring", None)
    with pytest.raises(ConfigError, match="pip install keyring"):
        password(sample, {"keyring": "lab/me"})


@pytest.mark.parametrize(
    "reference",
    [
        {"file": "/does/not/exist"},
        {"file": "/"},
        {"file": "a\0b"},
        {"file": 5},
        {"file": ""},
        {"env": "SURELY_NOT_SET_ANYWHERE"},
        {"keyring": "no-slash"},
        {"keyring": "/user"},
        {"vault": "x"},
        {"file": "a", "env": "b"},
        {},
        5,
        True,
        ["geheim"],
    ],
)
def test_references_that_lead_nowhere(sample: Any, reference: object) -> None:
    with pytest.raises(ConfigError) as caught:
        password(sample, reference)
    assert caught.value.field == "password"


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"x" * 70_000])
def test_a_file_that_holds_no_secret(sample: Any, home: Path, content: bytes) -> None:
    (home / "secret").write_bytes(content)
    with pytest.raises(ConfigError, match="holds no text of 1 to 65536 bytes"):
        password(sample, {"file": str(home / "secret")})


@pytest.mark.parametrize("value", ["geheimgeheim", Secret("geheimgeheim"), 1234567890123, ["geheimgeheim"]])
def test_a_refused_secret_is_not_shown(sample: Any, value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        read_endpoint(sample, values={"token": value})
    text = "".join(traceback.format_exception(caught.value))
    shown = "\n".join(line for line in text.splitlines() if not line.startswith(("    ", "  File")))
    assert "geheim" not in shown
    assert "1234567890123" not in shown
    assert caught.value.__context__ is None


def test_a_profile_with_a_secret_in_place_must_be_private(sample: Any, profiles: Callable[[str], Path]) -> None:
    path = profiles("profiles: {lab: {driver: sample, password: geheim}}\n")
    assert read_endpoint(sample, profile="lab").options.password == Secret("geheim")
    path.chmod(0o640)
    with pytest.raises(ConfigError) as caught:
        read_endpoint(sample, profile="lab")
    assert caught.value.hint == f"chmod 600 {path}"
    assert "geheim" not in str(caught.value)


def test_a_profile_with_references_only_may_be_read_by_all(
    sample: Any, profiles: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_PASSWORD", "from environment")
    profiles("profiles: {lab: {driver: sample, password: {env: LAB_PASSWORD}}}\n").chmod(0o644)
    assert read_endpoint(sample, profile="lab").options.password == Secret("from environment")


def test_a_keyword_makes_the_profiles_reference_irrelevant(sample: Any, profiles: Callable[[str], Path]) -> None:
    profiles("profiles: {lab: {driver: sample, password: {env: SURELY_NOT_SET_ANYWHERE}}}\n")
    assert read_endpoint(sample, profile="lab", values={"password": "x"}).options.password == Secret("x")


def test_a_missing_secret_of_a_profile_names_file_and_line(sample: Any, profiles: Callable[[str], Path]) -> None:
    path = profiles("profiles:\n  lab:\n    driver: sample\n    password: {env: SURELY_NOT_SET_ANYWHERE}\n")
    with pytest.raises(ConfigError) as caught:
        read_endpoint(sample, profile="lab")
    assert caught.value.field == "profiles.lab.password"
    assert f"({path}:4)" in caught.value.message
