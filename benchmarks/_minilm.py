"""all-MiniLM-L6-v2 in float32 as ONNX, from the weights of its package: what Chroma embeds with where nothing else is
said, and downloads at its first use. Runs in the peers' environment: `python -m benchmarks._minilm FOLDER`."""

from __future__ import annotations

import json
import sys
import zipfile
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LAYERS: Final = 6
HEADS: Final = 12
WIDTH: Final = 384
EPSILON: Final = 1e-12


class Graph:
    """Nodes and weights, each value by its name."""

    def __init__(self, weights: dict[str, Any]) -> None:
        self.weights = weights
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, value: Any) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def linear(self, value: str, prefix: str) -> str:
        weight = self.constant(f"{prefix}.w", self.weights[f"{prefix}.weight"].T)
        return self.add(
            "Add", [self.add("MatMul", [value, weight]), self.constant(f"{prefix}.b", self.weights[f"{prefix}.bias"])]
        )

    def norm(self, value: str, prefix: str) -> str:
        scale, shift = (
            self.constant(f"{prefix}.{part}", self.weights[f"{prefix}.{part}"]) for part in ("weight", "bias")
        )
        return self.add("LayerNormalization", [value, scale, shift], axis=-1, epsilon=EPSILON)


def network(weights: dict[str, Any]) -> Any:
    """BERT's encoder: `input_ids`, `attention_mask`, `token_type_ids` to `last_hidden_state`."""
    graph = Graph(weights)
    shape = graph.constant("heads", np.array([0, 0, HEADS, WIDTH // HEADS], np.int64))
    whole = graph.constant("whole", np.array([0, 0, WIDTH], np.int64))
    value = _embedded(graph)
    mask = _mask(graph)
    for number in range(LAYERS):
        layer = f"encoder.layer.{number}"
        parts = [
            graph.add("Reshape", [graph.linear(value, f"{layer}.attention.self.{part}"), shape])
            for part in ("query", "key", "value")
        ]
        query, key, content = (
            graph.add("Transpose", [part], perm=perm)
            for part, perm in zip(parts, ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]), strict=True)
        )
        scale = graph.constant(f"{layer}.scale", np.float32((WIDTH // HEADS) ** -0.5))
        scores = graph.add("Mul", [graph.add("MatMul", [query, key]), scale])
        seen = graph.add("Softmax", [graph.add("Add", [scores, mask])], axis=-1)
        heads = graph.add("Transpose", [graph.add("MatMul", [seen, content])], perm=[0, 2, 1, 3])
        output = graph.linear(graph.add("Reshape", [heads, whole]), f"{layer}.attention.output.dense")
        value = graph.norm(graph.add("Add", [output, value]), f"{layer}.attention.output.LayerNorm")
        inner = graph.add("Gelu", [graph.linear(value, f"{layer}.intermediate.dense")])
        output = graph.linear(inner, f"{layer}.output.dense")
        value = graph.norm(graph.add("Add", [output, value]), f"{layer}.output.LayerNorm")
    graph.nodes.append(helper.make_node("Identity", [value], ["last_hidden_state"]))
    return _model(graph)


def _embedded(graph: Graph) -> str:
    tables = {
        part: graph.constant(part, graph.weights[f"embeddings.{part}_embeddings.weight"])
        for part in ("word", "position", "token_type")
    }
    words = graph.add("Gather", [tables["word"], "input_ids"])
    types = graph.add("Gather", [tables["token_type"], "token_type_ids"])
    size = graph.add("Shape", ["input_ids"], start=1, end=2)
    zero, one = graph.constant("zero", np.zeros(1, np.int64)), graph.constant("one", np.ones(1, np.int64))
    places = graph.add("Slice", [tables["position"], zero, size, zero, one])
    return graph.norm(graph.add("Add", [graph.add("Add", [words, types]), places]), "embeddings.LayerNorm")


def _mask(graph: Graph) -> str:
    """0 where a token counts, and a very low number where it is padding."""
    seen = graph.add("Cast", ["attention_mask"], to=TensorProto.FLOAT)
    missing = graph.add("Sub", [graph.constant("all", np.float32(1)), seen])
    low = graph.add("Mul", [missing, graph.constant("low", np.float32(-1e9))])
    return graph.add("Unsqueeze", [low, graph.constant("axes", np.array([1, 2], np.int64))])


def _model(graph: Graph) -> Any:
    given = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask", "token_type_ids")
    ]
    hidden = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", "tokens", WIDTH])
    body = helper.make_graph(graph.nodes, "minilm", given, [hidden], graph.constants)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    return model


def safetensors(data: bytes) -> dict[str, Any]:
    """The format's float32 tensors: a length, a JSON head with offsets, and the numbers."""
    size = int.from_bytes(data[:8], "little")
    head = json.loads(data[8 : 8 + size])
    body = memoryview(data)[8 + size :]
    return {
        name: np.frombuffer(body[slice(*found["data_offsets"])], "<f4").reshape(found["shape"])
        for name, found in head.items()
        if name != "__metadata__" and found["dtype"] == "F32"
    }


def main(folder: Path) -> None:
    """Writes `model.onnx`, and beside it the tokenizer and what else Chroma looks for."""
    with resources.files("all_minilm_l6_v2").joinpath("model.zip").open("rb") as file, zipfile.ZipFile(file) as packed:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("config.json", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json"):
            (folder / name).write_bytes(packed.read(name))
        model = network(safetensors(packed.read("model.safetensors")))
    vocabulary = json.loads((folder / "tokenizer.json").read_bytes())["model"]["vocab"]
    (folder / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.__getitem__)), encoding="utf-8")
    onnx.save(model, str(folder / "model.onnx"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
