"""The embedding network as it is asked here: `network.onnx`, beside `model.onnx` whose weights it goes on using.

Of one text at a time every token counts, so what the mask adds to each attention is zero, over and over: a twentieth of
the network's time. Without it every number is what it was. The mean over the tokens and its length of 1 (the recipe of
the model's card) come after the last layer: one row leaves the network in place of a row for each token.

Run by hand where the model changed, by the Python that `scripts/bench knowledge` makes (it has `onnx`):
.tools/knowledge/bin/python scripts/embedding_network.py
"""

from __future__ import annotations

import hashlib
from importlib import import_module
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent.parent / "resources/models/minilm-l6-v2-int8"
MODEL: Final = "model.onnx"
MADE: Final = "network.onnx"
MASK: Final = "attention_mask"
TOKENS: Final = "last_hidden_state"
SMALL: Final = 1024
"""Bytes of numbers that are copied; larger ones stay where they are."""


def without_mask(graph: Any) -> None:
    """Take out what follows from the mask alone, and the additions of that to something else."""
    follows, kept, instead = {MASK}, [], {}
    weights = {weight.name for weight in graph.initializer}
    for node in graph.node:
        others = [name for name in node.input if name not in follows | weights]
        if follows.isdisjoint(node.input):
            kept.append(node)
        elif not others:
            follows.update(node.output)
        elif node.op_type == "Add":
            instead[node.output[0]] = others[0]
        else:
            raise SystemExit(f"{node.op_type} needs the mask")
    for node in kept:
        node.input[:] = [instead.get(name, name) for name in node.input]
    used = {name for node in kept for name in node.input}
    _replace(graph.node, kept)
    _replace(graph.initializer, [weight for weight in graph.initializer if weight.name in used])
    _replace(graph.input, [given for given in graph.input if given.name != MASK])


def with_mean(onnx: Any, graph: Any) -> None:
    """One row of length 1 for each text, in place of its tokens' rows."""
    make = onnx.helper
    [tokens] = (output for output in graph.output if output.name == TOKENS)
    size = tokens.type.tensor_type.shape.dim[-1].dim_value
    graph.initializer.append(make.make_tensor("tokens_axis", onnx.TensorProto.INT64, [1], [1]))
    graph.node.append(make.make_node("ReduceMean", [TOKENS, "tokens_axis"], ["mean"], keepdims=0))
    graph.node.append(make.make_node("LpNormalization", ["mean"], ["vector"], axis=-1, p=2))
    _replace(graph.output, [make.make_tensor_value_info("vector", onnx.TensorProto.FLOAT, ["batch", size])])


def outside(onnx: Any, weight: Any, held: bytes) -> None:
    """Say where in `held`, the file of the model, the numbers of `weight` stand, in place of the numbers."""
    numbers = weight.raw_data
    place = held.find(numbers)
    if place < 0 or held.find(numbers, place + 1) >= 0:
        raise SystemExit(f"{weight.name} does not stand in {MODEL} just once")
    onnx.external_data_helper.set_external_data(weight, MODEL, offset=place, length=len(numbers))
    weight.ClearField("raw_data")


def _replace(field: Any, values: list[Any]) -> None:
    del field[:]
    field.extend(values)


def main() -> None:
    onnx = import_module("onnx")
    held = (FOLDER / MODEL).read_bytes()
    model = onnx.load_from_string(held)
    without_mask(model.graph)
    with_mean(onnx, model.graph)
    for weight in model.graph.initializer:
        if len(weight.raw_data) > SMALL:
            outside(onnx, weight, held)
    made = model.SerializeToString(deterministic=True)
    (FOLDER / MADE).write_bytes(made)
    print(f"{hashlib.sha256(made).hexdigest()}  {MADE} ({len(made):,} bytes)")


if __name__ == "__main__":
    main()
