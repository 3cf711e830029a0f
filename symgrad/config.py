"""Settings.  In: ``sg.config.kink = "half"`` or ``with sg.config.use(kink="half")``.  Out: one immutable record in force.

Settings are context variables: a change is seen by the running thread or task only.  They are read when a derivative
is formed or a kernel compiled, never later.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

from symgrad.errors import SymgradError

__all__ = ["Config", "Settings", "config", "current"]

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
    """

    kink: str = "zero"
    rule_check: str = "warn"


_DEFAULTS = Settings()
_known = {_DEFAULTS: _DEFAULTS}  # one record for equal settings, so that caches may go by identity
_settings: ContextVar[Settings] = ContextVar("symgrad_settings", default=_DEFAULTS)


def current() -> Settings:
    """The settings in force."""
    return _settings.get()


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
        token = _settings.set(_changed(changes))
        try:
            yield
        finally:
            _settings.reset(token)

    def __dir__(self) -> list[str]:
        return [*_CHOICES, "use"]


def _changed(changes: dict[str, Any]) -> Settings:
    for name, value in changes.items():
        if name not in _CHOICES:
            raise SymgradError(f"config: no setting is named {name!r}", hint=f"settings: {', '.join(_CHOICES)}")
        if value not in _CHOICES[name]:
            raise SymgradError(
                f"config.{name}: {value!r} is not allowed", hint=f"one of {', '.join(map(repr, _CHOICES[name]))}"
            )
    made = replace(current(), **changes)
    return _known.setdefault(made, made)


config = Config()
