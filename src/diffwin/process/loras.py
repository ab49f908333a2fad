"""LoRAs, through the loaders of diffusers' pipelines: weighed, and fused into the weights of the part they change.

Fused, a model costs what it costs without; every tensor of a file must have found its place, or it is refused. Parts
are fused one by one, for some pipelines leave their text encoders out unless told otherwise.
"""

from __future__ import annotations

import warnings
from typing import Any

from safetensors import safe_open

from diffwin.errors import BadInput
from diffwin.process.choices import Laid, Source
from diffwin.process.configured import read_config
from diffwin.process.weights import assembled, first_line, part_folder, quiet

LOADERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "stable": ("StableDiffusionPipeline", ("unet", "text_encoder")),
    "stable_xl": ("StableDiffusionXLPipeline", ("unet", "text_encoder", "text_encoder_2")),
    "stable_three": ("StableDiffusion3Pipeline", ("transformer", "text_encoder", "text_encoder_2")),
    "flux": ("FluxPipeline", ("transformer", "text_encoder")),
    "sana": ("SanaPipeline", ("transformer",)),
}
"""By adapter: the pipeline whose loader reads the LoRAs of a family, and the parts that they may change."""
_CURE = "give one made for this family and size of model"
_NETWORKS = ("unet", "transformer")

Read = tuple[dict[str, Any], dict[str, Any] | None, dict[str, Any] | None]
"""Tensors by name, the alphas and the configuration of a file, as far as it has them; names begin with their part's."""


def lay_loras(source: Source, adapter: str, part: str, module: Any) -> None:
    """Add a source's LoRAs, each at its scale, to the weights of one part of a model.

    BadInput for one that does not fit.
    """
    pipeline, scales = assembled(LOADERS[adapter][0], {part: module}), {}
    with quiet(), warnings.catch_warnings(action="ignore", category=UserWarning):
        for number, lora in enumerate(source.laid("lora")):
            if _load(source, pipeline, f"laid{number}", part, lora):
                scales[f"laid{number}"] = lora.asked.scale
        if scales:
            pipeline.set_adapters(list(scales), adapter_weights=list(scales.values()))
            pipeline.fuse_lora(components=[part], adapter_names=list(scales))
            pipeline.unload_lora_weights()


def check_lora(source: Source, adapter: str, lora: Laid) -> None:
    """BadInput for a LoRA with tensors of parts that its model does not have: it was made for another family."""
    with safe_open(lora.path, framework="pt") as file:
        scaled = any("dora_scale" in name for name in list(file.keys()))
    if scaled:  # the loaders leave them out, and say so in a warning alone
        what = f"{lora.asked.place} is a DoRA of a kind whose scales diffusers does not read"
        raise BadInput(what, where="--lora", cure="convert it to diffusers' layout, or give a plain LoRA")
    pipeline, parts = LOADERS[adapter]
    with quiet():
        tensors, _, _ = _read(source, assembled(pipeline, {}), lora)
    known = [name for name in tensors if name.split(".")[0] in parts]
    _check_count(len(known), len(tensors), f"the {len(tensors)} tensors", lora, source.name)


def _load(source: Source, pipeline: Any, name: str, part: str, lora: Laid) -> bool:
    """Put a LoRA's layers beside those of a part; False if it has none for it."""
    module = getattr(pipeline, part)
    tensors, alphas, config = _read(source, pipeline, lora)
    mine = [each for each in tensors if each.startswith(f"{part}.")]
    if not mine:
        return False
    given = {"network_alphas": alphas, "metadata": config, "adapter_name": name, "prefix": part}
    try:
        if part in _NETWORKS:
            module.load_lora_adapter(tensors, **given)
        else:
            pipeline.load_lora_into_text_encoder(tensors, text_encoder=module, **given)
    except Exception as error:  # the loaders of diffusers and peft raise whatever a strange file leads to
        raise _unfit(lora, source.name, error) from error
    laid = sum(f".{name}" in each for each, _ in module.named_parameters())
    _check_count(laid, len(mine), f"the {len(mine)} tensors for its {part}", lora, source.name)
    return True


def _read(source: Source, pipeline: Any, lora: Laid) -> Read:
    """A file, with the names that diffusers has for its tensors."""
    asked: dict[str, Any] = {"weight_name": lora.path.name, "use_safetensors": True, "local_files_only": True}
    if hasattr(pipeline, "unet"):
        asked["unet_config"] = _unet_config(source)
    if type(pipeline).__name__.startswith("Flux"):
        asked["return_alphas"] = True
    try:
        tensors, *rest = pipeline.lora_state_dict(str(lora.path.parent), return_lora_metadata=True, **asked)
    except Exception as error:  # as above
        raise _unfit(lora, source.name, error) from error
    alphas = rest[0] if len(rest) == 2 else None
    return tensors, alphas, rest[-1]


def _unet_config(source: Source) -> Any:
    from diffusers.configuration_utils import FrozenDict

    config = read_config(part_folder(source.folder, "unet") / "config.json")
    return FrozenDict({"layers_per_block": 2} | config)


def _check_count(laid: int, tensors: int, words: str, lora: Laid, name: str) -> None:
    if laid < tensors or not tensors:
        lost = f"only {laid}" if laid else "none"
        raise BadInput(f"{lost} of {words} of {lora.asked.place} fit {name}", where="--lora", cure=_CURE)


def _unfit(lora: Laid, name: str, error: Exception) -> BadInput:
    why = "its tensors have other sizes" if "size mismatch" in str(error) else first_line(error)[:160]
    return BadInput(f"{lora.asked.place} does not fit {name} ({why})", where="--lora", cure=_CURE)
