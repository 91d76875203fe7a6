"""Nodes are taken out of use only where the kit may, and are always brought back."""

from __future__ import annotations

from typing import Any

from nova_virt_conformance.outcome import Outcome


def test_no_node_is_taken_out_of_use_that_the_target_does_not_name(sessions: Any) -> None:
    ended = sessions.run(
        tests='''
            def test_host(lab, running):
                """Takes the host of its guest, on which others may run too."""
                lab.compute.enter_maintenance(running.node, "for fun")

            def test_host_is_in_use(lab):
                """Nothing happened to it."""
                assert [node.maintenance for node in lab.compute.nodes()] == [None]
        ''',
    )
    assert ended.outcome("test_host") is Outcome.NOT_VERIFIED
    assert "the node fake-host is not one that the kit may take out of use" in ended.result("test_host").reason
    assert ended.outcome("test_host_is_in_use") is Outcome.PASSED


def test_a_whole_node_of_the_kits_is_taken_out_of_use_and_no_other(sessions: Any) -> None:
    ended = sessions.run(
        kind="""
            class TestIt(OnFake, Conformance):
                @pytest.fixture(scope="class")
                @classmethod
                def rig(cls):
                    return FakeRig(target(options={"world": "it", "whole_nodes": True, "nodes": ["one", "two"]}))
        """,
        tests='''
            def test_own(lab, running):
                """The machine that its guest is."""
                lab.compute.enter_maintenance(running.node, "for fun")

            def test_other(lab, running):
                """Another machine."""
                (other,) = (node for node in lab.compute.nodes() if node.name != running.node)
                lab.compute.enter_maintenance(other.name, "for fun")

            def test_all_are_in_use(lab):
                """What the tests took is brought back."""
                assert [node.maintenance for node in lab.compute.nodes()] == [None, None]
        ''',
    )
    assert ended.outcome("test_own") is Outcome.PASSED, ended.output
    assert ended.outcome("test_other") is Outcome.NOT_VERIFIED
    assert ended.outcome("test_all_are_in_use") is Outcome.PASSED


def test_a_node_that_an_earlier_run_took_is_brought_back(sessions: Any) -> None:
    ended = sessions.run(
        kind="""
            class Rig(FakeRig):
                def open(self):
                    super().open()
                    owner = self.target.owner
                    self.outside.set_maintenance("fake-host", f"{owner}: taken out of use by the conformance kit")

            class TestIt(OnFake, Conformance):
                @pytest.fixture(scope="class")
                @classmethod
                def rig(cls):
                    return Rig(target())
        """,
        tests='''
            def test_it_is_in_use(lab, running):
                """The node takes guests again."""
                assert [node.maintenance for node in lab.compute.nodes()] == [None]
        ''',
    )
    assert ended.outcome("test_it_is_in_use") is Outcome.PASSED, ended.output
