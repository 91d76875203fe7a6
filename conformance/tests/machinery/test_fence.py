"""The fence: the kit goes into its own places, touches its own guests, and stays within its quota."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from nova_virt_api.errors import InvalidSpec, VirtError
from nova_virt_api.model.disk import Blank, Disk
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.placement import Placement
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_api.model.units import GiB, MiB
from nova_virt_conformance import Evidence, Quota, Target
from nova_virt_conformance.fence import Fence, OutOfBounds
from nova_virt_conformance.outcome import Outcome

GIVEN: dict[str, Any] = {
    "driver": "fake",
    "owner": "conformance",
    "pools": ("default",),
    "networks": ("default",),
    "evidence": Evidence.OWN_SIMULATION,
}

# --- a target that the kit does not start on --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("owner", "production"),
        ("owner", ""),
        ("owner", None),
        ("options", {"manage": "all"}),
        ("options", {"owner": "alice"}),
        ("seconds_per_test", 0),
        ("seconds_per_test", "long"),
    ],
)
def test_a_target_says_what_is_wrong_with_it(field: str, value: object) -> None:
    with pytest.raises(InvalidSpec) as caught:
        Target(**{**GIVEN, field: value})
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("pools=('default', 'fast')", "pools: not there: fast; the endpoint has: default"),
        ("pools=()", "pools: none is named; name those that the kit may use; there are: default"),
        ("networks=()", "networks: none is named; name those that the kit may use; there are: default"),
        ("nodes=('rack-9',)", "nodes: not there: rack-9; the endpoint has: fake-host"),
        ("networks=('blue',)", "networks: not there: blue; the endpoint has: default"),
        ("owner='conformance!'", "owner"),
    ],
)
def test_it_does_not_start_in_places_that_are_not_there(sessions: Any, more: str, words: str) -> None:
    ended = sessions.run(
        kind=f"""
            class TestIt(OnFake, Conformance):
                @pytest.fixture(scope="class")
                @classmethod
                def rig(cls):
                    return FakeRig(target({more}))
        """
    )
    assert ended.code == 1
    assert "1 skipped, 1 error" in ended.output
    assert words in ended.output


# --- other people's guests --------------------------------------------------------------------------------------------

WITH_STRANGERS = """
    from nova_virt_api.model.instance import PowerState

    class Rig(FakeRig):
        def open(self):
            super().open()
            self.outside.add_guest("web", power_state=PowerState.RUNNING)

    class TestIt(OnFake, Conformance):
        @pytest.fixture(scope="class")
        @classmethod
        def rig(cls):
            return Rig(target())
"""

ASKED = """
    class Broken(FakeDriver):
        def power_off(self, *arguments, **named):
            print("the driver was asked")
            return super().power_off(*arguments, **named)
"""


def test_no_verb_reaches_a_guest_that_was_there_before(sessions: Any) -> None:
    ended = sessions.run(
        "-s",
        kind=WITH_STRANGERS,
        driver=ASKED,
        tests='''
            def test_all(lab, running):
                """A test that takes any guest for its own."""
                for guest in lab.compute.instances():
                    try:
                        lab.compute.power_off(guest, timeout=None)
                    except errors.VirtError:
                        pass

            def test_web_still_runs(lab):
                """Nothing happened to it."""
                (web,) = (guest for guest in lab.compute.instances(fresh=True) if guest.name == "web")
                assert web.power_state is PowerState.RUNNING
        ''',
    )
    assert ended.code == 1
    assert ended.outcome("test_all") is Outcome.FAILED, "even if it took the refusal for an answer"
    assert "power_off was asked for the guest" in ended.result("test_all").reason
    assert "which is not the kit's" in ended.result("test_all").reason
    assert ended.outcome("test_web_still_runs") is Outcome.PASSED
    assert ended.output.count("the driver was asked") == 1, "for the kit's own guest"


def test_no_verb_reaches_a_guest_that_came_meanwhile(sessions: Any) -> None:
    ended = sessions.run(
        "-s",
        driver=ASKED,
        tests='''
            def test_all(lab):
                """Somebody makes a guest while the kit runs."""
                web = lab.rig.outside.add_guest("web", power_state=PowerState.RUNNING)
                assert [guest.uuid for guest in lab.compute.instances(fresh=True)] == [web]
                try:
                    lab.compute.power_off(web)
                finally:
                    lab.rig.outside.remove(web)
        ''',
    )
    assert "OutOfBounds: power_off" in ended.result("test_all").reason
    assert "the driver was asked" not in ended.output


def test_a_foreign_guest_of_the_rigs_may_be_asked_for(sessions: Any) -> None:
    ended = sessions.run(
        tests='''
            def test_foreign(lab):
                """The driver refuses by itself."""
                with lab.rig.foreign_guest("conformance-foreign") as uuid:
                    assert lab.compute.instance(uuid, fresh=True).owner is None
                    with pytest.raises(errors.PermissionDenied):
                        lab.compute.power_on(uuid)
        '''
    )
    assert ended.code == 0, ended.output


# --- what an earlier run left -----------------------------------------------------------------------------------------

PERSISTENT = """
    from pathlib import Path
    FOLDER = Path(__file__).parent
    OPTIONS = {"world": "kept", "persist": True, "state_dir": str(FOLDER / "worlds")}

    class TestIt(OnFake, Conformance):
        @pytest.fixture(scope="class")
        @classmethod
        def rig(cls):
            return FakeRig(target(options=OPTIONS))
