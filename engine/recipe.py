"""Reading a configuration: a shipped recipe, a TOML file, or what a run was founded with."""

import tomllib
from collections.abc import Mapping
from dataclasses import fields, replace
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from engine.config import TABLES, ConfigError, EngineConfig, SandboxConfig, Table

T = TypeVar("T", EngineConfig, SandboxConfig)


def recipe_names() -> list[str]:
    """The recipes that ship with the package."""
    folder = resources.files("engine.recipes")
    return sorted(
        p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml")
    )


def read_recipe(name: str) -> dict[str, Table]:
    """The tables of a shipped recipe or of a TOML file (a name that ends in .toml)."""
    if name.endswith(".toml"):
        return _read_tables(Path(name))
    if name not in recipe_names():
        raise ConfigError(
            f"expected a recipe ({', '.join(recipe_names())}) or a .toml file, got {name!r}"
        )
    return tomllib.loads(resources.files("engine.recipes").joinpath(f"{name}.toml").read_text())


def founded(config: Mapping[str, Any]) -> tuple[EngineConfig, SandboxConfig]:
    """The tables of a `run.json`, as they were when the run was founded.

    Keys that only this version knows have their defaults. Raises ConfigError for keys and choices
    that it lacks.
    """
    return _restored(EngineConfig(), config["engine"]), _restored(
        SandboxConfig(), config["sandbox"]
    )


def _restored(defaults: T, table: Mapping[str, Any]) -> T:
    known = {field.name for field in fields(defaults)}
    if unknown := sorted(set(table) - known):
        raise ConfigError(f"the run was founded with keys that this version lacks: {unknown}")
    chosen = {name: _like(getattr(defaults, name), value) for name, value in table.items()}
    return replace(defaults, **chosen)


def _like(default: object, value: Any) -> Any:  # noqa: ANN401  # from JSON
    """A value of JSON in the type of a default."""
    if isinstance(default, StrEnum):
        try:
            return type(default)(value)
        except ValueError as error:
            raise ConfigError(
                f"the run was founded with what this version lacks: {error}"
            ) from None
    return tuple(value) if isinstance(default, tuple) else value


def _read_tables(path: Path) -> dict[str, Table]:
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"expected a configuration file at {path}, found none") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} is not readable TOML: {error}") from None
    unknown = sorted(set(tables) - set(TABLES))
    if unknown or not all(isinstance(table, dict) for table in tables.values()):
        raise ConfigError(
            f"{path} may hold the tables [engine], [sandbox] and [trainer], "
            f"found {unknown or 'keys outside of a table'}"
        )
    return tables
