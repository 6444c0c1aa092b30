"""Settings and spaces of Stable-Baselines3 as its files have them: texts."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ._foreign import ACTIVATIONS
from ._sb3_model import UnsupportedModel


def _numbers(text: Any) -> list[float]:
    """The numbers of an array as NumPy prints it."""
    if isinstance(text, (int, float)):
        return [float(text)]
    if isinstance(text, list):
        return [float(one) for one in np.asarray(text, np.float64).reshape(-1)]
    if "..." in str(text):
        raise UnsupportedModel(
            "the file's spaces are too long to be read from their text: give the loaded model in place of the file"
        )
    return [float(one) for one in str(text).replace("[", " ").replace("]", " ").split()]


def head_of(space: dict[str, Any], outputs: int) -> dict[str, Any]:
    kind = str(space[":type:"])
    if "Discrete'" in kind and "Multi" not in kind:
        return {"kind": "categorical", "actions": outputs}
    if "MultiDiscrete" in kind:
        return {"kind": "multi_discrete", "nvec": [int(n) for n in _numbers(space["nvec"])]}
    if "MultiBinary" in kind:
        return {"kind": "bernoulli", "dims": outputs}
    if "Box" in kind:
        head: dict[str, Any] = {"kind": "gaussian", "dims": outputs, "std": {"from_state": False, "limit": "free"}}
        low, high = _numbers(space["low"]), _numbers(space["high"])
        if np.all(np.isfinite(low + high)):
            head["bounds"] = {"low": low, "high": high}
        return head
    raise UnsupportedModel(f"the action space is a {kind}")


def constant(value: Any, name: str) -> float | None:
    """A schedule's number if it is constant; else nothing."""
    if isinstance(value, (int, float)):
        return float(value)
    match = re.fullmatch(r"ConstantSchedule\(val=(.*)\)", str((value or {}).get("value_schedule", "")))
    return float(match.group(1)) if match else None


def activation(data: dict[str, Any], usual: str) -> str:
    """The activation by our name; ``usual`` is the module of a policy that says none."""
    words = str((data.get("policy_kwargs") or {}).get("activation_fn", usual))
    module = words.removesuffix("'>").rsplit(".", 1)[-1]
    if module not in ACTIVATIONS:
        raise UnsupportedModel(f"the activation is {module}, expected one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[module]


def optimizer_settings_of(data: dict[str, Any], groups: list[dict[str, Any]]) -> dict[str, Any]:
    """The optimiser's kind and settings. Its class is in the file as text, where it is not Adam."""
    words = str((data.get("policy_kwargs") or {}).get("optimizer_class", "<class 'torch.optim.adam.Adam'>"))
    module, _, name = words.removeprefix("<class '").removesuffix("'>").rpartition(".")
    kind = {"Adam": "adam", "AdamW": "adam_w", "RMSprop": "rmsprop"}.get(name)
    if kind is None or not module.startswith("torch.optim"):
        raise UnsupportedModel(f"the optimiser is {words}, expected PyTorch's Adam, AdamW or RMSprop")
    if len(groups) != 1:
        raise UnsupportedModel(f"the optimiser has {len(groups)} groups of parameters, expected 1")
    group = groups[0]
    if any(group.get(flag) for flag in ("amsgrad", "maximize", "centered", "momentum")):
        raise UnsupportedModel("the optimiser has amsgrad, maximize, centered or momentum, which wgpo's have not")
    given: dict[str, Any] = {"optimizer": kind, "weight_decay": float(group["weight_decay"])}
    if kind == "rmsprop":
        return given | {"rmsprop_alpha": group["alpha"], "rmsprop_eps": group["eps"]}
    beta1, beta2 = group["betas"]
    if kind == "adam" and group.get("decoupled_weight_decay"):
        given["optimizer"] = "adam_w"
    return given | {"adam_beta1": beta1, "adam_beta2": beta2, "adam_eps": group["eps"]}
