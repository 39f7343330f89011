"""In which precision Lightning may run a network."""

from __future__ import annotations

import lightning

from agg2exp.domain.errors import SettingError


def check_precision(trainer: lightning.Trainer, allowed: tuple[str, ...], hint: str) -> None:
    """Raise `SettingError` if Lightning would run the network in another precision than asked for, or not at all."""
    if trainer.precision not in allowed:
        raise SettingError("trainer.precision", trainer.precision, " or ".join(allowed), hint)
