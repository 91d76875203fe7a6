"""From keywords, a profile or a program's configuration to an endpoint."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oslo_config import cfg

from nova_virt_api.config import Profile, read_endpoint
from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.errors import ConfigError, DriverBug
from nova_virt_api.model.secret import Secret

LAB = """
profiles:
  lab:
    driver: sample
    uri: sample://lab/
    retries: 5
    owner: lab-team
"""


def test_defaults(sample: Any, home: Path) -> None:
    endpoint = read_endpoint(sample)
    assert (endpoint.driver, endpoint.owner, endpoint.manage) == ("sample", "nova-virt", Manage.OWNED)
    assert (endpoint.options.uri, endpoint.options.retries, endpoint.options.pools) == ("sample:///", 3, ["default"])
    assert endpoint.options.password is None
    assert endpoint.cache_dir == home / ".cache/nova-virt"
    assert endpoint.state_dir == home / ".local/state/nova-virt"
    assert list(home.iterdir()) == []


def test_keywords_win_over_the_profile_and_that_over_defaults(sample: Any, profiles: Callable[[str], Path]) -> None:
    profiles(LAB)
    endpoint = read_endpoint(sample, profile="lab", values={"retries": 7, "mode": None})
    assert (endpoint.options.uri, endpoint.options.retries, endpoint.owner) == ("sample://lab/", 7, "lab-team")
    assert endpoint.options.insecure is False


def test_none_and_null_mean_not_given(sample: Any, profiles: Callable[[str], Path]) -> None:
    profiles(LAB + "    port:\n")
    endpoint = read_endpoint(sample, profile="lab", values={"uri": None, "owner": None})
    assert (endpoint.options.uri, endpoint.options.port, endpoint.owner) == ("sample://lab/", None, "lab-team")


@pytest.mark.parametrize("manage", ["all", Manage.ALL])
def test_common_options(sample: Any, home: Path, manage: object) -> None:
    values = {"owner": "ci@lab-7", "manage": manage, "cache_dir": "~/big", "state_dir": home / "state"}
    endpoint = read_endpoint(sample, values=values)
    assert (endpoint.owner, endpoint.manage) == ("ci@lab-7", Manage.ALL)
    assert (endpoint.cache_dir, endpoint.state_dir) == (home / "big", home / "state")


def test_xdg_directories_count_when_they_are_absolute(sample: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache/me")
    monkeypatch.setenv("XDG_STATE_HOME", "not/absolute")
    endpoint = read_endpoint(sample)
    assert endpoint.cache_dir == Path("/var/cache/me/nova-virt")
    assert endpoint.state_dir == home / ".local/state/nova-virt"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("retries", "4", 4),
        ("pause", 2, 2.0),
        ("insecure", "yes", True),
        ("insecure", True, True),
        ("pools", "a, b", ["a", "b"]),
        ("pools", ("a", "b"), ["a", "b"]),
        ("tags", {"a": "b"}, {"a": "b"}),
        ("tags", "a:b", {"a": "b"}),
        ("node", ["a", "b"], ["a", "b"]),
        ("uri", Path("/a/b"), "/a/b"),
        ("mode", "safe", "safe"),
        ("port", 16509, 16509),
        ("proxy", "http://proxy:3128", "http://proxy:3128"),
    ],
)
def test_values_that_are_taken(sample: Any, name: str, value: object, expected: object) -> None:
    taken = read_endpoint(sample, values={name: value}).options[name]
    assert taken == expected
    assert type(taken) is type(expected)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("retries", "many", "a whole number from 0 up to 9"),
        ("retries", "", "a whole number"),
        ("retries", 10, "up to 9"),
        ("retries", -1, "from 0"),
        ("retries", 1.5, "a whole number"),
        ("retries", True, "a whole number"),
        ("retries", "9" * 5000, "a whole number"),
        ("pause", float("nan"), "a number from 0.5"),
        ("pause", float("inf"), "a number"),
        ("pause", [1], "a number"),
        ("port", 65536, "a whole number from 0 up to 65535"),
        ("insecure", 1, "true or false"),
        ("insecure", "perhaps", "true or false"),
        ("mode", "quick", "one of fast, safe"),
        ("uri", 5, "text"),
        ("uri", ["a"], "text"),
        ("uri", {"env": "URI"}, "text"),
        ("pools", 7, "a list"),
        ("pools", ["a", None], "a list"),
        ("tags", "no colon", "a mapping"),
        ("node", "a", "a list of values, each text"),
        ("node", [1], "a list of values, each text"),
        ("proxy", "not a uri", "a URI"),
        ("owner", "two words", "text of at most 63 characters that matches"),
        ("owner", "", "text"),
        ("owner", "a" * 64, "at most 63"),
        ("owner", "../x", "text"),
        ("owner", "a\n", "text"),
        ("owner", "<a/>", "text"),
        ("manage", "none", "one of owned, all"),
        ("cache_dir", 5, "text"),
    ],
)
def test_values_that_are_refused(sample: Any, name: str, value: object, allowed: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_endpoint(sample, values={name: value})
    assert caught.value.field == name
    assert allowed in caught.value.message
    assert len(str(caught.value)) < 300


def test_a_number_where_text_is_wanted_says_quotes(sample: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        read_endpoint(sample, values={"uri": 5})
    assert caught.value.hint == "put it in quotes"


def test_a_refused_url_hides_its_password(sample: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        read_endpoint(sample, values={"mode": "https://admin:geheim" + "x" * 100 + "@host/"})
    assert "geheim" not in str(caught.value)


# --- names ------------------------------------------------------------------------------------------------------------


def test_an_unknown_keyword_gets_a_suggestion_and_is_not_shown(sample: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        read_endpoint(sample, values={"pasword": "geheim"})
    assert caught.value.field == "pasword"
    assert caught.value.hint == "did you mean 'password'?"
    assert "geheim" not in str(caught.value)


def test_an_unknown_keyword_without_a_close_one_gets_the_list(sample: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        read_endpoint(sample, values={"zzz" * 1000: 1})
    assert "insecure" in caught.value.hint
    assert "owner" in caught.value.hint
    assert len(caught.value.field) == 100


def test_an_unknown_profile_key_names_file_and_line(sample: Any, profiles: Callable[[str], Path]) -> None:
    path = profiles(LAB + "    retry: 1\n")
    with pytest.raises(ConfigError) as caught:
        read_endpoint(sample, profile="lab")
    assert caught.value.field == "profiles.lab.retry"
    assert f"({path}:8)" in caught.value.message
    assert caught.value.hint == "did you mean 'retries'?"


def test_a_wrong_profile_value_names_file_and_line(sample: Any, profiles: Callable[[str], Path]) -> None:
    path = profiles(LAB.replace("5", "lots"))
    with pytest.raises(ConfigError) as caught:
        read_endpoint(sample, profile="lab")
    assert caught.value.field == "profiles.lab.retries"
    assert caught.value.message.endswith(f"'lots' is not allowed, it takes a whole number from 0 up to 9 ({path}:6)")
    assert caught.value.message.count("profiles.lab.retries") == 1


def test_a_deprecated_name_works_and_is_logged(sample: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        endpoint = read_endpoint(sample, values={"old_name": "x"})
    assert endpoint.options.new_name == "x"
    assert "option old_name of driver sample is now called new_name" in caplog.text


def test_a_required_option(load: Callable[..., Any]) -> None:
    driver = load(cfg.StrOpt("uri", required=True, help="Where it is."))
    with pytest.raises(ConfigError, match="uri: must be given for driver 'sample'; Where it is"):
        read_endpoint(driver)
    assert read_endpoint(driver, values={"uri": "x"}).options.uri == "x"


def test_a_driver_may_not_redefine_what_all_have(load: Callable[..., Any]) -> None:
    with pytest.raises(DriverBug, match="owner"):
        read_endpoint(load(cfg.StrOpt("owner")))


def test_a_profile_of_another_driver(sample: Any) -> None:
    with pytest.raises(ConfigError, match="profile 'lab' is for driver 'fake', not 'sample'"):
        read_endpoint(sample, profile=Profile(name="lab", driver="fake", values={}))


# --- the program's own configuration ----------------------------------------------------------------------------------


@pytest.fixture
def program(tmp_path: Path) -> cfg.ConfigOpts:
    """A program's configuration with a file of its own."""
    path = tmp_path / "program.conf"
    path.write_text("[sample]\nuri = sample://conf/\nretries = 6\npassword = geheim\n[nova_virt]\nowner = program\n")
    config = cfg.ConfigOpts()
    config([], project="program", default_config_files=[str(path)], default_config_dirs=[])
    return config


