"""
Every error a user can meet, with its exit code and the next step.

LogshipError (1)
├── ConfigError (2)            a setting is wrong; click's own usage errors share the code
├── QueryError (3)             the search expression cannot be parsed
├── LedgerError (4)            the state directory cannot be used
│   ├── LedgerLocked (5)       another agent writes it
│   ├── LedgerTooNew (6)       a newer release made it
│   └── LedgerDamaged (10)     it cannot be read any more
├── DeliveryError (7)          `--once` could not deliver everything
├── PipelineError (8)          a pipeline file is wrong
└── AccountingError (9)        what was read and what became of it do not add up
"""


class LogshipError(Exception):
    """Something went wrong that the user can act on."""

    exit_code = 1
    hint = ""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint or type(self).hint


class ConfigError(LogshipError):
    """A setting is wrong."""

    exit_code = 2
    hint = "see config/logship.yaml for every option, and `logship config show` for the effective values"


class QueryError(LogshipError):
    """The search expression cannot be parsed."""

    exit_code = 3
    hint = 'quote values with spaces or special characters: message:"timed out"'


class LedgerError(LogshipError):
    """The state directory cannot be used."""

    exit_code = 4
    hint = "check the state directory's owner, mode and free space"


class LedgerLocked(LedgerError):
    """Another agent writes this state directory."""

    exit_code = 5
    hint = "stop the other agent, or give this one its own --state-dir"


class LedgerTooNew(LedgerError):
    """A newer release of logship made this ledger."""

    exit_code = 6
    hint = "upgrade logship, or point --state-dir at another directory"


class LedgerDamaged(LedgerError):
    """The ledger is damaged."""

    exit_code = 10
    hint = "start the agent: it moves the ledger aside, keeps what can be read, and says what is lost"


class DeliveryError(LogshipError):
    """Not everything could be delivered."""

    exit_code = 7
    hint = "see `logship status` for the sink's last error and `logship rejected list`"


class PipelineError(LogshipError):
    """A pipeline file is wrong."""

    exit_code = 8
    hint = "see `pipelines/` for working examples"


class AccountingError(LogshipError):
    """What was read and what became of it do not add up."""

    exit_code = 9
    hint = "run `logship status --json` and report its output"
