from pathlib import Path

import pytest
import typer

from server.cli import app
from server.settings import Settings

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")


def commands(command, name="mundap"):
    if hasattr(command, "commands"):
        for child in command.commands.values():
            yield from commands(child, f"{name} {child.name}")
    else:
        yield name


@pytest.mark.parametrize("name", Settings.model_fields)
def test_the_readme_names_every_setting(name):
    assert f"MUNDAP_{name.upper()}" in README


@pytest.mark.parametrize("command", list(commands(typer.main.get_command(app))))
def test_the_readme_names_every_command(command):
    assert command in README


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_has_its_help(name):
    assert Settings.model_fields[name].description.endswith(".")
