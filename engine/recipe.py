"""Reading a configuration: a recipe that ships with the package, or a TOML file."""

import tomllib
from importlib import resources
from pathlib import Path

from engine.config import TABLES, ConfigError, Table


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
