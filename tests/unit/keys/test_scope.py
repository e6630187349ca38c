import pytest
from hypothesis import given
from hypothesis import strategies as st
from strongroom.errors import Misuse
from strongroom.keys import check_scope_keys, exact_scope, scope_from, scope_of, scope_text

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)


@given(st.dictionaries(words, words, max_size=5))
def test_a_scope_has_one_text(scope: dict[str, str]) -> None:
    text = scope_text(scope)
    assert text == scope_text(dict(reversed(scope.items())))
    assert scope_from(text) == scope


@given(st.dictionaries(words, words, max_size=3), st.dictionaries(words, words, max_size=3))
def test_two_scopes_have_two_texts(a: dict[str, str], b: dict[str, str]) -> None:
    assert (scope_text(a) == scope_text(b)) == (a == b)


def test_the_context_names_the_scope() -> None:
    context = {"tenant": "acme", "region": "eu", "job": "7"}
    assert scope_of((), context) is None
    assert scope_of(("tenant", "region"), context) == {"region": "eu", "tenant": "acme"}
    assert scope_text(scope_of(("tenant", "region"), context)) == '{"region":"eu","tenant":"acme"}'
    assert scope_text(None) is None
    assert scope_from(None) is None


@pytest.mark.parametrize("context", [{}, {"tenant": "acme"}, {"tenant": "acme", "region": ""}])
def test_a_context_without_the_value_of_a_scope_key_is_refused(context: dict[str, str]) -> None:
    with pytest.raises(Misuse, match="a key for each region and tenant: the context lacks region"):
        scope_of(("tenant", "region"), context)


def test_a_registered_scope_is_exact() -> None:
    assert exact_scope(("tenant",), {"tenant": "acme"}) == {"tenant": "acme"}
    assert exact_scope((), None) is None
    with pytest.raises(Misuse, match="no scope key region"):
        exact_scope(("tenant",), {"tenant": "acme", "region": "eu"})
    with pytest.raises(Misuse, match="it has none"):
        exact_scope((), {"tenant": "acme"})
    with pytest.raises(Misuse, match="lacks tenant"):
        exact_scope(("tenant",), None)


@pytest.mark.parametrize("keys", [("",), ("a", "a"), ("strongroom-class",), tuple("abcdefghi")])
def test_what_cannot_name_scopes(keys: tuple[str, ...]) -> None:
    with pytest.raises(Misuse):
        check_scope_keys(keys)
    check_scope_keys(("tenant", "region"))
