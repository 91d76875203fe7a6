"""How a test can end: everything that is not a pass says why."""

from typing import Any

import pytest

from nova_virt_conformance.outcome import Outcome


def test_not_applicable_has_the_endpoints_reason(sessions: Any) -> None:
    ended = sessions.run(
        driver="""
            class Broken(FakeDriver):
                def capabilities(self, node=None):
                    said = super().capabilities(node)
                    no = Availability(False, "this machine has no UEFI")
                    return replace(said, answers={**said.answers, Feature.UEFI: no})
            from dataclasses import replace
            from nova_virt_api.capability import Feature
            from nova_virt_api.model.capabilities import Availability
        """,
        tests='''
            @covers(Feature.UEFI)
            def test_uefi():
                """UEFI."""
                raise AssertionError("never reached")

            @needs(Feature.UEFI)
            @covers(Promise.POWER)
            def test_something_with_uefi():
                """It needs UEFI beside."""
                raise AssertionError("never reached")
        ''',
    )
    assert ended.code == 0, ended.output
    for test in ended.report.tests:
        assert test.outcome is Outcome.NOT_APPLICABLE
        assert test.reason == "uefi: this machine has no UEFI"
    assert "2 not applicable" in ended.output
    assert "not applicable: uefi: this machine has no UEFI (2 tests)" in ended.output


def test_what_the_rig_cannot_is_not_verified(sessions: Any) -> None:
    ended = sessions.run(
        tests='''
            def test_hands(lab, running):
                """It needs hands."""
                lab.rig.enter(running, PowerState.CRASHED)
        ''',
        kind="""
            from nova_virt_conformance import Rig
            class TestIt(OnFake, Conformance):
                @pytest.fixture(scope="class")
                @classmethod
                def rig(cls):
                    return Rig(target())
        """,
    )
    assert ended.code == 0, ended.output
    assert ended.outcome("test_hands") is Outcome.NOT_VERIFIED
    assert ended.result("test_hands").reason == "the rig has no enter()"
    assert "not verified: the rig has no enter() (1 test)" in ended.output


@pytest.mark.parametrize("skip", ["pytest.skip('why not')", "pytest.importorskip('no_such_thing')"])
def test_a_skip_of_pytests_is_not_verified(sessions: Any, skip: str) -> None:
    ended = sessions.run(tests=f"def test_first(compute):\n    '''First.'''\n    {skip}\n")
    assert ended.outcome("test_first") is Outcome.NOT_VERIFIED
    assert ended.result("test_first").reason


def test_a_failure_says_what_happened(sessions: Any) -> None:
    ended = sessions.run(
        tests='''
            def test_claim(running):
                """A claim."""
                assert running.power_state is PowerState.PAUSED

            def test_error(lab, spec):
                """An error."""
                lab.compute.pause(spec.uuid)
        '''
    )
    assert ended.code == 1
    assert ended.outcome("test_claim") is Outcome.FAILED
    assert "PowerState.RUNNING" in ended.result("test_claim").reason
    assert ended.result("test_error").reason.startswith("InstanceNotFound: pause ")


def test_a_method_that_was_never_called_is_not_covered(sessions: Any) -> None:
    ended = sessions.run(
        tests='''
            @covers(Promise.POWER, Driver.power_on, Driver.reboot)
            def test_power(compute, stopped):
                """It says that it reboots."""
                compute.power_on(stopped)
        '''
    )
    assert ended.code == 1
    assert ended.result("test_power").reason == "the test never called Driver.reboot"


PROVISIONAL = '''
    @covers(Promise.POWER, since=(1, 1))
    def test_new(running):
        """A sentence that is new."""
        assert running.power_state is PowerState.PAUSED

    def test_old(running):
        """An old one."""
'''


def test_a_provisional_test_fails_without_harm(sessions: Any) -> None:
    ended = sessions.run(
        tests=PROVISIONAL,
        conftest="from nova_virt_conformance.covers import Coverage\nCoverage.provisional.__defaults__ = ((1, 1),)\n",
    )
    assert ended.code == 0, ended.output
    assert ended.outcome("test_new") is Outcome.FAILED
    assert ended.result("test_new").provisional
    assert "provisional, it does not count yet" in ended.output
    assert "test_new" in ended.output
    assert all("test_new" not in line for profile in ended.report.profiles for line in profile.missing)


def test_a_minor_later_the_same_failure_counts(sessions: Any) -> None:
    ended = sessions.run(
        tests=PROVISIONAL,
        conftest="from nova_virt_conformance.covers import Coverage\nCoverage.provisional.__defaults__ = ((1, 2),)\n",
    )
    assert ended.code == 1
    assert not ended.result("test_new").provisional
    assert any("test_new failed" in line for line in ended.report.profiles[0].missing)


# --- known failures ---------------------------------------------------------------------------------------------------

CASES = '''
    @pytest.mark.parametrize("case", ["good", "bad"])
    def test_cases(compute, case):
        """In each case it is good."""
        assert case == "good"

    def test_other(compute):
        """Another one."""
'''


