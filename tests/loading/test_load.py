"""Loading one driver from distributions that pip installed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nova_virt_api.errors import ConfigError
from nova_virt_api.loading import load_driver
from nova_virt_api.version import __version__

Run = Callable[..., Any]

LOAD = """
from nova_virt_api.errors import DriverLoadError
from nova_virt_api.loading import load_driver
try:
    found = load_driver("sample")
except DriverLoadError as error:
    show(error=told(error))
else:
    show(name=found.name, module=found.driver_class.__module__, distribution=found.distribution, version=found.version)
"""


def failure(run: Run, *names: str) -> dict[str, str]:
    result: dict[str, str] = run(LOAD, *names)["error"]
    assert result["driver"] == "sample"
    return result


def test_a_good_driver_comes_with_its_distribution(run: Run) -> None:
    assert run(LOAD, "vendor-good") == {
        "name": "sample",
        "module": "vendor_good.driver",
        "distribution": "vendor-good",
        "version": "0.3.1",
    }


def test_broken_drivers_of_other_names_do_not_disturb(run: Run) -> None:
    code = LOAD.replace('"sample"', '"other"')
    broken = ("vendor-syntax", "vendor-twice", "vendor-garbled", "vendor-next-major", "vendor-no-sdk")
    assert run(code, *broken, "vendor-other", "vendor-too-new")["distribution"] == "vendor-other"


def test_only_the_driver_that_was_asked_for_is_imported(run: Run) -> None:
    code = LOAD + "show(modules=sorted(m for m in sys.modules if m.startswith('vendor_')))"
    assert run(code, "vendor-good", "vendor-other")["modules"] == ["vendor_good", "vendor_good.driver"]


# --- not found --------------------------------------------------------------------------------------------------------


def test_not_found_says_what_is_installed_and_what_to_install(run: Run) -> None:
    error = failure(run, "vendor-other")
    assert error["class"] == "DriverNotFound"
    assert "'sample'" in error["text"]
    assert "other" in error["text"]
    assert "pip install nova-virt-sample" in error["hint"]


def test_not_found_suggests_a_close_name(run: Run) -> None:
    error = run(LOAD.replace('"sample"', '"sampel"'), "vendor-good")["error"]
    assert (error["class"], error["hint"]) == ("DriverNotFound", "did you mean 'sample'?")


@pytest.mark.parametrize("name", ["../../etc/passwd", "a\nb", "x" * 10_000, "", "nova virt; rm -rf /", "ünïcode"])
def test_a_hostile_name_gets_no_pip_line(run: Run, name: str) -> None:
    error = run(LOAD.replace('"sample"', repr(name)), "vendor-good")["error"]
    assert error["class"] == "DriverNotFound"
    assert "pip install" not in error["hint"]
    assert len(error["text"]) < 250
    assert "\n" not in error["text"]


def test_a_name_that_is_no_text() -> None:
    with pytest.raises(ConfigError, match="driver: must be a driver's name, got a int"):
        load_driver(5)  # type: ignore[arg-type]


# --- duplicates -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "order",
    [
        ("vendor-good", "vendor-rival"),
        ("vendor-good", "vendor-other", "vendor-rival"),
        ("vendor-rival", "vendor-other", "vendor-good"),
    ],
)
def test_duplicates_are_refused_wherever_they_are(run: Run, order: tuple[str, ...]) -> None:
    error = failure(run, *order)
    assert error["class"] == "DuplicateDriver"
    assert "vendor-good 0.3.1" in error["text"]
    assert "vendor-rival 2.0" in error["text"]
    assert "pip uninstall vendor-good" in error["hint"]
    assert "pip uninstall vendor-rival" in error["hint"]


def test_three_rivals_are_all_named(run: Run) -> None:
    error = failure(run, "vendor-good", "vendor-rival", "vendor-third")
    assert all(name in error["text"] for name in ("vendor-good 0.3.1", "vendor-rival 2.0", "vendor-third 7.1"))


def test_one_distribution_offering_a_name_twice_is_its_own_fault(run: Run) -> None:
    error = failure(run, "vendor-twice")
    assert (error["class"], error["text"]) == (
        "DuplicateDriver",
        "vendor-twice 0.3.1 offers the driver 'sample' 2 times",
    )
    assert "authors of vendor-twice" in error["hint"]


def test_nobody_replaces_an_embedded_driver(run: Run) -> None:
    error = run(LOAD.replace('"sample"', '"fake"'), "vendor-fakes")["error"]
    assert error["class"] == "DuplicateDriver"
    assert error["hint"] == "pip uninstall vendor-fakes"


def test_a_shadowed_installation_of_the_same_distribution_is_no_duplicate(run: Run, installed: dict[str, Path]) -> None:
    assert run(LOAD, "vendor-good", folders=(installed["vendor-good"],))["distribution"] == "vendor-good"


# --- versions ---------------------------------------------------------------------------------------------------------


def test_a_driver_for_a_newer_api_says_to_upgrade_the_api(run: Run) -> None:
    error = failure(run, "vendor-too-new")
    assert error["class"] == "DriverVersionError"
    assert "vendor-too-new 0.3.1 needs nova-virt-api<3,>=2.1" in error["text"]
    assert f"nova-virt-api {__version__} is installed" in error["text"]
    assert error["hint"] == "upgrade nova-virt-api: pip install --upgrade 'nova-virt-api<3,>=2.1'"


@pytest.mark.parametrize("name", ["vendor-too-old", "vendor-excludes"])
def test_a_driver_for_an_older_api_says_to_upgrade_the_driver(run: Run, name: str) -> None:
    error = failure(run, name)
    assert error["class"] == "DriverVersionError"
    assert f"nova-virt-api {__version__} is installed" in error["text"]
    assert error["hint"].startswith(f"upgrade the driver: pip install --upgrade {name};")


def test_the_version_is_checked_before_the_driver_is_imported(run: Run) -> None:
    code = LOAD + "show(imported='vendor_too_new' in sys.modules)"
    assert run(code, "vendor-too-new") == {"imported": False}


def test_requirements_of_extras_do_not_count(run: Run) -> None:
    assert run(LOAD, "vendor-extra")["distribution"] == "vendor-extra"


@pytest.mark.parametrize(("name", "text"), [("vendor-silent", "does not say"), ("vendor-garbled", "cannot be read")])
def test_a_driver_must_say_what_it_supports(run: Run, name: str, text: str) -> None:
    error = failure(run, name)
    assert error["class"] == "DriverVersionError"
    assert text in error["text"]


def test_a_driver_of_another_major(run: Run) -> None:
    error = failure(run, "vendor-next-major")
    assert error["class"] == "DriverVersionError"
    assert "made for version 2 of the driver API" in error["text"]
    assert error["hint"] == "upgrade nova-virt-api: pip install --upgrade 'nova-virt-api>=2'"


# --- imports ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "cause"),
    [
        ("vendor-raises", "RuntimeError: broken in two lines", "RuntimeError"),
        ("vendor-exits", "SystemExit: no hypervisor here", "SystemExit"),
        ("vendor-syntax", "SyntaxError: ", "SyntaxError"),
        ("vendor-no-attribute", "AttributeError: ", "AttributeError"),
    ],
)
def test_a_driver_that_fails_to_import(run: Run, name: str, text: str, cause: str) -> None:
    error = failure(run, name)
    assert (error["class"], error["cause"]) == ("DriverImportError", cause)
    assert f"{name} 0.3.1 cannot be imported: {text}" in error["text"]
    assert error["hint"] == f"report it to the authors of {name}"
    assert "\n" not in error["text"]


def test_a_missing_sdk_without_a_hint_of_the_driver(run: Run) -> None:
    error = failure(run, "vendor-no-sdk")
    assert (error["class"], error["cause"]) == ("DriverImportError", "ModuleNotFoundError")
    assert "No module named 'vendor_sdk_that_is_missing'" in error["text"]
    assert error["hint"] == "install what it requires: pip install vendor-no-sdk"


def test_a_missing_sdk_with_the_hint_of_the_driver(run: Run) -> None:
    assert failure(run, "vendor-hinted")["hint"] == "apt install vendor-sdk-dev gcc"


def test_a_broken_hint_does_not_hide_the_error(run: Run) -> None:
    error = failure(run, "vendor-bad-hint")
    assert "vendor_sdk_that_is_missing" in error["text"]
    assert error["hint"] == "install what it requires: pip install vendor-bad-hint"


def test_missing_files_of_the_driver_itself(run: Run) -> None:
    error = failure(run, "vendor-incomplete")
    assert error["class"] == "DriverImportError"
    assert error["hint"] == "its files are incomplete: pip install --force-reinstall --no-deps vendor-incomplete"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("vendor-stranger", "vendor_stranger.driver:Stranger does not inherit"),
        ("vendor-function", "vendor_function.driver:function does not inherit"),
        ("vendor-half", "vendor_half.driver:Half lacks leftovers, open"),
    ],
)
def test_what_is_no_driver(run: Run, name: str, text: str) -> None:
    error = failure(run, name)
    assert error["class"] == "DriverImportError"
    assert text in error["text"]
