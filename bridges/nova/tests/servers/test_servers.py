"""Nova's own functional tests of servers, unmodified, with ``fake`` behind the bridge in place of Nova's fake driver.

Each that fails is explained in doc/nova-mapping.md.
"""

import unittest
from collections.abc import Iterator
from typing import Any

import pytest
from nova.tests.functional import test_servers

SUITES = (
    test_servers.ServersTest,
    test_servers.ServerTestV220,
    test_servers.ServerRebuildTestCase,
    test_servers.ServerRebuildTestCaseV293,
    test_servers.ServersTestV280,
    test_servers.ServerRescheduleTests,
    test_servers.ServerBuildAbortTests,
    test_servers.ServerDeleteBuildTests,
    test_servers.ServerUnshelveSpawnFailTests,
    test_servers.ServerSoftDeleteTests,
    test_servers.VolumeBackedServerTest,
    test_servers.PortBindingShelvedServerTest,
)
"""Those in which the driver has work to do; the page says which of Nova's are left out, and why."""

MOVES = (
    "test_evacuate_clean_hypervisor",
    "test_evacuate_instance_kept_on_the_hypervisor",
    "test_evacuate_rebuild_on_dest_fails_clean_hypervisor",
    "test_shelve_offload_unshelve_diff_host",
)
"""What is run of ``ServerMovingTests``: one of each kind of move. The rest is variants, resizes and live migrations."""


def cases() -> Iterator[tuple[str, unittest.TestCase]]:
    """The tests by the names that the page has for them."""
    loader = unittest.TestLoader()
    for suite in SUITES:
        yield from ((f"{suite.__name__}.{name}", suite(name)) for name in loader.getTestCaseNames(suite))
    yield from ((f"ServerMovingTests.{name}", test_servers.ServerMovingTests(name)) for name in MOVES)


NAMES = [name for name, _ in cases()]


@pytest.mark.usefixtures("api_paste", "in_place_of_nova", "stocked_glance")
@pytest.mark.parametrize("name", NAMES)
def test_servers_of_nova(page: Any, run_nova_test: Any, judge: Any, request: pytest.FixtureRequest, name: str) -> None:
    explained = page.names("Server test", "Fails with", "Why")
    if name not in explained:  # what never comes need not be waited for
        request.getfixturevalue("patient")
    judge(run_nova_test(dict(cases())[name]), explained.get(name))


def test_no_explanation_is_left_over(page: Any) -> None:
    assert set(page.names("Server test", "Fails with", "Why")) <= set(NAMES)
