"""`python -m logship`."""

from logship.cli import main

main()
