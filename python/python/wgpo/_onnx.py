"""A policy's greedy actions as an ONNX model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ._base import Algorithm
from ._files import read_bytes
from ._spaces import Array

OPSET = 20


class _Graph:
    """Nodes and constants, with names counted up."""

    def __init__(self) -> None:
        from onnx import helper

        self.helper = helper
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: Array) -> str:
        from onnx import numpy_helper

        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, op: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        output = name or f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(self.helper.make_node(op, list(inputs), [output], **attributes))
        return output


def _normalised(graph: _Graph, model: Algorithm, tensors: dict[str, Array], x: str) -> str:
    norm = model.config.get("norm_obs")
    if not norm or "normalizer.obs.mean" not in tensors:
        return x
    from onnx import TensorProto

    mean, variance = (np.asarray(tensors[f"normalizer.obs.{part}"], np.float64) for part in ("mean", "variance"))
    eps = float(norm.get("eps", 1e-8))
    deviation = (
        np.sqrt(variance + eps)
        if norm.get("eps_placement", "inside_root") == "inside_root"
        else np.sqrt(variance) + eps
    )
    x = graph.node("Cast", x, to=TensorProto.DOUBLE)
    x = graph.node("Div", graph.node("Sub", x, graph.constant(mean)), graph.constant(deviation))
    clip = norm.get("clip")
    if clip is not None:
        limit = np.asarray(clip, np.float64)
        x = graph.node("Clip", x, graph.constant(-limit), graph.constant(limit))
    return graph.node("Cast", x, to=TensorProto.FLOAT)


def _activated(graph: _Graph, x: str, activation: str) -> str:
    if activation == "identity":
        return x
    if activation == "silu":
        return graph.node("Mul", x, graph.node("Sigmoid", x))
    if activation.startswith("gelu"):
        return graph.node("Gelu", x, approximate="tanh" if activation == "gelu_tanh" else "none")
    return graph.node({"tanh": "Tanh", "relu": "Relu", "elu": "Elu"}[activation], x)


def _network(graph: _Graph, tensors: dict[str, Array], branch: str, x: str, activation: str, last: bool) -> str:
    layers = sum(name.startswith(f"{branch}.") and name.endswith(".weight") for name in tensors)
    for index in range(layers):
        weight, bias = (
            graph.constant(np.asarray(tensors[f"{branch}.{index}.{part}"], np.float32)) for part in ("weight", "bias")
        )
        x = graph.node("Gemm", x, weight, bias, transB=1)
        if not last or index + 1 < layers:
            x = _activated(graph, x, activation)
    return x


def _argmax(graph: _Graph, logits: str, mask: str | None, nvec: list[int], keep: bool) -> str:
    if mask is not None:
        logits = graph.node("Where", mask, logits, graph.constant(np.asarray(-np.inf, np.float32)))
    ends = np.cumsum(nvec)
    parts = []
    for count, end in zip(nvec, ends, strict=True):
        part = graph.node(
            "Slice", logits, *(graph.constant(np.asarray([one], np.int64)) for one in (end - count, end, 1))
        )
        parts.append(graph.node("ArgMax", part, axis=1, keepdims=1))
    indices = parts[0] if len(parts) == 1 else graph.node("Concat", *parts, axis=1)
    return indices if keep else graph.node("Squeeze", indices, graph.constant(np.asarray([1], np.int64)))


def _scaled(graph: _Graph, unit: str, head: dict[str, Any], low: float) -> str:
    """From [low, 1] to the bounds."""
    bottom, top = (np.asarray(head["bounds"][key], np.float64) for key in ("low", "high"))
    slope = (top - bottom) / (1.0 - low)
    scaled = graph.node("Mul", unit, graph.constant(slope.astype(np.float32)))
    return graph.node("Add", scaled, graph.constant((bottom - low * slope).astype(np.float32)))


def _action(graph: _Graph, model: Algorithm, raw: str, mask: str | None) -> tuple[str, Any]:
    """The name of the greedy action as the environment takes it, and its element type."""
    from onnx import TensorProto

    head = model.spec["head"]
    kind = head["kind"]
    if kind == "categorical":
        return _argmax(graph, raw, mask, [head["actions"]], keep=False), TensorProto.INT64
    if kind == "multi_discrete":
        return _argmax(graph, raw, mask, head["nvec"], keep=True), TensorProto.INT64
    if kind == "bernoulli":
        return graph.node(
            "Cast", graph.node("Greater", raw, graph.constant(np.asarray(0, np.float32))), to=TensorProto.INT64
        ), TensorProto.INT64
    if kind not in ("gaussian", "tanh_gaussian"):
        raise ValueError(
            f"the head is {kind}: categorical, multi_discrete, bernoulli, gaussian and tanh_gaussian are exported"
        )
    if (head.get("std") or {}).get("from_state"):
        raw = graph.node("Slice", raw, *(graph.constant(np.asarray([one], np.int64)) for one in (0, head["dims"], 1)))
    if kind == "tanh_gaussian":
        return _scaled(graph, graph.node("Tanh", raw), head, -1.0), TensorProto.FLOAT
    if head.get("bounds"):
        low, high = (graph.constant(np.asarray(head["bounds"][key], np.float32)) for key in ("low", "high"))
        raw = graph.node("Min", graph.node("Max", raw, low), high)
    return raw, TensorProto.FLOAT


def to_onnx(model: Algorithm, path: str | Path, *, check: bool = True) -> Path:
    """Writes the policy's greedy action as an ONNX model of opset 20.

    Inputs: ``obs`` ``[rows, obs_dim]`` float32 as the environment gives them, flat (normalisation is inside) and, if the head is masked, ``allowed``
    ``[rows, choices]`` bool. Output: ``actions`` as the environment takes them, ``[rows]`` or ``[rows, dims]``, int64 indices from 0 or float32 clipped to the bounds.

    Args:
        model: any of wgpo's, with a policy of fully connected layers.
        path: the file.
        check: runs it in onnxruntime on 64 random observations, and compares with ``predict(deterministic=True)``; needs onnxruntime.

    Raises:
        ImportError: without the package ``onnx`` (``pip install 'wgpo[onnx]'``).
        ValueError: a head that is not exported.
        RuntimeError: what onnxruntime computes differs.
    """
    try:
        import onnx
        from onnx import TensorProto, helper
    except ImportError:
        raise ImportError("to_onnx needs onnx: pip install 'wgpo[onnx]'") from None
    spec = model.spec
    tensors, _ = read_bytes(model._actor.state())
    graph = _Graph()
    x = _normalised(graph, model, tensors, "obs")
    branches = {branch["name"]: branch for branch in spec.get("branches") or []}
    source = branches.get("policy", {}).get("input", {"branch": "trunk"} if spec.get("trunk") else "obs")
    if isinstance(source, dict):
        x = _network(graph, tensors, source["branch"], x, spec["activation"], last=False)
    if model.algorithm == "dqn":
        raw = _network(graph, tensors, "policy", x, spec["activation"], last=True)
    else:
        raw = _network(graph, tensors, "policy", x, spec["activation"], last=True)
    masked = bool(spec["head"].get("masked"))
    action, kind = _action(graph, model, raw, "allowed" if masked else None)
    actions = graph.node("Identity", action, name="actions")
    inputs = [helper.make_tensor_value_info("obs", TensorProto.FLOAT, ["rows", int(spec["obs_dim"])])]
    if masked:
        head = spec["head"]
        choices = head["actions"] if head["kind"] == "categorical" else sum(head["nvec"])
        inputs.append(helper.make_tensor_value_info("allowed", TensorProto.BOOL, ["rows", int(choices)]))
    shape: list[Any] = ["rows"] if spec["head"]["kind"] == "categorical" else ["rows", _dims(spec["head"])]
    outputs = [helper.make_tensor_value_info(actions, kind, shape)]
    made = helper.make_graph(graph.nodes, "policy", inputs, outputs, graph.constants)
    file = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="wgpo", ir_version=10)
    onnx.checker.check_model(file)
    onnx.save(file, str(path))
    if check:
        _check(model, Path(path), masked)
    return Path(path)


def _dims(head: dict[str, Any]) -> int:
    return len(head["nvec"]) if head["kind"] == "multi_discrete" else int(head["dims"])


def _check(model: Algorithm, path: Path, masked: bool) -> None:
    import onnxruntime  # type: ignore[import-untyped, import-not-found, unused-ignore]

    rng = np.random.default_rng(0)
    obs = rng.standard_normal((64, int(model.spec["obs_dim"]))).astype(np.float32)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    given: dict[str, Array] = {"obs": obs}
    allowed = None
    if masked:
        width = session.get_inputs()[1].shape[1]
        allowed = rng.random((64, width)) < 0.5
        allowed[:, 0] = True
        if model.spec["head"]["kind"] == "multi_discrete":
            starts = np.cumsum([0, *model.spec["head"]["nvec"][:-1]])
            allowed[:, starts] = True
        given["allowed"] = allowed
    theirs = np.asarray(session.run(["actions"], given)[0])
    ours = np.asarray(model._act(obs, allowed, "greedy")["env_actions"]).reshape(theirs.shape)
    if np.issubdtype(theirs.dtype, np.integer):
        # Two choices that are equally good but for rounding may be taken either way.
        apart = float(np.mean(theirs != ours))
        if apart > 1 / 64:
            raise RuntimeError(f"onnxruntime takes another action than wgpo for {apart:.1%} of the observations")
        return
    difference = float(np.max(np.abs(theirs - np.clip(ours, -np.inf, np.inf))))
    if difference > 1e-4 * max(1.0, float(np.max(np.abs(ours)))):
        raise RuntimeError(f"onnxruntime's actions differ from wgpo's by {difference}")
