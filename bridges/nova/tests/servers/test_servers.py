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
    test_servers.PollUnconfirmedResizesTest,
)
"""Those in which the driver has work to do; the page says which of Nova's are left out, and why."""

MOVES = (
    "test_evacuate_clean_hypervisor",
    "test_evacuate_instance_kept_on_the_hypervisor",
    "test_evacuate_rebuild_on_dest_fails_clean_hypervisor",
    "test_live_migrate",
    "test_live_migrate_rollback_cleans_dest_node_allocations",
    "test_migrate_revert",
    "test_migration_confirm_resize_error",
    "test_resize_confirm",
    "test_resize_confirm_same_host",
    "test_resize_revert_same_host",
    "test_shelve_offload_unshelve_diff_host",
)
"""What is run of ``ServerMovingTests``: one of each kind of move. The rest is variants of these."""


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
