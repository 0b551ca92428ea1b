"""Settings that are declared once.

A program's settings are a frozen dataclass whose fields are made with `setting()`. From each field come the
default, the command line option, its help, its environment variable and its key in the `--config` file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

import click

S = TypeVar("S")


def setting(default: Any, help: str, *, type: Any = None, metavar: str | None = None, unit: str = "") -> Any:
    """A dataclass field that is also an option, an environment variable and a key of the config file."""
    return dataclasses.field(
        default=default, metadata={"help": help, "type": type, "metavar": metavar, "unit": unit}
    )


def options(settings: type[S], prefix: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a click command the options of a settings class; it gets an instance as argument `settings`.

    `prefix` is that of the environment variables: with ZROUTER, field `max_message` is `--max-message` and
    ZROUTER_MAX_MESSAGE.
    """
    fields = dataclasses.fields(settings)  # type: ignore[arg-type]

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        def run(**values: Any) -> Any:
            own = {field.name: values.pop(field.name) for field in fields}
            return command(settings=settings(**own), **values)

        run.__name__, run.__doc__ = command.__name__, command.__doc__
        run.__click_params__ = list(getattr(command, "__click_params__", []))  # type: ignore[attr-defined]
        wrapped: Callable[..., Any] = run
        for field in reversed(fields):
            wrapped = _option(field, prefix)(wrapped)
        return click.option(
            "--config",
            type=click.Path(exists=True, dir_okay=False),
            envvar=f"{prefix}_CONFIG",
            show_envvar=True,
            is_eager=True,
            expose_value=False,
            callback=_read_config,
            help="TOML file with settings; keys are the options' names with underscores.",
        )(wrapped)

    return decorate


def _option(field: dataclasses.Field[Any], prefix: str) -> Callable[..., Any]:
    flag = "--" + field.name.replace("_", "-")
    about = field.metadata
    is_flag = isinstance(field.default, bool)
    return click.option(
        f"{flag}/--no-{flag[2:]}" if is_flag and field.default else flag,
        field.name,
        default=field.default,
        type=None if is_flag else about["type"] or type(field.default),
        is_flag=is_flag,
        metavar=about["metavar"],
        envvar=f"{prefix}_{field.name.upper()}",
        show_envvar=True,
        show_default=field.default is not None,
        help=about["help"] + (f" [{about['unit']}]" if about["unit"] else ""),
    )


def _read_config(ctx: click.Context, param: click.Parameter, path: str | None) -> None:
    if path is None:
        return
    import tomllib  # only who has a file needs it

    try:
        with open(path, "rb") as file:
            values = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise click.BadParameter(f"{path}: {error}", ctx, param) from None
    known = {option.name for option in ctx.command.params}
    unknown = sorted(set(values) - known)
    if unknown:
        raise click.BadParameter(f"{path}: no such setting: {', '.join(unknown)}", ctx, param)
    ctx.default_map = {**(ctx.default_map or {}), **values}
