"""What the documentation must explain: every command, setting, error and exit code."""

import click
import pytest

from logship.cli import main
from logship.cli.failures import error_classes, exit_codes


def commands(group: click.Group = main, above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the words of every command, groups included."""
    context = click.Context(group)
    found = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        found.append((*above, name))
        if isinstance(command, click.Group):
            found += commands(command, (*above, name))
    return found


def resolve(words: tuple[str, ...]) -> click.Command:
    """Return the command of some words."""
    command: click.Command = main
    for word in words:
        command = command.get_command(click.Context(command), word)
    return command


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_has_help_with_an_example(words):
    """The help says what the command does and shows it in use."""
    command = resolve(words)
    text = command.get_help(click.Context(command, info_name="logship"))
    assert command.help
    assert "Examples:" in text
    assert f"logship {' '.join(words)}" in text.split("Examples:")[1]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_option_is_explained(words):
    """Each option has a sentence of help."""
    assert [
        option.name for option in resolve(words).params if isinstance(option, click.Option) and not option.help
    ] == []


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_example_is_a_command_that_exists(words):
    """The words of an example lead to a command and its options are known."""
    command = resolve(words)
    for example in command.examples:
        typed = example.split("  ")[0].split("|")[0].split()
        assert typed[0] == "logship"
        found, rest = main, typed[1:]
        while isinstance(found, click.Group):
            found = found.get_command(click.Context(found), rest.pop(0))
        known = {name for option in found.params for name in option.opts}
        given = (
            {word for word in rest[: rest.index("--")] if word.startswith("--")}
            if "--" in rest
            else {word for word in rest if word.startswith("--")}
        )
        assert given <= known, example


@pytest.mark.parametrize("error", error_classes(), ids=lambda error: error.__name__)
def test_every_error_says_what_and_what_next(error):
    """Each class has a docstring, an exit code of its own in the help and, but for the root, a hint."""
    assert error.__doc__
    assert error.exit_code in dict(exit_codes())
    assert error.exit_code == 1 or error.hint


def test_the_tree_of_errors_is_drawn_as_it_is():
    """The module's docstring lists each class with its exit code."""
    from logship import errors

    for error in error_classes():
        assert f"{error.__name__} ({error.exit_code})" in errors.__doc__
