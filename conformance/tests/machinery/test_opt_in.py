"""One class and one fixture: what an author gives, and what is the kit's and stays so."""

from typing import Any

import pytest

from nova_virt_conformance.outcome import Outcome


def test_one_class_and_one_fixture(sessions: Any) -> None:
    ended = sessions.run()
    assert ended.code == 0, ended.output
    assert [(test.name, test.sentence) for test in ended.report.tests] == [
        ("test_first", "The first sentence."),
        ("test_second", "The second sentence."),
    ]
    assert "2 passed" in ended.output


CHANGES = {
    "overrides a test": ("class TestIt(OnFake, Conformance):\n    def test_first(self): pass\n", "test_first"),
    "takes a test away": ("class TestIt(OnFake, Conformance):\n    test_second = None\n", "test_second"),
    "overrides a fixture": (
        "class TestIt(OnFake, Conformance):\n    @pytest.fixture\n    def compute(self): return 1\n",
        "compute",
    ),
    "skips the clean-up": (
        "class TestIt(OnFake, Conformance):\n    @pytest.fixture(autouse=True)\n    def clean(self): yield\n",
        "clean",
    ),
    "a mixin before the kit": (
        "class Mixin:\n    def test_first(self): pass\nclass TestIt(OnFake, Mixin, Conformance): pass\n",
        "test_first",
    ),
    "a fixture of a mixin": (
        "class Mixin:\n    @pytest.fixture\n    def running(self): return 1\n"
        "class TestIt(OnFake, Mixin, Conformance): pass\n",
        "running",
    ),
    "set after it was made": (
        "class TestIt(OnFake, Conformance): pass\nTestIt.test_first = lambda self: None\n",
        "test_first",
    ),
    "set to None after it was made": (
        "class TestIt(OnFake, Conformance): pass\nTestIt.test_first = None\n",
        "test_first",
    ),
    "set in the kit's own class": (
        "Conformance.test_second = lambda self: None\nclass TestIt(OnFake, Conformance): pass\n",
        "test_second",
    ),
    "deleted from the kit's own class": (
        "del Conformance.test_second\nclass TestIt(OnFake, Conformance): pass\n",
        "test_second",
    ),
    "in a grandchild": (
        "class Base(OnFake, Conformance): pass\nclass TestIt(Base):\n    def test_first(self): pass\n",
        "test_first",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_kits_own_cannot_be_changed(sessions: Any, change: str) -> None:
    kind, name = CHANGES[change]
    ended = sessions.run(kind=kind)
    assert ended.code not in (0, 5), ended.output
    assert name in ended.output
    assert not ended.reports, "a kit that was changed shows nothing"
    assert "passed" not in ended.output


def test_an_author_may_add_tests(sessions: Any) -> None:
    ended = sessions.run(
        kind="""
            class TestIt(OnFake, Conformance):
                def test_my_own(self, running, lab):
                    assert lab.compute.instance(running).name
        """
    )
    assert ended.code == 0, ended.output
    assert ended.outcome("test_my_own") is Outcome.PASSED


def test_without_a_rig_it_says_what_to_give(sessions: Any) -> None:
    ended = sessions.run(kind="class TestIt(Conformance): pass")
    assert ended.code == 1
    assert "TestIt has no fixture rig; let it return your Rig(Target(...)), scope='class'" in ended.output
    assert "1 skipped, 1 error" in ended.output, "one error, and not one for each test"


def test_an_endpoint_that_cannot_be_opened_is_one_error(sessions: Any) -> None:
    ended = sessions.run(
        kind="""
            class TestIt(OnFake, Conformance):
                @pytest.fixture(scope="class")
                @classmethod
                def rig(cls):
                    return FakeRig(target(options={"world": "it", "refuse": "connection"}))
        """
    )
    assert ended.code == 1
    assert "1 skipped, 1 error" in ended.output
    assert "the endpoint was not opened: Unavailable: connect: the fake hypervisor does not answer" in ended.output
    assert "Traceback" not in ended.output
    assert "lab.py" not in ended.output, "it is not a matter of the kit's code"
    assert not ended.reports


def test_a_rig_that_raises_is_one_error_with_its_place(sessions: Any) -> None:
    ended = sessions.run(
        kind="""
            class Rig(FakeRig):
                def open(self):
                    raise OSError("no route to the lab")
            class TestIt(OnFake, Conformance):
                @pytest.fixture(scope="class")
                @classmethod
                def rig(cls):
                    return Rig(target())
        """
    )
    assert "1 skipped, 1 error" in ended.output
    assert "no route to the lab" in ended.output
    assert "test_it.py" in ended.output


TWO_CLASSES = """
    class TestIt(OnFake, Conformance):
        pass

    class TestOther(Conformance):
        @pytest.fixture(scope="class")
        @classmethod
        def rig(cls):
            return FakeRig(target(owner="conformance-two", options={"world": "other"}))
"""


def test_two_classes_in_one_session(sessions: Any) -> None:
    ended = sessions.run(kind=TWO_CLASSES)
    assert ended.code == 0, ended.output
    assert ended.reports.keys() == {"fake", "fake-2"}, "no report takes another's place"
    assert all(len(report.tests) == 2 for report in ended.reports.values())


def test_an_endpoint_that_is_down_does_not_matter_to_another(sessions: Any) -> None:
    ended = sessions.run(kind=TWO_CLASSES.replace('"world": "other"', '"refuse": "connection"'))
    assert ended.code == 1
    assert "2 passed, 1 skipped, 1 error" in ended.output
    assert ended.report.tests


def test_tests_may_come_in_any_order(sessions: Any) -> None:
    ended = sessions.run(
        kind=TWO_CLASSES,
        conftest="""
            @pytest.hookimpl(trylast=True)
            def pytest_collection_modifyitems(items):
                items.sort(key=lambda item: (item.originalname, item.cls.__name__), reverse=True)
        """,
    )
    assert ended.code == 0, ended.output
    assert {test.name for report in ended.reports.values() for test in report.tests} == {"test_first", "test_second"}
    assert all(len(report.tests) == 2 for report in ended.reports.values())


def test_workers_of_xdist_are_refused(sessions: Any) -> None:
    ended = sessions.run(
        conftest="""
            def pytest_configure(config):
                config.workerinput = {"workerid": "gw0"}
        """
    )
    assert ended.code == 1
    assert "run the kit without -n" in ended.output
    assert "1 skipped, 1 error" in ended.output
    assert not ended.reports


def test_warnings_as_errors(sessions: Any) -> None:
    ended = sessions.run("-W", "error", python=("-W", "error"))
    assert ended.code == 0, ended.output
