"""A driver that hangs fails a test, and the run goes on."""

import time
from typing import Any

from nova_virt_conformance.outcome import Outcome

HANGS = """
    class Broken(FakeDriver):
        def inventory(self, node=None):
            threading.Event().wait()
"""

HANGING_TEST = '''
    def test_first(compute):
        """It reads, and the driver does not come back."""
        compute.inventory()

    def test_second(running):
        """The next one."""
        assert running.power_state is PowerState.RUNNING
'''


def limited(seconds: float, mark: str = "") -> str:
    return f"""
        {mark}
        class TestIt(OnFake, Conformance):
            @pytest.fixture(scope="class")
            @classmethod
            def rig(cls):
                return FakeRig(target(seconds_per_test={seconds}))
    """


WARM_UP = '''
    def test_a_first_one(compute):
        """From here on the target is known."""
'''


def test_a_driver_that_hangs_fails_the_test(sessions: Any) -> None:
    began = time.monotonic()
    ended = sessions.run(tests=WARM_UP + HANGING_TEST, driver=HANGS, kind=limited(1))
    assert time.monotonic() - began < 15
    assert ended.code == 1
    assert ended.outcome("test_first") is Outcome.FAILED
    assert "Timeout" in ended.result("test_first").reason
    assert ended.outcome("test_second") is Outcome.PASSED


def test_a_driver_that_hangs_in_the_clean_up_too(sessions: Any) -> None:
    ended = sessions.run(
        tests=WARM_UP + HANGING_TEST,
        kind=limited(1),
        driver="""
            HUNG = []
            class Broken(FakeDriver):
                def inventory(self, node=None):
                    HUNG.append(1)
                    threading.Event().wait()
                def leftovers(self):
                    if HUNG:
                        HUNG.clear()
                        threading.Event().wait()
                    return super().leftovers()
        """,
    )
    assert ended.code == 1
    assert "1 failed, 2 passed, 1 error" in ended.output
    assert ended.outcome("test_second") is Outcome.PASSED


def test_an_endpoint_that_does_not_answer(sessions: Any) -> None:
    ended = sessions.run(
        "--timeout=1",
        driver="""
            class Broken(FakeDriver):
                def open(self):
                    threading.Event().wait()
        """,
    )
    assert ended.code == 1
    assert "1 skipped, 1 error" in ended.output


def test_whose_word_counts(sessions: Any) -> None:
    tests = (
        WARM_UP
        + '''
    def test_first(request):
        """What it got."""
        marks = [mark.args[0] for mark in request.node.iter_markers("timeout")]
        assert marks == {expected}, marks
    '''
    )
    mark = "@pytest.mark.timeout(77)"
    assert sessions.run(tests=tests.replace("{expected}", "[33]"), kind=limited(33)).code == 0
    assert sessions.run(tests=tests.replace("{expected}", "[77]"), kind=limited(33, mark)).code == 0
    assert sessions.run("--timeout=55", tests=tests.replace("{expected}", "[]"), kind=limited(33)).code == 0
