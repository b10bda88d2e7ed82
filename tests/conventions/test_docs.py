"""What the command line can do is said in its help and in the README."""

import click
import pytest

from dagster_project.cli import cli
from dagster_project.lib.paths import REPOSITORY

pytestmark = pytest.mark.unit


def _leaves(group: click.Group, before: str = "") -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}
    for name, each in group.commands.items():
        inner = _leaves(each, f"{before}{name} ") if isinstance(each, click.Group) else None
        found |= inner or {f"{before}{name}": each}
    return found


LEAVES = _leaves(cli)
COMMANDS = sorted(LEAVES)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_has_help(name: str) -> None:
    command = LEAVES[name]
    assert (command.help or "").strip(), name
    for option in command.params:
        if isinstance(option, click.Option) and option.name != "format_":
            assert (option.help or "").strip(), f"{name} {option.name}"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_readme(name: str) -> None:
    assert f"meterhouse {name}" in (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_every_command_that_works_on_a_home_has_the_shared_options() -> None:
    for name in COMMANDS:
        if name != "stripe-server":
            names = {option.name for option in LEAVES[name].params}
            assert {"landing", "home", "as_json"} <= names, name
