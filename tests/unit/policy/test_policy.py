import pytest
from rooms import REQUEST
from strongroom.policy import Action, Decision, OwnerPolicy, Resource, judge


@pytest.mark.parametrize("action", Action)
def test_the_owner_may_and_nobody_else(action: Action) -> None:
    assert judge(OwnerPolicy("alice", "alice"), REQUEST, action, Resource()).allowed
    refused = judge(OwnerPolicy("alice", "bob"), REQUEST, action, Resource())
    assert not refused.allowed
    assert "bob" in refused.reason


class Answers:
    def __init__(self, answer: object) -> None:
        self.answer = answer

    def decide(self, request: object, action: object, resource: object) -> object:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    "answer", [None, True, "yes", 1, ValueError("x"), Decision(1, "truthy"), Decision(False, "no")]
)
def test_anything_but_a_clear_yes_is_a_no(answer: object) -> None:
    assert judge(Answers(answer), REQUEST, Action.UNWRAP, Resource()).allowed is False


def test_a_clear_yes_is_a_yes() -> None:
    assert judge(Answers(Decision(True, "yes")), REQUEST, Action.UNWRAP, Resource()).allowed