def known(*names: str, expires: str = "2999-12-31") -> str:
    """A class whose target knows of these failures."""
    return f"""
        KNOWN = tuple(
            KnownFailure(test=name, reason="the backend loses it", link="https://bugs.example/7",
                         expires=datetime.date.fromisoformat("{expires}"))
            for name in {names!r}
        )
        class TestIt(Conformance):
            @pytest.fixture(scope="class")
            @classmethod
            def rig(cls):
                return FakeRig(target(known_failures=KNOWN))
    """


def test_a_known_failure_is_one(sessions: Any) -> None:
    ended = sessions.run(tests=CASES, kind=known("test_cases[bad]"))
    assert ended.code == 0, ended.output
    result = ended.result("test_cases[bad]")
    assert result.outcome is Outcome.KNOWN_FAILURE
    assert (result.reason, result.link) == ("the backend loses it", "https://bugs.example/7")
    assert "1 known failure" in ended.output


def test_a_known_failure_that_passes_fails(sessions: Any) -> None:
    ended = sessions.run(tests=CASES, kind=known("test_cases"))
    assert ended.code == 1
    assert ended.outcome("test_cases[bad]") is Outcome.KNOWN_FAILURE
    assert ended.outcome("test_cases[good]") is Outcome.FAILED
    assert "no known failure any more" in ended.result("test_cases[good]").reason
    assert "https://bugs.example/7" in ended.output


def test_a_known_failure_that_expired_fails(sessions: Any) -> None:
    ended = sessions.run(tests=CASES, kind=known("test_cases[bad]", expires="2026-01-31"))
    assert ended.code == 1
    assert ended.outcome("test_cases[bad]") is Outcome.FAILED
    assert "the known failure expired on 2026-01-31" in ended.result("test_cases[bad]").reason


@pytest.mark.parametrize("name", ["test_casses", "test_cases[ugly]"])
def test_a_known_failure_of_no_test_is_refused(sessions: Any, name: str) -> None:
    ended = sessions.run(tests=CASES, kind=known(name))
    assert ended.code == 1
    assert f"the kit has no test called {name}" in ended.output
    assert not ended.reports


def test_a_known_failure_need_not_be_among_the_selected(sessions: Any) -> None:
    assert sessions.run("-k", "other", tests=CASES, kind=known("test_cases[bad]")).code == 0
    assert sessions.run("test_it.py::TestIt::test_other", tests=CASES, kind=known("test_cases[bad]")).code == 0


# --- a part of the kit ------------------------------------------------------------------------------------------------

PARTS = {
    "keyword": (["-k", "first"], "-k first"),
    "mark": (["-m", "covers"], "-m covers"),
    "deselected": (["--deselect", "test_it.py::TestIt::test_second"], "some of its tests only"),
    "named": (["test_it.py::TestIt::test_first"], "some of its tests only"),
}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_the_kit_reaches_no_profile(sessions: Any, part: str) -> None:
    arguments, words = PARTS[part]
    ended = sessions.run(
        *arguments,
        tests='''
            @covers(Promise.LISTING)
            def test_first(compute):
                """First."""
            def test_second(compute):
                """Second."""
        ''',
    )
    assert ended.code == 0, ended.output
    assert ended.report.selection == words
    assert [test.name for test in ended.report.tests] == ["test_first"]
    expected = (f"only a part of the kit was run ({words}); a profile needs all of it",)
    assert {profile.missing for profile in ended.report.profiles} == {expected}


def test_what_a_session_did_not_come_to_is_not_verified(sessions: Any) -> None:
    ended = sessions.run(
        "-x",
        tests='''
            def test_first(compute):
                """First."""
                assert not compute

            @covers(Promise.LISTING)
            def test_second(compute):
                """Second."""
        ''',
    )
    assert ended.result("test_second").reason == "the run ended before it"
    assert ended.outcome("test_second") is Outcome.NOT_VERIFIED


FOR_A_PROFILE = '''
    from nova_virt_conformance.profile import CORE, LIFECYCLE

    @covers(*CORE.requires)
    def test_core(compute):
        """All of Core."""

    @covers(*LIFECYCLE.requires)
    def test_lifecycle(compute):
        """A part of Lifecycle."""
        raise AssertionError("it does not")
'''


def test_a_profile_alone(sessions: Any) -> None:
    ended = sessions.run("--conformance-profile=core", tests=FOR_A_PROFILE)
    assert ended.code == 0, ended.output
    assert [test.name for test in ended.report.tests] == ["test_core"]
    assert ended.report.selection == "--profile Core"
    assert [profile.name for profile in ended.report.profiles if profile.reached] == ["Core"]
    assert ended.report.profiles[1].missing == ("only what the profile Core needs was run",)


def test_a_profile_that_is_missed_fails_the_session(sessions: Any) -> None:
    tests = FOR_A_PROFILE.replace("raise AssertionError(", "raise NotVerified(")
    ended = sessions.run("--conformance-profile", "Lifecycle", tests=tests)
    assert ended.code == 1, "although no test failed"
    assert "1 passed, 1 skipped" in ended.output
    assert {test.name for test in ended.report.tests} == {"test_core", "test_lifecycle"}


def test_a_profile_that_is_not_there(sessions: Any) -> None:
    ended = sessions.run("--conformance-profile", "Kernel")
    assert ended.code == 4
    assert "there is no profile 'Kernel'; there are: Core, Lifecycle" in ended.output
