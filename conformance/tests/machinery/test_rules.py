"""Rules that hold for every call: whatever a test is about, a driver that breaks one fails it."""

from typing import Any

import pytest

from nova_virt_conformance.outcome import Outcome

PAUSES = '''
    def test_first(compute, running):
        """It pauses, and takes what comes."""
        try:
            compute.pause(running)
        except errors.VirtError:
            pass
'''

BROKEN = {
    "a native exception": (
        "raise KeyError('domain')",
        "Pause.pause let a native KeyError escape",
    ),
    "an error that is not documented": (
        "raise errors.ImageNotFound('debian is not there')",
        "Pause.pause raised ImageNotFound, which it does not document",
    ),
    "progress that runs backwards": (
        "op.stage('pausing'); op.progress(2, 3); op.progress(1, 3)",
        "progress ran backwards in 'pausing': 1 after 2",
    ),
    "progress past its end": (
        "op.stage('pausing'); op.progress(4, 3)",
        "progress makes no sense in 'pausing': 4 of 3",
    ),
    "a secret in a log": (
        "logging.getLogger('native').debug('sent %s', 'opensesame')",
        "a secret can be read in the log of native (debug)",
    ),
    "a secret in an error": (
        "raise errors.Busy('opensesame')",
        "a secret can be read in the Busy that Pause.pause raised",
    ),
}

SECRETIVE = """
    class Rig(FakeRig):
        def secrets(self):
            return ("opensesame",)

    class TestIt(OnFake, Conformance):
        @pytest.fixture(scope="class")
        @classmethod
        def rig(cls):
            return Rig(target())
"""


def pausing(line: str) -> str:
    """A driver whose pause does this, and nothing else."""
    return f"""
        from nova_virt_api.driver.pause import Pause
        class Broken(FakeDriver):
            def pause(self, guest, op):
                {line}
    """


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_rule_fails_any_test(sessions: Any, kind: str) -> None:
    line, words = BROKEN[kind]
    ended = sessions.run(tests=PAUSES, driver=pausing(line), kind=SECRETIVE)
    assert ended.code == 1, ended.output
    assert words in ended.result("test_first").reason


def test_a_test_that_gives_up_does_not_hide_a_broken_rule(sessions: Any) -> None:
    tests = f"{PAUSES}        raise NotApplicable('there is no such thing here')\n"
    ended = sessions.run(tests=tests, driver=pausing("raise KeyError('domain')"))
    assert ended.outcome("test_first") is Outcome.FAILED
    assert "KeyError" in ended.result("test_first").reason


def test_what_else_was_broken_is_told_of_a_failure(sessions: Any) -> None:
    tests = f"{PAUSES}        raise ValueError('a claim that is wrong')\n"
    ended = sessions.run(tests=tests, driver=pausing("raise KeyError('domain')"))
    assert ended.result("test_first").reason == "ValueError: a claim that is wrong"
    assert "1 failed in" in ended.output, "and not an error of the clean-up beside"
    assert "Pause.pause let a native KeyError escape" in ended.output


def test_a_rule_broken_in_the_clean_up_fails_the_test(sessions: Any) -> None:
    ended = sessions.run(
        driver="""
            class Broken(FakeDriver):
                def destroy(self, guest, op, **named):
                    op.stage("removing")
                    op.progress(2, 3)
                    op.progress(1, 3)
                    return super().destroy(guest, op, **named)
        """
    )
    assert ended.outcome("test_first") is Outcome.PASSED
    assert "progress ran backwards in 'removing'" in ended.result("test_second").reason


def test_a_rule_broken_while_connecting_is_told(sessions: Any) -> None:
    ended = sessions.run(
        kind=SECRETIVE,
        driver="""
            class Broken(FakeDriver):
                def open(self):
                    logging.getLogger("native").info("login with opensesame")
                    super().open()
        """,
    )
    assert "a secret can be read in the log of native (info)" in ended.result("test_first").reason
    assert ended.outcome("test_second") is Outcome.PASSED, "told once"


def test_secrets_of_the_options_are_known_without_the_rig(sessions: Any) -> None:
    ended = sessions.run(
        tests=PAUSES,
        driver=pausing("logging.getLogger('native').debug('sent %s', 'opensesame')"),
        kind="""
            class TestIt(OnFake, Conformance):
                @pytest.fixture(scope="class")
                @classmethod
                def rig(cls):
                    return FakeRig(target(options={"world": "it", "password": "opensesame"}))
        """,
    )
    assert "a secret can be read in the log of native" in ended.result("test_first").reason


def test_what_is_left_on_the_backend_fails_the_test(sessions: Any) -> None:
    ended = sessions.run(
        driver="""
            class Broken(FakeDriver):
                def destroy(self, guest, op, **named):
                    left = self.instances()
                    result = super().destroy(guest, op, **named)
                    if left and any(one.uuid == guest.uuid for one in left):
                        LEFT.append(f"volume of {guest.uuid}")
                    return result
            LEFT = []
        """,
        kind="""
            import made_up_driver
            class Rig(FakeRig):
                def backend_objects(self):
                    return [*super().backend_objects(), *made_up_driver.LEFT]

            class TestIt(OnFake, Conformance):
                @pytest.fixture(scope="class")
                @classmethod
                def rig(cls):
                    return Rig(target())
        """,
        tests='''
            def test_first(running):
                """It needs a guest."""

            def test_second(compute):
                """It needs none."""
        ''',
    )
    assert ended.code == 1
    assert ended.result("test_first").reason.startswith("left behind on the backend: volume of ")
    assert ended.outcome("test_second") is Outcome.PASSED, "it is told once, of the test that left it"


def test_a_guest_that_cannot_be_removed_fails_one_test(sessions: Any) -> None:
    ended = sessions.run(
        driver="""
            STUCK = []
            class Broken(FakeDriver):
                def destroy(self, guest, op, **named):
                    STUCK[1:] or STUCK.append(guest.uuid)
                    if guest.uuid == STUCK[0]:
                        raise errors.StorageError("its volume is in use")
                    return super().destroy(guest, op, **named)
        """,
        tests='''
            def test_first(lab):
                """Two guests, of which one stays."""
                lab.spawn(), lab.spawn()

            def test_second(lab):
                """The other one is gone."""
                assert len(lab.compute.instances(fresh=True)) == 1

            def test_third(lab):
                """Nothing new."""
        ''',
    )
    assert "its volume is in use" in ended.result("test_first").reason
    assert ended.outcome("test_second") is Outcome.PASSED
    assert "destroy" in ended.result("test_third").reason, "at the end it is tried once more, and told"


def test_an_endpoint_that_does_not_say_what_it_can_is_one_error(sessions: Any) -> None:
    ended = sessions.run(
        driver="""
            class Broken(FakeDriver):
                def capabilities(self, node=None):
                    raise KeyError("what")
        """
    )
    assert ended.code == 1
    assert "1 skipped, 1 error" in ended.output
    assert "the endpoint was not opened: DriverBug: capabilities" in ended.output
