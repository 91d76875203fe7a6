"""The page names every flag by which Nova's scheduler chooses, and says which of them the bridge raises."""

from typing import Any

from nova.virt.driver import CAPABILITY_TRAITS_MAP, ComputeDriver

import nova_virt_api as virt
from nova_virt_api.model.capabilities import AVAILABLE, unavailable
from nova_virt_bridge.capabilities import flags_of

COLUMNS = ("Flag", "Trait", "Raised")
NEVER = "no"


def all_that_there_is() -> virt.Capabilities:
    """The answers of an endpoint that can do everything but be whole machines."""
    answers = {each: AVAILABLE for kind in (virt.Capability, virt.Feature) for each in kind}
    answers[virt.Feature.WHOLE_NODES] = unavailable("guests are virtual")
    return virt.Capabilities(
        driver="all", driver_version="1", backend="all", backend_version="1", answers=answers, event_latency_seconds=0.0
    )


def test_every_flag_is_there_with_its_trait(page: Any) -> None:
    flags = page.names(*COLUMNS)
    assert set(flags) == set(ComputeDriver.capabilities) | set(CAPABILITY_TRAITS_MAP)
    told = {flag: row["Trait"].strip("`") for flag, row in flags.items()}
    assert told == {flag: CAPABILITY_TRAITS_MAP.get(flag, "none") for flag in flags}


def test_those_that_are_raised_are_said_to_be(page: Any) -> None:
    raised = {flag for flag, value in flags_of(all_that_there_is(), nodes=1).items() if value}
    assert raised == {flag for flag, row in page.names(*COLUMNS).items() if not row["Raised"].startswith(NEVER)}
