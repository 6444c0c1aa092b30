"""Training in wgpo's own environments, wholly on the device (or on the CPU, with the same words)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _native
from ._evaluation import Evaluation
from ._files import Metadata
from ._spec import config_with, fitted, limited
from ._words import check_settings

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
        std_limit: str | dict[str, Any] | None,
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
            # A preset has a deviation of its own.
            action = json.dumps(spec["head"]) if preset is None else info["action"]
            spec = json.loads(
                _native.default_spec(self.algorithm, info["obs_dim"], action, widths, activation, preset)
            )
        if num_envs is not None:
            settings = {"num_envs": num_envs, **settings}
        self.config = config_with(self.algorithm, config, settings)
        self.spec = limited(fitted(spec, self.config), std_limit, self.algorithm)
        self._trainer = self._make_trainer(self.config)

    def _make_trainer(self, config: dict[str, Any]) -> Any:
        return _native.Trainer(
            self._env_name, json.dumps(self.spec), json.dumps(config), backend=self.backend, seed=self.seed
        )

    @classmethod
    def _from_device(cls, path: Path, found: Metadata, envs: Any, arguments: dict[str, Any]) -> Any:
        """See :meth:`wgpo.Algorithm.load`."""
        if found.table.get("contents") != "trainer" or found.config is None:
            raise _native.ConfigError(
                f"on_device: {path} is of a model that was trained elsewhere: load it without, or with envs"
            )
        plain = {"seed", "backend", "verbose"}
        settings = {key: value for key, value in arguments.items() if key not in plain}
        dtype = settings.pop("dtype", "f32")
        if dtype != "f32":
            raise _native.ConfigError(f"dtype: is {dtype!r}, on_device=True computes in f32")
        if "seed" in arguments:
            raise _native.ConfigError("seed: the draws go on as the file has them with on_device=True: leave it out")
        check_settings(cls.algorithm, settings)
        model = cls(None, **{key: value for key, value in arguments.items() if key in plain})
        config = config_with(cls.algorithm, found.config, settings)
        trainer = _native.Trainer.load(path, backend=model.backend, config=json.dumps(config))
        if envs is not None and (not isinstance(envs, str) or _native.env_info(envs)["name"] != trainer.env):
            raise _native.ConfigError(f"envs: is {envs!r}, the file goes on in {trainer.env} with on_device=True")
        model.on_device, model._env_name, model._trainer = True, trainer.env, trainer
        model.spec, model.config, model.seed = found.spec, config, int(trainer.seed)
        model.num_timesteps, model.updates = found.env_steps, found.updates
        return model

    def _trainer_until(self, total_timesteps: int) -> None:
        """Schedules end where the training does; exploration of DQN where the first one does."""
        begun, total = self._learner_steps(), self._learner_steps() + total_timesteps
        if self.config["total_timesteps"] == total or (begun and "buffer_size" in self.config):
            return
        config = {**self.config, "total_timesteps": total}
        trainer = self._make_trainer(config)
        trainer.load_state(self._trainer.state())
        self.config, self._trainer = config, trainer

    def _iterate_on_device(self) -> tuple[dict[str, Any], list[tuple[float, int]]]:
        stats = self._trainer.iterate()
        self.num_timesteps = int(stats["env_steps"]) - self._counted_from
        episodes = stats["episodes"]
        # The device keeps sums: each of the episodes of an update counts with their mean.
        mean = [(float(episodes["mean_return"]), round(float(episodes["mean_length"])))] if episodes["count"] else []
        return stats, mean * int(episodes["count"])

    def _evaluate_without(self, episodes: int, deterministic: bool) -> Evaluation:
        if self._trainer is None:
            return super()._evaluate_without(episodes, deterministic)
        trainer = self._trainer
        if not deterministic:
            # Drawing counts draws, and may let running statistics learn. A copy does, so that the model is as it was, also where Ctrl-C ends this.
            trainer = self._make_trainer(self.config)
            trainer.load_state(self._trainer.state())
        found = trainer.evaluate(episodes, deterministic)
        return Evaluation(
            found["count"], found["mean_return"], found["min_return"], found["max_return"], found["mean_length"]
        )
