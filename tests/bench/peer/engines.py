"""CPU time of the text tower in other engines: ONNX Runtime, OpenVINO and PyTorch itself, one thread, the same weights.

    engines.py MODEL

Reads a number of tokens a line and answers with one JSON object: milliseconds a pass by engine. Stays until its input
ends, so that its turns can alternate with those of another program.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy
import onnxruntime
import openvino
import torch
from transformers import BertConfig, BertModel

TOWER_LAYERS = 6
SECONDS = 1.0
TOLERANCE = 1e-3


def text_tower(folder):
    """The embeddings and the first six layers, as the published checkpoint names them."""
    config = BertConfig(**{**json.loads((folder / "config.json").read_text()), "num_hidden_layers": TOWER_LAYERS})
    tower = BertModel(config, add_pooling_layer=False)
    state = torch.load(folder / "pytorch_model.bin", weights_only=True)
    names = {name.removeprefix("plm."): tensor for name, tensor in state.items() if name.startswith("plm.")}
    tower.load_state_dict({name: names[name] for name in tower.state_dict()})
    return tower


class States(torch.nn.Module):
    def __init__(self, tower):
        super().__init__()
        self.tower = tower

    def forward(self, ids):
        return self.tower(ids).last_hidden_state


def exported(module, folder):
    path = Path(folder) / "text_tower.onnx"
    ids = torch.ones(1, 16, dtype=torch.long)
    torch.onnx.export(module, (ids,), path, input_names=["ids"], output_names=["states"], dynamic_axes={"ids": {1: "tokens"}, "states": {1: "tokens"}}, opset_version=17)
    return path


def onnx_runtime(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda ids: session.run(None, {"ids": ids})[0]


def open_vino(path):
    settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    compiled = openvino.Core().compile_model(path, "CPU", settings)
    request = compiled.create_infer_request()
    return lambda ids: next(iter(request.infer({"ids": ids}).values()))


def pytorch(module):
    return lambda ids: module(torch.from_numpy(ids)).numpy()


def milliseconds(run, ids):
    """CPU time of one pass: the mean over about a second."""
    for _ in range(3):
        run(ids)
    passes, began, ended = 0, time.process_time(), time.monotonic() + SECONDS
    while time.monotonic() < ended:
        run(ids)
        passes += 1
    return (time.process_time() - began) * 1e3 / passes


def check_same(engines, ids):
    """An engine that computes something else would win easily."""
    expected = engines["PyTorch"](ids)
    for name, run in engines.items():
        difference = float(numpy.abs(run(ids) - expected).max())
        if difference > TOLERANCE:
            raise SystemExit(f"error: {name} differs from PyTorch by {difference}; fix: look at how it was exported")


def main():
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    # On the outermost module: the export gives the mode that it finds there back to all that is inside.
    module = States(text_tower(Path(sys.argv[1]))).eval()
    with tempfile.TemporaryDirectory() as folder:
        path = exported(module, folder)
        engines = {"ONNX Runtime": onnx_runtime(path), "OpenVINO": open_vino(path), "PyTorch": pytorch(module)}
    for line in sys.stdin:
        tokens = int(line)
        ids = numpy.array([[700 + token * 37 % 4000 for token in range(tokens)]], dtype=numpy.int64)
        check_same(engines, ids)
        print(json.dumps({name: milliseconds(run, ids) for name, run in engines.items()}), flush=True)


main()