"""

KILLED = '''
    import os

    def spawn(lab, owner, name):
        connection = lab.connect(owner=owner)
        lab.raw(connection).open()
        return connection.spawn(lab.spec(name=name))

    def test_first(lab):
        """Killed in the middle."""
        spawn(lab, "conformance", "one")
        spawn(lab, "conformance-other", "two")
        spawn(lab, "conformance-else", "somebody-elses-run")
        spawn(lab, "alice", "web")
        os._exit(9)
'''


def test_it_removes_what_an_earlier_run_left_and_nothing_else(sessions: Any) -> None:
    killed = sessions.run("-s", tests=KILLED, kind=PERSISTENT)
    assert killed.code == 9, killed.output
    ended = sessions.run(
        kind=PERSISTENT,
        tests='''
            def test_first(lab):
                """What is there when the first test begins."""
                left = {guest.name for guest in lab.compute.instances(fresh=True)}
                assert left == {"web", "somebody-elses-run"}, left
        ''',
    )
    assert ended.code == 0, ended.output


def test_a_second_run_at_the_same_time_does_not_start(sessions: Any) -> None:
    ended = sessions.run(
        tests='''
            import subprocess, sys

            def test_first(lab):
                """Another run of the same session is tried from inside."""
                again = subprocess.run(
                    [sys.executable, "-m", "pytest", "-c", "/dev/null", "-p", "no:cacheprovider", "--rootdir=.",
                     "--deselect=test_it.py::TestIt::test_first", "test_it.py"],
                    capture_output=True, text=True, timeout=30,
                )
                assert "another run of the kit is under way here with the owner 'conformance'" in again.stdout
                assert again.returncode == 1

            def test_second(lab):
                """The other one."""
        ''',
    )
    assert ended.code == 0, ended.output
    assert not list((sessions.folder / "state").rglob("*.lock")), "nothing stays"


# --- how much it may have ---------------------------------------------------------------------------------------------


def test_what_the_quota_forbids_is_not_verified(sessions: Any) -> None:
    ended = sessions.run(
        kind="""
            class TestIt(OnFake, Conformance):
                @pytest.fixture(scope="class")
                @classmethod
                def rig(cls):
                    return FakeRig(target(quota=Quota(guests=2)))
        """,
        tests='''
            def test_three(lab):
                """Three at once."""
                for _ in range(3):
                    lab.spawn()

            def test_refusal(lab):
                """It would take any error for the driver's."""
                lab.spawn(), lab.spawn()
                with pytest.raises(errors.VirtError):
                    lab.spawn()

            def test_one_after_another(lab):
                """What is gone does not count."""
                for _ in range(5):
                    lab.compute.destroy(lab.spawn())
        ''',
    )
    assert ended.code == 0, ended.output
    for test in ("test_three", "test_refusal"):
        assert ended.outcome(test) is Outcome.NOT_VERIFIED
        assert ended.result(test).reason == "the quota does not allow it: guests 3 of 2"
    assert ended.outcome("test_one_after_another") is Outcome.PASSED


def spec(**more: Any) -> InstanceSpec:
    given: dict[str, Any] = {
        "uuid": uuid4(),
        "name": "conformance-guest",
        "vcpus": 1,
        "memory_bytes": MiB(64),
        "disks": (Disk(source=Blank(), size_bytes=MiB(4)),),
        "nics": (Nic(network="default"),),
        "placement": Placement(pool="default"),
    }
    return InstanceSpec(**(given | more))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"vcpus": 17}, "vcpus 17 of 16"),
        ({"memory_bytes": GiB(3)}, f"memory_bytes {GiB(3)} of {GiB(2)}"),
        ({"disks": (Disk(source=Blank(), size_bytes=GiB(17)),)}, f"disk_bytes {GiB(17)} of {GiB(16)}"),
    ],
)
def test_the_quota_counts(more: dict[str, Any], words: str) -> None:
    fence = Fence(Target(**GIVEN))
    with pytest.raises(OutOfBounds, match=words):
        fence.admit_spec(spec(**more))


def test_the_quota_counts_a_guest_once() -> None:
    fence = Fence(replace(Target(**GIVEN), quota=Quota(guests=1)))
    again = spec()
    fence.admit_spec(again)
    fence.admit_spec(again)
    with pytest.raises(OutOfBounds):
        fence.admit_spec(spec())
    fence.forget(again.uuid)
    fence.admit_spec(spec())


def test_places_that_the_target_does_not_name_are_closed(sessions: Any) -> None:
    ended = sessions.run(
        kind="""
            class TestIt(OnFake, Conformance):
                @pytest.fixture(scope="class")
                @classmethod
                def rig(cls):
                    return FakeRig(target(options={"world": "it", "pools": ["default", "gold"]}))
        """,
        tests='''
            from nova_virt_api.model.placement import Placement

            def test_gold(lab):
                """A guest in another pool."""
                lab.spawn(placement=Placement(pool="gold"))
        ''',
    )
    assert ended.outcome("test_gold") is Outcome.NOT_VERIFIED
    assert ended.result("test_gold").reason == "the pool gold is not one that the kit may use"


def test_interfaces_stay_on_the_targets_networks(sessions: Any) -> None:
    ended = sessions.run(
        kind="""
            class TestIt(OnFake, Conformance):
                @pytest.fixture(scope="class")
                @classmethod
                def rig(cls):
                    return FakeRig(target(options={"world": "it", "networks": ["default", "backbone"]}))
        """,
        tests='''
            from nova_virt_api.model.nic import Nic

            def test_backbone(lab, stopped):
                """An interface on another network."""
                lab.compute.attach_interface(stopped, Nic(network="backbone"))
        ''',
    )
    assert ended.result("test_backbone").reason == "the network backbone is not one that the kit may use"


def test_a_refusal_is_an_error_of_the_api() -> None:
    assert issubclass(OutOfBounds, VirtError)
