"""
Write numbered lines to a file as fast as it goes: `python writer.py PATH BYTES append|plain`.

Prints how many lines were written. With `plain` the file is opened without O_APPEND.
"""

import os
import sys

BLOCK = 500


def line(number: int) -> bytes:
    """Return a line that is unlike all others, of a length of its own."""
    return b"%08d %s\n" % (number, b"x" * (number * 7 % 191))


def main(path: str, size: int, mode: str) -> None:
    """Write whole lines until there are `size` bytes."""
    append = os.O_APPEND if mode == "append" else 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | append, 0o644)
    written = number = 0
    while written < size:
        data = b"".join(line(one) for one in range(number, number + BLOCK))
        written += os.write(descriptor, data)
        number += BLOCK
    sys.stdout.write(f"{number}\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