def test_a_programs_configuration(sample: Any, program: cfg.ConfigOpts) -> None:
    endpoint = read_endpoint(sample, config=program, values={"retries": 2})
    assert (endpoint.options.uri, endpoint.options.retries, endpoint.owner) == ("sample://conf/", 2, "program")
    assert endpoint.options.password == Secret("geheim")
    assert program.sample.retries == 6


def test_registering_twice_is_no_harm(sample: Any, program: cfg.ConfigOpts) -> None:
    assert read_endpoint(sample, config=program).options == read_endpoint(sample, config=program).options


def test_the_global_configuration_is_left_alone(sample: Any) -> None:
    read_endpoint(sample, values={"retries": 2})
    assert "sample" not in cfg.CONF
    assert "nova_virt" not in cfg.CONF


def test_a_wrong_value_in_a_programs_configuration(sample: Any, program: cfg.ConfigOpts, tmp_path: Path) -> None:
    (tmp_path / "program.conf").write_text("[sample]\nretries = lots\n")
    program.reload_config_files()
    with pytest.raises(ConfigError) as caught:
        read_endpoint(sample, config=program)
    assert caught.value.field == "[sample] retries"


def test_an_option_that_the_program_uses_differently(sample: Any, program: cfg.ConfigOpts) -> None:
    program.register_opt(cfg.IntOpt("uri"), group="sample")
    with pytest.raises(ConfigError, match=r"\[sample\]"):
        read_endpoint(sample, config=program)


def test_a_profile_and_a_configuration_do_not_mix(sample: Any, program: cfg.ConfigOpts) -> None:
    with pytest.raises(ConfigError, match="cannot be given together"):
        read_endpoint(sample, profile=Profile(name="lab", driver="sample", values={}), config=program)


# --- what the driver sees ---------------------------------------------------------------------------------------------


def test_options_are_read_only_and_do_not_print_secrets(sample: Any) -> None:
    endpoint = read_endpoint(sample, values={"password": "geheim", "uri": "esx://root:geheim@host/"})
    assert endpoint.options.password.reveal() == "geheim"
    assert "geheim" not in repr(endpoint)
    assert "esx://***@host/" in repr(endpoint)
    with pytest.raises(AttributeError):
        endpoint.options.uri = "other"
    with pytest.raises(AttributeError, match="no option 'urrri'"):
        _ = endpoint.options.urrri
    assert len(endpoint.options) == len(sample.driver_class.options())
