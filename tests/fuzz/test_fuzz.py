"""The short form of `make fuzz`: some hundred files of two seeds."""

import pytest
from fuzz import Fuzzer, run
from mutations import case


@pytest.fixture(scope="module")
def fuzzer():
    """Give a fuzzer."""
    return Fuzzer()


@pytest.mark.parametrize("seed", [20, 21])
def test_no_line_raises_vanishes_or_takes_long(fuzzer, seed):
    """Random and mutated lines become documents that hold every word of them; the failure names seed and case."""
    count, failure = run(seed, 6, fuzzer)
    assert failure == ""
    assert count > 10


def test_a_seed_gives_the_same_files_again():
    """What fails can be seen again."""
    assert [case(7, number) for number in range(20)] == [case(7, number) for number in range(20)]
    assert case(7, 1) != case(8, 1)
