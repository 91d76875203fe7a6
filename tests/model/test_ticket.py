"""What phases of a move hand on."""

import json
import uuid

import pytest

import nova_virt_api as virt

GUEST = uuid.UUID("3a0a7f0e-7f37-4f4b-9c43-55a3c7a41f10")


def ticket(**fields: object) -> virt.Ticket:
    standard = {
        "move": virt.Move.LIVE,
        "guest": GUEST,
        "driver": "some",
        "driver_version": "1.2",
        "content": '{"a": 1}',
    }
    return virt.Ticket(**(standard | fields))  # type: ignore[arg-type]


def test_as_text_and_back() -> None:
    text = ticket().encode()
    assert "\n" not in text
    assert text.isascii()
    assert virt.Ticket.decode(text) == ticket()


def test_what_a_later_version_added_is_ignored() -> None:
    text = json.dumps(json.loads(ticket().encode()) | {"weather": "fine"})
    assert virt.Ticket.decode(text) == ticket()


def test_another_form_is_refused() -> None:
    with pytest.raises(virt.InvalidSpec, match=r"ticket\.form"):
        virt.Ticket.decode(json.dumps(json.loads(ticket().encode()) | {"form": 2}))


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", "no", "{" * 5000, '{"form": 1}', "x" * 70000]
    + [
        json.dumps(json.loads(ticket().encode()) | change)
        for change in ({"move": "swim"}, {"guest": 7}, {"guest": "x"}, {"driver": None}, {"content": "text"})
    ],
)
def test_what_is_no_ticket_is_refused(text: str) -> None:
    with pytest.raises(virt.InvalidSpec):
        virt.Ticket.decode(text)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("move", "live"),
        ("guest", str(GUEST)),
        ("driver", ""),
        ("driver_version", "a\nb"),
        ("content", "[]"),
        ("content", "not JSON"),
        ("content", json.dumps({"a": "x" * 65536})),
        ("content", json.dumps({"a": "\N{SNOWMAN}" * 20000})),
    ],
)
def test_a_ticket_is_checked(field: str, value: object) -> None:
    with pytest.raises(virt.InvalidSpec):
        ticket(**{field: value})
