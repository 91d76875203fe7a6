"""Choosing and reading a profile."""

from collections.abc import Callable
from pathlib import Path

import pytest

from nova_virt_api.config import read_profile
from nova_virt_api.errors import ConfigError

Write = Callable[[str], Path]

TWO = """\
default: lab
profiles:
  lab: {driver: libvirt, uri: "qemu:///system", tries: 3}
  toy:
    driver: fake
"""


def test_without_a_file_it_is_the_embedded_driver() -> None:
    profile = read_profile()
    assert (profile.name, profile.driver, profile.values) == (None, "fake", {})


@pytest.mark.parametrize("text", ["", "profiles:\n", "profiles: {}\n", "# nothing yet\n"])
def test_an_empty_file_is_like_none(profiles: Write, text: str) -> None:
    profiles(text)
    assert read_profile().driver == "fake"


def test_by_name(profiles: Write) -> None:
    path = profiles(TWO)
    profile = read_profile("lab")
    assert (profile.name, profile.driver, profile.file) == ("lab", "libvirt", path)
    assert profile.values == {"uri": "qemu:///system", "tries": 3}
    assert profile.where("uri") == f"{path}:3"


def test_the_default(profiles: Write) -> None:
    profiles(TWO)
    assert read_profile().name == "lab"


def test_the_environment_wins_over_the_default_and_a_name_over_both(
    profiles: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles(TWO)
    monkeypatch.setenv("NOVA_VIRT_PROFILE", "toy")
    assert read_profile().name == "toy"
    assert read_profile("lab").name == "lab"
    monkeypatch.setenv("NOVA_VIRT_PROFILE", "")
    assert read_profile().name == "lab"


def test_another_place_of_configuration(profiles: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = profiles(TWO)
    (tmp_path / "xdg/nova-virt").mkdir(parents=True)
    path.rename(tmp_path / "xdg/nova-virt/profiles.yaml")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    assert read_profile().name == "lab"


def test_profiles_without_a_choice_do_not_end_up_in_the_embedded_driver(profiles: Write) -> None:
    profiles(TWO.replace("default: lab\n", ""))
    with pytest.raises(ConfigError) as caught:
        read_profile()
    assert "lab, toy" in caught.value.message
    assert "NOVA_VIRT_PROFILE" in caught.value.hint


def test_an_unknown_name(profiles: Write) -> None:
    profiles(TWO)
    with pytest.raises(ConfigError) as caught:
        read_profile("laab")
    assert caught.value.hint == "did you mean 'lab'?"
    with pytest.raises(ConfigError) as caught:
        read_profile("x" * 10_000)
    assert caught.value.hint == "there are: lab, toy"
    assert len(str(caught.value)) < 400


def test_a_name_without_a_file(home: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_profile("lab")
    assert f"{home}/.config/nova-virt/profiles.yaml does not exist" in caught.value.message


def test_values_are_not_printed(profiles: Write) -> None:
    profiles("profiles: {lab: {driver: fake, password: geheim}}")
    assert "geheim" not in repr(read_profile("lab"))


@pytest.mark.parametrize(
    ("text", "field", "line"),
    [
        ("- a\n", "profiles", 1),
        ("profiles:\n  lab: 5\n", "profiles.lab", 2),
        ("profiles:\n  5: {driver: fake}\n", "profiles", 2),
        ("profiles:\n  lab:\n    uri: a\n", "profiles.lab.driver", None),
        ("profiles:\n  lab:\n    driver: [a]\n", "profiles.lab.driver", 3),
        ("profiles:\n  lab: {driver: fake}\n  lab: {driver: fake}\n", "profiles.lab", 3),
        ("profiles:\n  lab:\n    driver: fake\n    a: 1\n    a: 2\n", "profiles.lab.a", 5),
        ("profile:\n  lab: {driver: fake}\n", "profile", 2),
        ("profiles:\n  lab: {driver: fake}\ndefault: [lab]\n", "profiles", 3),
        ("profiles:\n  lab: {driver: fake}\ndefault: lob\n", "default", None),
        ("profiles:\n  lab:\n    driver: !!python/name:os.system\n", "profiles.lab.driver", 3),
        ("profiles:\n  lab:\n    driver: fake\n    when: 2026-13-45\n", "profiles.lab.when", 4),
        ("profiles:\n\tlab: {}\n", "profiles", 2),
        ("profiles: {lab: {driver: fake\n", "profiles", 2),
        ("profiles: *nowhere\n", "profiles", 1),
        ("profiles: \x01\n", "profiles", None),
    ],
)
def test_a_wrong_file_names_the_place(profiles: Write, text: str, field: str, line: int | None) -> None:
    path = profiles(text)
    with pytest.raises(ConfigError) as caught:
        read_profile("lab")
    assert caught.value.field == field
    assert (f"{path}:{line}" if line else str(path)) in caught.value.message


def test_a_broken_profile_that_nobody_asked_for_does_not_disturb(profiles: Write) -> None:
    profiles("profiles:\n  lab: {driver: fake}\n  bad: 5\n  worse: {driver: !!python/name:os.system }\n")
    assert read_profile("lab").driver == "fake"


def test_a_syntax_error_shows_no_secret(profiles: Write) -> None:
    profiles("profiles:\n  lab:\n    driver: fake\n    password: geheim: 5\n")
    with pytest.raises(ConfigError) as caught:
        read_profile("lab")
    assert "geheim" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_file_that_is_not_utf8(profiles: Write) -> None:
    path = profiles("")
    path.write_bytes(b"profiles: {l\xe4b: {}}")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_profile()


def test_a_file_that_others_may_change_is_refused(profiles: Write) -> None:
    path = profiles(TWO)
    path.chmod(0o664)
    with pytest.raises(ConfigError) as caught:
        read_profile()
    assert caught.value.hint == f"chmod 600 {path}"
    path.chmod(0o644)
    assert read_profile().name == "lab"


def test_a_directory_in_its_place(home: Path) -> None:
    (home / ".config/nova-virt/profiles.yaml").mkdir(parents=True, mode=0o700)
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read_profile()


def test_a_name_that_is_no_text() -> None:
    with pytest.raises(ConfigError, match="profile: must be a profile's name"):
        read_profile(5)  # type: ignore[arg-type]
