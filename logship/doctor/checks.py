"""Every check, in the order of the report; beside `app.build()` the only place of the doctor that sees settings."""

from __future__ import annotations

from functools import partial

from logship.config.settings import Settings
from logship.doctor import machine, state
from logship.doctor.finding import Check
from logship.doctor.recovered import recovered


def checks(settings: Settings) -> list[Check]:
    """
    Return what to examine, with its arguments bound; making the list looks at nothing.

    A package adds its own here: a function that yields findings, each with a Repair if it can be mended.
    """
    state_dir, store = settings.state_dir, settings.store
    return [
        Check("ledger", partial(state.ledger, state_dir)),
        Check("recoveries", partial(recovered, state_dir)),
        Check("accounting", partial(state.accounting, state_dir)),
        Check("segments", partial(state.segments, state_dir)),
        Check("disk space", partial(state.disk_space, state_dir, store.retention_size if store.enabled else 0)),
        Check("open files", partial(machine.open_files, state_dir)),
        Check("inotify", partial(machine.inotify, state_dir)),
        Check("clock", partial(machine.clock, state_dir)),
    ]
