"""What every algorithm's class has: settings, prediction, evaluation, files, history."""

from __future__ import annotations

import json
import math
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

import gymnasium as gym
import numpy as np

from . import _native
from ._envs import Envs, as_vector
from ._evaluation import Evaluation, evaluate
from ._files import Metadata, fitted, read_bytes, read_metadata
from ._log import RunLog, Scalars, train_tags
from ._shadow import Shadow
from ._spaces import ActionCodec, Array, ObsCodec
from ._spec import config_with, limited, make_spec, with_deviation
from ._spec import fitted as fitted_spec
from ._words import check_networks, check_settings, whole_steps

Self = TypeVar("Self", bound="Algorithm")


@dataclass
class Progress:
    """What a callback gets after each update."""

    #: The algorithm's object; its weights are those that the update left.
    model: Algorithm
    #: Environment steps since the start, of all environments together.
    num_timesteps: int
    #: What the update measured, as ``Learner.update`` returns it.
    stats: dict[str, Any]
    #: The row of ``history`` and ``metrics.csv``.
    row: dict[str, Any]


#: Called after each update; ``False`` ends ``learn``.
Callback = Callable[[Progress], "bool | None"]


class Algorithm(ABC):
    """The base of :class:`PPO` and its relatives. Every class takes the same arguments.

    Args:
        envs: a Gymnasium vector environment (any of the three reset modes), a single environment, or an id. ``None`` for a model that only predicts.
        preset: settings that another library publishes, such as ``"cleanrl"`` or ``"sb3"``; see ``presets()``. By default the algorithm's usual one.
        hidden: widths of the hidden layers; by default the preset's.
        activation: of the hidden layers, such as ``"tanh"``, ``"relu"``, ``"elu"``; by default the preset's.
        head: the distribution over actions, as docs/rollout-format.md has it; by default the action space's usual one.
        std_limit: from what the network says to the logarithm of a Gaussian's deviation: ``"free"``, ``{"soft_floor": {"log_std": m}}``,
            ``{"clamp": {"low": a, "high": b}}``, or ``{"tanh": {"low": a, "high": b}}``, which holds it between the two with a gradient everywhere, as
            CleanRL's SAC does; by default the preset's.
        seed: of weights, draws and environments.
        backend: ``"auto"`` (a hardware GPU if there is one, else the CPU), ``"cpu"``, ``"gpu"``, or a part of an adapter's name.
        dtype: ``"f32"``, or ``"f64"`` on the CPU (arrays are float32 all the same).
        num_envs: copies, if ``envs`` is an id.
        on_device: train in wgpo's own environments, wholly on the device; ``envs`` is then one of their ids.
        verbose: 1 says where it computes and why.
        **settings: any field of the configuration (``config_keys()``), such as ``learning_rate=1e-3`` or ``trust_region={"max_kl": 0.02}``. ``"off"``
            turns an optional one off.

    Raises:
        ValueError: a setting that there is not (the nearest name is named), or a space that no policy suits.
        WgpoError: a setting out of range, no such device.
    """

    #: Its name, as the program and files have it.
    algorithm: ClassVar[str]

    #: The policy's shape, as docs/rollout-format.md has it.
    spec: dict[str, Any]
    #: The settings.
    config: dict[str, Any]
    #: :class:`wgpo.Learner`, or :class:`wgpo.OffPolicyLearner`; with ``on_device`` there is none.
    learner: Any

    def __init__(
        self,
        envs: Any = None,
        *more: Any,
        preset: str | None = None,
        hidden: list[int] | tuple[int, ...] | None = None,
        activation: str | None = None,
        head: dict[str, Any] | None = None,
        std_limit: str | dict[str, Any] | None = None,
        seed: int = 1,
        backend: str = "auto",
        dtype: Literal["f32", "f64"] = "f32",
        num_envs: int | None = None,
        on_device: bool = False,
        verbose: int = 1,
        **settings: Any,
    ) -> None:
        if more:
            raise TypeError(
                f"{type(self).__name__}(envs, …) takes one argument without a name, and got {1 + len(more)}: there are no policies by name, such as "
                "Stable-Baselines3's MlpPolicy; hidden=[64, 64] and activation='tanh' say the networks"
            )
        check_settings(self.algorithm, settings)
        check_networks(envs, hidden, activation)
        self.seed, self.backend, self.dtype, self.verbose = seed, backend, dtype, verbose
        self.preset = preset
        self.history: list[dict[str, Any]] = []
        self.num_timesteps = 0
        self.updates = 0
        self._recent: deque[tuple[float, int]] = deque(maxlen=100)
        self._trainer: Any = None
        self._shadow: Shadow | None = None
        #: Steps that the learner had taken when ``num_timesteps`` was last 0.
        self._counted_from = 0
        #: An update began and did not end: Ctrl-C, or an error.
        self._interrupted = False
        self.envs: Envs | None = None
        self.obs_codec: ObsCodec | None = None
        self.action_codec: ActionCodec | None = None
        self.on_device = on_device
        if on_device:
            if not isinstance(envs, str):
                raise TypeError(
                    "on_device=True trains in wgpo's own environments: envs is then an id, such as 'CartPole-v1'"
                )
            if head is not None:
                raise _native.ConfigError("head: the library's own environments have heads of their own: leave it out")
            if dtype != "f32":
                raise _native.ConfigError(f"dtype: is {dtype!r}, on_device=True computes in f32")
            self._on_device(envs, hidden, activation, std_limit, num_envs, settings)
        elif envs is not None:
            self._set_envs(as_vector(envs, num_envs or 1))
            assert self.envs is not None
            if num_envs not in (None, self.envs.num_envs):
                raise _native.ConfigError(f"num_envs: is {num_envs}, the vector environment has {self.envs.num_envs}")
            settings["num_envs"] = self.envs.num_envs
            spec, self.config = self._settings(preset, hidden, activation, head, settings)
            self.spec = limited(spec, std_limit, self.algorithm)
            self.learner = self._make_learner(self.config)
        if verbose and (envs is not None):
            chosen = _native.choose_backend(backend)
            print(f"wgpo: {chosen['name']} ({chosen['reason']})")

    # -- making ---------------------------------------------------------------------------------------------------------------------------------

    def _set_envs(self, vector: gym.vector.VectorEnv[Any, Any, Any]) -> None:
        envs = Envs(vector)
        self._check_spaces(envs)
        self._take(envs)

    def _check_spaces(self, envs: Envs) -> None:  # noqa: B027
        """Refuses actions that the algorithm has no policy for; there are none here."""

    def _head(self) -> dict[str, Any]:
        assert self.action_codec is not None
        return dict(self.action_codec.head)

    def _settings(
        self,
        preset: str | None,
        hidden: list[int] | tuple[int, ...] | None,
        activation: str | None,
        head: dict[str, Any] | None,
        settings: dict[str, Any],
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        assert self.obs_codec is not None and self.envs is not None
        if preset == "tuned":
            known = getattr(self.envs.envs.spec, "id", None)
            if known is None:
                raise _native.ConfigError(
                    'preset: "tuned" is for the environments that wgpo has settings for, and this one has no id'
                )
            spec, config = (json.loads(text) for text in _native.tuned(known, self.algorithm))
            if hidden is None and activation is None and head is None:
                config = config_with(self.algorithm, config, settings)
                return fitted_spec(spec, config), config
            action = head or with_deviation(self._head(), spec["head"])
            own, _ = make_spec(self.algorithm, self.obs_codec.obs_dim, action, None, hidden, activation, {})
            config = config_with(self.algorithm, config, settings)
            return fitted_spec(own, config), config
        return make_spec(
            self.algorithm, self.obs_codec.obs_dim, head or self._head(), preset, hidden, activation, settings
        )

    @abstractmethod
    def _make_learner(self, config: dict[str, Any], seed: int | None = None) -> Any:
        """A learner with ``self.spec``; its draws are those of ``seed``, by default the model's."""

    def _learner_steps(self) -> int:
        """Environment steps since the learner's start, which no ``reset_num_timesteps`` sets back."""
        return self._counted_from + self.num_timesteps

    def _on_device(
        self,
        env: str,
        hidden: list[int] | tuple[int, ...] | None,
        activation: str | None,
        std_limit: str | dict[str, Any] | None,
        num_envs: int | None,
        settings: dict[str, Any],
    ) -> None:
        raise NotImplementedError

    @classmethod
    def presets(cls) -> list[str]:
        """Names that ``preset`` takes."""
        return list(_native.presets(cls.algorithm))

    @classmethod
    def config_keys(cls) -> list[str]:
        """Settings that can be given as keywords."""
        return list(_native.config_keys(cls.algorithm))

    # -- training -------------------------------------------------------------------------------------------------------------------------------

    def learn(
        self: Self,
        total_timesteps: float,
        *,
        progress_bar: bool = False,
        log_dir: str | Path | None = None,
        callback: Callback | list[Callback] | None = None,
        reset_num_timesteps: bool = False,
    ) -> Self:
        """Trains for ``total_timesteps`` environment steps more, all environments together, rounded up to whole updates.

        Args:
            total_timesteps: steps, such as 1e5; learning rates and other schedules end there, counted from the learner's start: after 1000 steps, a ``learn(1000)``
                begins in the middle of them. Exploration of DQN keeps the end that the first ``learn`` gave it.
            progress_bar: shows ``tqdm``'s bar, in notebooks too.
            log_dir: a folder for ``metrics.csv`` and TensorBoard's event files, whose tags are Stable-Baselines3's.
            callback: called after each update with :class:`Progress`; ``False`` ends the training.
            reset_num_timesteps: count steps from 0 again. Weights, moments and the learner's own count of steps stay.

        Ctrl-C ends it between two calls; the weights are then those of the last whole update.
        """
        total_timesteps = whole_steps(total_timesteps)
        callbacks = callback if isinstance(callback, list) else [callback] if callback is not None else []
        if self._interrupted:
            self._recount()
            self._interrupted = False
        if reset_num_timesteps:
            self._counted_from, self.num_timesteps = self._learner_steps(), 0
        target = self.num_timesteps + total_timesteps
        self._before_learning(total_timesteps)
        begun, first = time.perf_counter(), self.num_timesteps
        with RunLog(log_dir, target, progress_bar) as log:
            log.start_at(first)
            while self.num_timesteps < target:
                self._interrupted = True
                stats, episodes = self._iterate()
                self.updates += 1
                self._interrupted = False
                self._recent.extend(episodes)
                seconds = time.perf_counter() - begun
                row, tags = self._row(stats, len(episodes), seconds, (self.num_timesteps - first) / max(seconds, 1e-9))
                self.history.append(row)
                log.record(row, tags)
                progress = Progress(self, self.num_timesteps, stats, row)
                if [one(progress) for one in callbacks].count(False):
                    break
        return self

    def _recount(self) -> None:
        """Takes the counters of the learner, which may have done an update that nobody counted."""
        if self._trainer is not None:
            _, found = read_bytes(self._trainer.state())
            steps, self.updates = found.env_steps, found.updates
        else:
            counters = self.learner.counters()
            steps, self.updates = int(counters["env_steps"]), int(counters["update"])
        self.num_timesteps = steps - self._counted_from

    @abstractmethod
    def _before_learning(self, total_timesteps: int) -> None:
        """Settings that depend on the length of the training."""

    @abstractmethod
    def _iterate(self) -> tuple[dict[str, Any], list[tuple[float, int]]]:
        """One update: its statistics, and return and length of the episodes that ended."""

    def _row(self, stats: dict[str, Any], episodes: int, seconds: float, fps: float) -> tuple[dict[str, Any], Scalars]:
        clip = self.config.get("clip_coef") if isinstance(self.config.get("clip_coef"), float) else None
        tags = train_tags(self.algorithm, stats, clip)
        mean = float(np.mean([one[0] for one in self._recent])) if self._recent else math.nan
        length = float(np.mean([one[1] for one in self._recent])) if self._recent else math.nan
        row = {
            "update": self.updates,
            "num_timesteps": self.num_timesteps,
            "seconds": round(seconds, 4),
            "episodes": episodes,
            "ep_rew_mean": mean,
            "ep_len_mean": length,
            **{tag.split("/", 1)[1]: value for tag, value in tags.items()},
        }
        time_tags = {"time/fps": fps, "time/iterations": float(self.updates)}
        return row, {"rollout/ep_rew_mean": mean, "rollout/ep_len_mean": length, **time_tags, **tags}

    # -- using ----------------------------------------------------------------------------------------------------------------------------------

    @property
    def _actor(self) -> Any:
        return self._trainer if self._trainer is not None else self.learner

    def _act(self, obs: Array, allowed: Array | None, mode: str) -> dict[str, Any]:
        """What the learner does with rows of observations."""
        if self._trainer is not None:
            return dict(self._trainer.act(obs, mode))
        return dict(self.learner.act(obs, allowed, mode))

    def _acting(self, deterministic: bool) -> Callable[[Array, Array | None], dict[str, Any]]:
        """What takes actions for rows of observations, with the present weights; the model is left as it is."""
        if deterministic:
            return lambda obs, allowed: self._act(obs, allowed, "greedy")
        if self._shadow is None:
            self._shadow = Shadow(self)
        self._shadow.refresh()
        return self._shadow.act

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[Array, None]:
        """Actions for ``observation``, one or a batch, as the environment takes them; and ``None``, where other libraries return a recurrent state.

        ``deterministic`` takes the most probable action (the mean), else it is drawn; either leaves the model as it is. The same arguments as Stable-Baselines3's, so that its
        ``evaluate_policy`` takes this model.
        """
        del state, episode_start
        codec = self._codec()
        batch, single = codec.single(observation)
        rows = codec.rows(batch)
        acted = self._acting(deterministic)(codec.obs(batch, rows), codec.allowed(batch, rows))
        actions = np.asarray(acted["env_actions"])
        if self.action_codec is not None:
            actions = self.action_codec.env_actions(actions)
        elif self.spec["head"]["kind"] == "categorical":
            actions = actions.reshape(rows)
        return (actions[0] if single else actions), None

    def _codec(self) -> ObsCodec:
        if self.obs_codec is None:
            self.obs_codec = ObsCodec(gym.spaces.Box(-np.inf, np.inf, (int(self.spec["obs_dim"]),), np.float32))
        return self.obs_codec

    def evaluate(
        self, episodes: int = 10, *, deterministic: bool = True, envs: Any = None, seed: int | None = None
    ) -> Evaluation:
        """Plays ``episodes`` whole episodes and returns their returns and lengths. The model is left as it is.

        Args:
            episodes: how many. Each environment plays as many of them as every other, or one more: it is not the quick ones that are counted.
            deterministic: greedy actions; else drawn ones.
            envs: where; by default those of the training, whose next ``learn`` then begins new episodes.
            seed: of the environments; by default one that no training uses.
        """
        if episodes <= 0:
            raise ValueError(f"episodes is {episodes}, must be at least 1")
        own = envs is None
        if own and self.envs is None:
            return self._evaluate_without(episodes, deterministic)
        where = self.envs if own else Envs(as_vector(envs))
        assert where is not None
        return evaluate(
            where, self._acting(deterministic), episodes, (2**31 - 1 - self.seed) % 2**31 if seed is None else seed
        )

    def _evaluate_without(self, episodes: int, deterministic: bool) -> Evaluation:
        raise ValueError("there is no environment to play in: give envs, or call set_envs")

    # -- files ----------------------------------------------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Writes weights, optimiser, settings and counters as one safetensors file, whole or not at all; the Rust program reads it, too."""
        self._actor.save(str(path))

    @classmethod
    def load(cls: type[Self], path: str | Path, envs: Any = None, **arguments: Any) -> Self:
        """The model that ``save`` wrote. Without ``envs`` it predicts and evaluates elsewhere; with ``envs`` it goes on training.

        ``arguments`` are those of the class: ``backend``, ``seed``, ``verbose``, and settings to change. With
        ``on_device=True`` a file of such a model goes on in the library's environment that it was in.
        """
        found = read_metadata(Path(path))
        if found.config is not None and _named(found.config) != cls.algorithm:
            raise ValueError(f"{path} is of {_named(found.config)}, not of {cls.algorithm}")
        if arguments.pop("on_device", False):
            return cls._from_device(Path(path), found, envs, arguments)
        model = cls._from_metadata(found, envs, arguments)
        model._restore(Path(path), found)
        return model

    @classmethod
    def _from_device(cls: type[Self], path: Path, found: Metadata, envs: Any, arguments: dict[str, Any]) -> Self:
        raise NotImplementedError

    @classmethod
    def _from_metadata(cls: type[Self], found: Metadata, envs: Any, arguments: dict[str, Any]) -> Self:
        plain = {"seed", "backend", "dtype", "verbose"}
        settings = {key: value for key, value in arguments.items() if key not in plain and key != "num_envs"}
        check_settings(cls.algorithm, settings)
        model = cls(None, **{key: value for key, value in arguments.items() if key in plain})
        base = found.config if found.config is not None else json.loads(_native.default_config(cls.algorithm, None))
        model.spec, model.config = found.spec, config_with(cls.algorithm, base, settings)
        if envs is not None:
            taken, model.config = model._fitting(as_vector(envs, int(arguments.get("num_envs") or 1)))
            model._take(taken)
        model.learner = model._make_learner(model.config)
        return model

    def _fitting(self, vector: gym.vector.VectorEnv[Any, Any, Any]) -> tuple[Envs, dict[str, Any]]:
        """``vector`` for a policy that is there, and the settings with its number of environments; changes nothing."""
        envs = Envs(vector)
        self._check_spaces(envs)
        if envs.obs_codec.obs_dim != self.spec["obs_dim"]:
            raise _native.ConfigError(
                f"the environments' observations have {envs.obs_codec.obs_dim} numbers, the policy takes {self.spec['obs_dim']}"
            )
        own, theirs = self.spec["head"], envs.action_codec.head
        floats = ("gaussian", "tanh_gaussian", "beta")
        same = own["kind"] in floats if theirs["kind"] == "gaussian" else own["kind"] == theirs["kind"]
        sizes = all(
            own[key] == theirs[key] for key in ("actions", "nvec", "dims", "masked") if key in own and key in theirs
        )
        if not (same and sizes and bool(own.get("masked")) == bool(theirs.get("masked"))):
            raise _native.ConfigError(f"the environments take {theirs}, the policy's head is {own}")
        return envs, config_with(self.algorithm, self.config, {"num_envs": envs.num_envs})

    def _take(self, envs: Envs) -> None:
        self.envs, self.obs_codec, self.action_codec = envs, envs.obs_codec, envs.action_codec

    def set_envs(self: Self, envs: Any) -> Self:
        """Goes on in other environments: what ``load`` and :func:`wgpo.from_sb3` made has none.

        Raises:
            ConfigError: spaces that are not the policy's, or settings that do not suit their number. The model then is as it was.
        """
        if self._trainer is not None:
            raise _native.ConfigError(
                "envs: the model was made with on_device=True, its environments are the library's"
            )
        taken, config = self._fitting(as_vector(envs))
        learner = self._make_learner(config)
        learner.load_state(fitted(self.learner.state(), taken.num_envs))
        self._take(taken)
        self.config, self.learner = config, learner
        return self

    def _restore(self, path: Path, found: Metadata) -> None:
        self.learner.load_state(fitted(path.read_bytes(), int(self.config["num_envs"])))
        self.num_timesteps, self.updates = found.env_steps, found.updates

    def parameters(self) -> dict[str, Array]:
        """The weights by name, as docs/rollout-format.md names them."""
        return dict(self._actor.named_parameters())

    def set_parameters(self, parameters: dict[str, Array]) -> None:
        """Replaces the weights; the optimiser's moments stay."""
        self._actor.set_named_parameters(parameters)

    # -- looking --------------------------------------------------------------------------------------------------------------------------------

    def plot(self, path: str | Path | None = None, ax: Any = None) -> Any:
        """The learning curve: mean return of the last 100 episodes over environment steps. Needs matplotlib.

        Args:
            path: a file to write it to (``.png``, ``.svg``, …).
            ax: where to draw; by default a figure of its own.

        Returns:
            matplotlib's axes.
        """
        from ._plot import plot

        return plot(self, path, ax)


def _named(config: dict[str, Any]) -> str:
    return str(config["algorithm"]).replace("_", "-")
