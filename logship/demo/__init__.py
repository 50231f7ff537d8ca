"""A Dify-shaped stack of real processes that write logs, and the agent that ships them: `logship demo`."""

from __future__ import annotations


def run_demo(once: bool, seconds: float | None = None) -> int:
    """Run the demo; see `logship.demo.run`, which the stack's own processes do not load."""
    from logship.demo.run import run_demo as run

    return run(once, seconds)
