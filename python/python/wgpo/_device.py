"""Training in wgpo's own environments, wholly on the device (or on the CPU, with the same words)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from . import _native
from ._evaluation import Evaluation
from ._spec import config_with, fitted

if TYPE_CHECKING:
    from ._base import Algorithm

    Base = Algorithm
else:
    Base = object


class OnDevice(Base):
    """What ``on_device=True`` brings: environments, rollouts and updates stay where the weights are."""

    def _on_device(
        self,
        env: str,
        hidden: list[int] | tuple[int, ...] | None,
        activation: str | None,
        num_envs: int | None,
        settings: dict[str, Any],
    ) -> None:
        info = _native.env_info(env)
        self._env_name: str = info["name"]
        spec, config = (json.loads(text) for text in _native.tuned(env, self.algorithm))
        if self.preset not in (None, "tuned"):
            discrete = spec["head"]["kind"] in ("categorical", "multi_discrete", "bernoulli")
            config = json.loads(_native.default_config(self.algorithm, self.preset, discrete))
        if self.preset not in (None, "tuned") or hidden is not None or activation is not None:
            widths = list(hidden) if hidden is not None else None
            preset = None if self.preset == "tuned" else self.preset
            spec = json.loads(
                _native.default_spec(self.algorithm, info["obs_dim"], info["action"], widths, activation, preset)
            )
        if num_envs is not None:
            settings = {"num_envs": num_envs, **settings}
        self.config = config_with(self.algorithm, config, settings)
        self.spec = fitted(spec, self.config)
        self._make_trainer()

    def _make_trainer(self) -> None:
        self._trainer = _native.Trainer(
            self._env_name, json.dumps(self.spec), json.dumps(self.config), backend=self.backend, seed=self.seed
        )

    def _trainer_until(self, total_timesteps: int) -> None:
        """Schedules end where the training does, if it has not begun yet."""
        if self.num_timesteps == 0 and self.config["total_timesteps"] != total_timesteps:
            parameters = self._trainer.parameters()
            self.config = {**self.config, "total_timesteps": total_timesteps}
            self._make_trainer()
            self._trainer.set_parameters(parameters)

    def _iterate_on_device(self) -> tuple[dict[str, Any], list[tuple[float, int]]]:
        stats = self._trainer.iterate()
        self.num_timesteps = int(stats["env_steps"])
        episodes = stats["episodes"]
        # The device keeps sums: each of the episodes of an update counts with their mean.
        mean = [(float(episodes["mean_return"]), round(float(episodes["mean_length"])))] if episodes["count"] else []
        return stats, mean * int(episodes["count"])

    def _evaluate_without(self, episodes: int, deterministic: bool) -> Evaluation:
        if self._trainer is None:
            return super()._evaluate_without(episodes, deterministic)
        before = None if deterministic else self._trainer.state()
        found = self._trainer.evaluate(episodes, deterministic)
        if before is not None:
            # Drawing counts draws, and may let running statistics learn.
            self._trainer.load_state(before)
        return Evaluation(
            found["count"], found["mean_return"], found["min_return"], found["max_return"], found["mean_length"]
        )
