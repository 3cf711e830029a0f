"""Settings.  In: ``sg.config.kink = "half"`` or ``with sg.config.use(kink="half")``.  Out: one immutable record in force.

Settings are context variables: a change is seen by the running thread or task only.  They are read when a derivative
is formed or a kernel compiled, never later.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from symgrad.errors import SymgradError

__all__ = ["Config", "Settings", "config", "current", "during"]

T = TypeVar("T")

_CHOICES = {"kink": ("zero", "half", "left", "right"), "rule_check": ("warn", "error", "off")}


@dataclass(frozen=True)
class Settings:
    """The settings in force.

    Attributes
    ----------
    kink : {"zero", "half", "left", "right"}
        Derivative where the one-sided ones differ: element of smallest norm, mean, left, right.
    rule_check : {"warn", "error", "off"}
        What happens when a rule that claims to be a derivative is found not to be one.
    cache : bool or str
        Whether compiled kernels are kept on disk, or the directory; True is the user's own directory for caches.  At the
        start it is what the environment variable ``SYMGRAD_CACHE`` says: ``off``, or a directory.
    cache_bytes : int
        What they may take together; beyond it, those not used for longest go.
    """

    kink: str = "zero"
    rule_check: str = "warn"
    cache: bool | str = True
    cache_bytes: int = 1 << 29


def _of_environment(text: str) -> bool | str:
    """The setting ``cache`` that an environment variable gives."""
    return text.lower() not in ("off", "0") and (os.path.abspath(os.path.expanduser(text)) if text else True)


_DEFAULTS = Settings(cache=_of_environment(os.environ.get("SYMGRAD_CACHE", "")))
_known = {_DEFAULTS: _DEFAULTS}  # one record for equal settings, so that caches may go by identity
_settings: ContextVar[Settings] = ContextVar("symgrad_settings", default=_DEFAULTS)


def current() -> Settings:
    """The settings in force."""
    return _settings.get()


@contextmanager
def during(variable: ContextVar[T], value: T) -> Iterator[T]:
    """A context variable has a value inside the block."""
    token = variable.set(value)
    try:
        yield value
    finally:
        variable.reset(token)


class Config:
    """``sg.config``: attributes read and set the settings in force.

    Examples
    --------
    >>> import symgrad as sg
    >>> with sg.config.use(kink="half"):
    ...     sg.config.kink
    'half'
    >>> sg.config.kink
    'zero'
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(current(), name):
            raise AttributeError(f"no setting is named {name!r}")
        return getattr(current(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        _settings.set(_changed({name: value}))

    @contextmanager
    def use(self, **changes: Any) -> Iterator[None]:
        """Change settings inside a block.

        Raises
        ------
        SymgradError
            An unknown setting or value.
        """
        with during(_settings, _changed(changes)):
            yield

    def __dir__(self) -> list[str]:
        return [*_NAMES, "use"]


_NAMES = tuple(one.name for one in fields(Settings))


def _changed(changes: dict[str, Any]) -> Settings:
    for name in changes:
        if name not in _NAMES:
            raise SymgradError(f"config: no setting is named {name!r}", hint=f"settings: {', '.join(_NAMES)}")
    made = replace(current(), **{name: _checked(name, value) for name, value in changes.items()})
    return _known.setdefault(made, made)


def _checked(name: str, value: Any) -> Any:
    """The value of a setting, if it is allowed."""
    if name in _CHOICES:
        if value in _CHOICES[name]:
            return value
        hint = f"one of {', '.join(map(repr, _CHOICES[name]))}"
    elif name == "cache":
        if isinstance(value, bool):
            return value
        if isinstance(value, (str, os.PathLike)) and os.fspath(value):
            return os.path.abspath(os.fspath(value))
        hint = "True, False or a directory"
    else:
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        hint = "a number of bytes"
    raise SymgradError(f"config.{name}: {value!r} is not allowed", hint=hint)


config = Config()
