"""The driver that asks other shippers the same cases is right: logship passes by it, and what does wrong does not."""

import sys
from dataclasses import replace

import pytest
from conformance.peers import reading, rotation  # noqa: F401  # they put their cases among CASES
from conformance.peers.__main__ import run, table
from conformance.peers.cases import CASES
from conformance.peers.drivers import LOGSHIP

BY_NUMBER = {case.number: case for case in CASES}


@pytest.mark.parametrize("number", [1, 5, 31])
def test_logship_passes_a_case_as_any_shipper_is_asked_it(number):
    """A process of its own, files, and what it delivered to a file of JSON lines."""
    assert run(BY_NUMBER[number], LOGSHIP, sys.executable) == "pass"


def test_what_a_shipper_does_wrong_is_named():
    """One that delivers each line with another text is not passed."""
    odd = replace(LOGSHIP, text="service.name")
    assert run(BY_NUMBER[1], odd, sys.executable) == "2 lost, 2 wrong"


def test_one_that_ends_by_itself_is_named():
    """A program that ends at once delivers nothing."""
    odd = replace(LOGSHIP, command=lambda program, *_: [program, "-c", "pass"])
    assert run(BY_NUMBER[1], odd, sys.executable) == "2 lost"


def test_the_table_counts_what_passed():
    """The last row is the sum."""
    text = table([(LOGSHIP, sys.executable)], {1: ["pass"], 5: ["–"], 31: ["1 lost"]}, {1: "a", 5: "b", 31: "c"})
    assert text.splitlines()[2:] == [
        "| 1 | a | pass |",
        "| 5 | b | – |",
        "| 31 | c | **1 lost** |",
        "| | of 3 pass | 1 |",
    ]
