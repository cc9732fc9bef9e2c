import ast
from pathlib import Path

from tests.conftest import REPO

WEB_FRAMEWORK = {"fastapi", "starlette", "pydantic", "pydantic_settings"}


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module.split(".")[0]


def modules(package):
    return sorted(path.relative_to(REPO) for path in (REPO / package).rglob("*.py"))


def importers(paths, packages):
    return {str(path) for path in paths if packages.intersection(imported(REPO / path))}


def test_the_index_knows_neither_server_nor_evaluation():
    assert importers(modules("index"), {"server", "eval"}) == set()


def test_the_web_framework_stays_at_the_edge():
    allowed = {Path("server/app.py"), Path("server/settings.py"), *modules("server/routes")}
    paths = {path for package in ("index", "server", "eval") for path in modules(package)}
    assert importers(paths - allowed, WEB_FRAMEWORK) == set()


def test_the_command_alone_reaches_from_the_server_to_the_evaluation():
    assert importers(modules("server"), {"eval"}) == {"server/cli.py"}
