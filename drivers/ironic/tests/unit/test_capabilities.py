"""An honest answer for everything that can be asked."""

import pytest

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.role import roles_of
from nova_virt_ironic.capabilities import answers
from nova_virt_ironic.driver import IronicDriver
from nova_virt_ironic.microversions import LATEST_KNOWN, MINIMUM, Microversion, Versions
from nova_virt_ironic.node import NodeRow

NODE = "6d1b1a5e-0000-4000-8000-00000000000a"


def speaks(highest: Microversion) -> Versions:
    return Versions(Microversion(1, 1), highest)


@pytest.mark.parametrize("highest", [MINIMUM, LATEST_KNOWN], ids=str)
def test_everything_has_an_answer_and_a_no_has_a_reason(highest: Microversion) -> None:
    found = answers(speaks(highest))
    assert set(found) == {*Capability, *Feature}
    assert [what for what, answer in found.items() if answer.available is bool(answer.reason)] == []


def test_the_newest_endpoint_has_every_role_of_the_class_and_no_other() -> None:
    available = {what for what, answer in answers(speaks(LATEST_KNOWN)).items() if answer.available}
    assert {role.capability for role in roles_of(IronicDriver)} == available & set(Capability)


def test_what_an_older_endpoint_cannot_do_is_told_with_the_version_that_can() -> None:
    found = answers(speaks(Microversion(1, 77)))
    assert found[Capability.DIAGNOSTICS].reason == "needs Ironic API 1.78, the endpoint speaks up to 1.77"
    assert found[Capability.RESCUE].available


def test_a_node_without_an_interface_cannot_what_that_is_for() -> None:
    row = NodeRow(uuid=NODE, rescue_interface="no-rescue", console_interface="fake")
    found = answers(speaks(LATEST_KNOWN), row)
    assert found[Capability.RESCUE].reason == "the node's rescue interface is no-rescue"
    assert not found[Feature.RESCUE_PASSWORD].available
    assert found[Capability.CONSOLE].available
