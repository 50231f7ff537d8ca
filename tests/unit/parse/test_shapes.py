"""Shapes of lines: what differs is masked."""

import pytest

from logship.pipeline.shapes import commonest, shape


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("took 12 ms\nmore", "took 0 ms"),
        ("task 5a1d9c2e-1111-4222-8333-944455556666 done", "task <id> done"),
        ("at 0xdeadbeef01", "at <id>"),
        ("decade of facade", "decade of facade"),
        ("name \"x y\" isn't 'z'", 'name "…" isn\'t "…"'),
        ("key [password:ac4f75]", "key […]"),
    ],
)
def test_what_differs_is_masked(text, expected):
    """Digits, ids, quoted text and marks of redaction; words stay."""
    assert expected == shape(text)


def test_the_commonest_come_first():
    """Counts are kept by service, with the first example."""
    found = commonest([("api", "a 1"), ("web", "b"), ("api", "a 2"), ("web", "a 3")])
    assert [("a 0", 3, {"api": 2, "web": 1}, "a 1"), ("b", 1, {"web": 1}, "b")] == [
        (one.shape, one.count, dict(one.services), one.example) for one in found
    ]
