"""Formulas of the library on arrays: advantages, distributions, Fisher products, conjugate gradients."""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias, TypedDict, type_check_only

from numpy.typing import ArrayLike, NDArray

__all__ = [
    "conjugate_gradient",
    "discounted_returns",
    "entropy",
    "fisher_solve",
    "fisher_vector_product",
    "gae",
    "k_step_advantages",
    "kl",
    "log_prob",
    "normalize",
    "vtrace",
]

_Dtype: TypeAlias = Literal["f32", "f64", "float32", "float64"]
_Floats: TypeAlias = NDArray[Any]

@type_check_only
class CgReport(TypedDict):
    iterations: int
    residuals: list[float]
    negative_curvature: bool

def gae(
    rewards: ArrayLike,
    values: ArrayLike,
    terminated: ArrayLike,
    truncated: ArrayLike | None = None,
    final_values: ArrayLike | None = None,
    gamma: float = 0.99,
    gae_lambda: float = 0.95,
    backend: str = "cpu",
    dtype: _Dtype | None = None,
) -> tuple[_Floats, _Floats]: ...
def vtrace(
    log_rhos: ArrayLike,
    rewards: ArrayLike,
    values: ArrayLike,
    terminated: ArrayLike,
    truncated: ArrayLike | None = None,
    final_values: ArrayLike | None = None,
    gamma: float = 0.99,
    gae_lambda: float = 1.0,
    rho_bar: float = 1.0,
    c_bar: float = 1.0,
    pg_rho_bar: float = 1.0,
    backend: str = "cpu",
    dtype: _Dtype | None = None,
) -> tuple[_Floats, _Floats]: ...
def k_step_advantages(
    k: int,
    rewards: ArrayLike,
    values: ArrayLike,
    terminated: ArrayLike,
    truncated: ArrayLike | None = None,
    final_values: ArrayLike | None = None,
    gamma: float = 0.99,
    backend: str = "cpu",
    dtype: _Dtype | None = None,
) -> tuple[_Floats, _Floats]: ...
def discounted_returns(
    rewards: ArrayLike,
    terminated: ArrayLike,
    truncated: ArrayLike | None = None,
    values: ArrayLike | None = None,
    final_values: ArrayLike | None = None,
    gamma: float = 0.99,
    backend: str = "cpu",
    dtype: _Dtype | None = None,
) -> _Floats: ...
def normalize(
    advantages: ArrayLike, ddof: int = 1, eps: float = 1e-8, std_floor: float = 0.0, dtype: _Dtype | None = None
) -> _Floats: ...
def log_prob(
    action: str,
    dist: ArrayLike,
    actions: ArrayLike,
    allowed: ArrayLike | None = None,
    backend: str = "cpu",
    dtype: _Dtype | None = None,
) -> _Floats: ...
def entropy(action: str, dist: ArrayLike, backend: str = "cpu", dtype: _Dtype | None = None) -> _Floats: ...
def kl(action: str, p: ArrayLike, q: ArrayLike, backend: str = "cpu", dtype: _Dtype | None = None) -> _Floats: ...
def fisher_vector_product(
    spec: str,
    parameters: ArrayLike,
    obs: ArrayLike,
    v: ArrayLike,
    damping: float = 0.0,
    backend: str = "cpu",
    dtype: _Dtype | None = None,
) -> _Floats: ...
def fisher_solve(
    spec: str,
    parameters: ArrayLike,
    obs: ArrayLike,
    b: ArrayLike,
    damping: float = 0.1,
    iterations: int = 10,
    tolerance: float = 1e-10,
    dtype: _Dtype | None = None,
) -> tuple[_Floats, CgReport]: ...
def conjugate_gradient(
    apply: Callable[[NDArray[Any]], ArrayLike],
    b: ArrayLike,
    start: ArrayLike | None = None,
    iterations: int = 10,
    tolerance: float = 1e-10,
    absolute_tolerance: float = 0.0,
    dtype: _Dtype | None = None,
) -> tuple[_Floats, CgReport]: ...
