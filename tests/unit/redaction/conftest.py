"""The shipped rules, and redactors with every kind of personal data treated."""

import pytest
from shipped_rules import BOOK, KEY, RULES

from logship.pipeline.redaction import Redactor


@pytest.fixture(scope="session")
def redactor():
    """Give the redactor as it is shipped, with the default policies."""
    return Redactor.load(RULES, policies={}, key=KEY)


@pytest.fixture(scope="session")
def strict():
    """Give a redactor that hashes all personal data."""
    return Redactor(BOOK, policies={"email": "hash", "ip": "hash", "phone": "hash"}, key=KEY)


@pytest.fixture(scope="session")
def redactors(redactor):
    """Give a function that returns the redactor for a rule's samples: its own policy is on, others are as shipped."""
    made = {None: redactor}

    def of(policy):
        if policy not in made:
            made[policy] = Redactor(BOOK, policies={policy: "hash"}, key=KEY)
        return made[policy]

    return of
