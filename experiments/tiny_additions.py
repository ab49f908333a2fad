"""Random LoRAs, embeddings and autoencoders for the pipelines of tiny_pipelines.py, in the layouts of real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

_TARGETS = {"unet": ["to_q", "to_k", "to_v", "to_out.0"], "transformer": ["to_q", "to_k", "to_v", "to_out.0"]}
_OF_TEXT = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]
ENCODERS = {
    "stable-diffusion-xl": {"clip_l": "", "clip_g": "_2"},
    "flux": {"clip_l": "", "t5": "_2"},
}
"""Where there are several: what a file calls the embeddings of each, and how the encoder's name ends."""


def save_lora(folder: Path, place: Path, *, seed: int = 0, parts: tuple[str, ...] | None = None) -> Path:
    """The file of a LoRA over the parts of a saved pipeline that its loader knows, by diffusers' save_lora_weights."""
    import diffusers
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    torch.manual_seed(seed)
    pipeline = diffusers.DiffusionPipeline.from_pretrained(folder)
    layers = {}
    for part in parts or pipeline._lora_loadable_modules:
        module, targets = getattr(pipeline, part), _TARGETS.get(part, _OF_TEXT)
        module.add_adapter(LoraConfig(r=2, lora_alpha=2, target_modules=targets, init_lora_weights=False))
        layers[f"{part}_lora_layers"] = get_peft_model_state_dict(module)
    type(pipeline).save_lora_weights(place, **layers)
    return place / "pytorch_lora_weights.safetensors"


def save_embedding(kind: str, folder: Path, file: Path, *, vectors: int = 2, token: str = "<cat>") -> Path:
    """The file of a word for every text encoder of a saved pipeline."""
    import diffusers

    torch.manual_seed(0)
    pipeline = diffusers.DiffusionPipeline.from_pretrained(folder)
    ends = ENCODERS.get(kind, {token: ""})
    save_file({name: torch.randn(vectors, _width(pipeline, end)) for name, end in ends.items()}, file)
    return file


def _width(pipeline: Any, end: str) -> int:
    return int(getattr(pipeline, f"text_encoder{end}").get_input_embeddings().weight.shape[-1])


def by_encoder(kind: str, file: Path) -> dict[str, torch.Tensor]:
    """The vectors of such a file, by the end of the encoder's name."""
    tensors = load_file(file)
    if kind not in ENCODERS:
        return {"": next(iter(tensors.values()))}
    return {end: tensors[name] for name, end in ENCODERS[kind].items()}


def save_autoencoder(folder: Path, place: Path, **changes: Any) -> Path:
    """Another random autoencoder of the configuration that a saved pipeline's has, but for `changes`."""
    import diffusers

    torch.manual_seed(1)
    config = diffusers.AutoencoderKL.load_config(folder / "vae")
    kind = getattr(diffusers, config["_class_name"])
    kind.from_config({**config, **changes}).save_pretrained(place)
    return place
