"""The reader's network: the bundled encoder with the shipped adapters merged into it, as an ONNX graph.

The graph takes embedded tokens, so that the vocabulary's matrix, four fifths of the model, isn't held a second time.
"""

import gc
import hashlib
import logging
import warnings
from importlib import metadata
from pathlib import Path
from typing import Any

from index.assembly import assembled_folder
from index.digests import file_digest

ADAPTERS = Path(__file__).with_name("adapters.safetensors")
GRAPH = "reader.onnx"
# What the graph is depends on this code, on the adapters and on these packages; a change of any makes it anew.
RECIPE = 1
RECIPE_PACKAGES = ("torch", "transformers", "onnxruntime")
# The scale of LoRA's update (alpha / rank in Hu et al., 2021).
ADAPTER_SCALE = 2.0


def reader_folder(encoder: Path, cache: Path, adapters: Path = ADAPTERS) -> Path:
    """Return the folder below `cache` with the file `GRAPH`, made from `encoder` and `adapters` when missing.

    Raises:
        ModelError: `cache` can't be written.
    """
    versions = [f"{package}=={metadata.version(package)}" for package in RECIPE_PACKAGES]
    recipe = repr((RECIPE, encoder.name, file_digest(adapters), versions))
    folder = cache / f"reader-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    return assembled_folder(folder, lambda aside: _export(encoder, adapters, aside / GRAPH))


def _export(encoder: Path, adapters: Path, target: Path) -> None:
    import torch

    model = _merged(encoder, adapters)
    example = (torch.zeros(1, 8, model.head.in_features), torch.ones(1, 8, dtype=torch.long))
    names = ["inputs_embeds", "attention_mask"]
    sizes = {name: {0: "pairs", 1: "tokens"} for name in (*names, "numbers")}
    logging.disable(logging.WARNING)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                model, example, str(target), input_names=names, output_names=["numbers"], dynamic_axes=sizes,
                opset_version=17, dynamo=False,
            )  # fmt: skip
            del model
            gc.collect()
    finally:
        logging.disable(logging.NOTSET)


def _merged(encoder: Path, adapters: Path) -> Any:
    """Return a torch module: (inputs_embeds, attention_mask) → (pairs, tokens, 4), float32."""
    import torch
    from safetensors.torch import load_file
    from transformers import BertModel

    trained = {name: tensor.float() for name, tensor in load_file(adapters).items()}
    bert: Any = BertModel.from_pretrained(encoder, add_pooling_layer=False, attn_implementation="sdpa")
    with torch.no_grad():
        for name in [name for name in trained if name.endswith(".down")]:
            layer = name.removeprefix("encoder.").removesuffix(".down")
            update = trained[name.replace(".down", ".up")] @ trained[name]
            bert.get_submodule(layer).weight += ADAPTER_SCALE * update

    class Merged(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            weight = trained["head.weight"]
            self.head = torch.nn.Linear(weight.shape[1], weight.shape[0])
            self.head.load_state_dict({"weight": weight, "bias": trained["head.bias"]})
            self.encoder = bert

        def forward(self, inputs_embeds: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            states = self.encoder(inputs_embeds=inputs_embeds, attention_mask=attention_mask).last_hidden_state
            numbers: torch.Tensor = self.head(states)
            return numbers

    return Merged().eval()
