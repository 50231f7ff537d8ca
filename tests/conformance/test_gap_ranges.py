"""The gaps that are reported are exactly the bytes that were destroyed, whatever was destroyed and in what order."""

import os
import random

import pytest
from conformance.harness import lines


@pytest.mark.parametrize("seed", range(8))
def test_gaps_are_what_was_destroyed(site, seed):
    """Files are cut to nothing, cut within what is unread, written over and removed, each at a place of its own."""
    chance = random.Random(seed)
    kept: list[list[str]] = []
    destroyed: list[tuple[str, int, int]] = []
    with site.agent() as agent:
        for number, way in enumerate(chance.sample(["empty", "cut", "rewrite", "keep"] * 3, k=12)):
            name = f"f{number}.log"
            read = lines(f"{name} read", chance.randrange(1, 40))
            unread = lines(f"{name} unread", chance.randrange(2, 60))
            path = site.write(name, *read)
            agent.settle()
            site.write(name, *unread)
            agent.tailer.scan(site.now)  # seen, and not read
            begin, end = sum(map(len, read)), sum(map(len, read + unread))
            if way == "keep":
                kept.append(read + unread)
            elif way == "cut":
                left = chance.randrange(1, len(unread))
                place = begin + sum(map(len, unread[:left]))
                os.truncate(path, place)
                kept.append(read + unread[:left])
                destroyed.append((name, place, end))
            else:
                kept.append(read)
                destroyed.append((name, begin, end))
                os.truncate(path, 0)
                if way == "rewrite":
                    kept.append(lines(f"{name} other", 200))
                    path.write_text("".join(kept[-1]))
            agent.settle()
    site.check(*kept, lost=destroyed)
    assert sum(end - begin for _, begin, end in destroyed) == site.books().bytes_lost
    by_file = {(gap.path.rpartition("/")[2], gap.first, gap.behind) for gap in site.books().newest_gaps}
    assert set(destroyed) == by_file
