"""Names as people know them."""

import pytest
from hypothesis import given, strategies as st

from nova_virt_vmware.entity_names import distinct_names, escaped_name, plain_name


@pytest.mark.parametrize(
    ("native", "plain"), [("a%2fb", "a/b"), ("a%2Fb", "a/b"), ("c%5cd", "c\\d"), ("100%25", "100%"), ("ü %20", "ü %20")]
)
def test_what_the_server_escapes_is_shown_plainly(native: str, plain: str) -> None:
    assert plain_name(native) == plain


@given(st.text())
def test_escaping_is_undone(name: str) -> None:
    assert plain_name(escaped_name(name)) == name
    assert not set("/\\") & set(escaped_name(name))


def test_a_name_that_several_have_is_followed_by_the_id() -> None:
    names = {"a-1": "x", "a-2": "x", "a-3": "y%2fz"}
    assert distinct_names(names) == {"a-1": "x (a-1)", "a-2": "x (a-2)", "a-3": "y/z"}
