"""What one model of each family takes of memory, from the published configurations of its parts.

    python experiments/family_memory.py --out docs

Builds every part of a model on torch's meta device, where it has shapes but no numbers, and counts them as diffwin does
before it loads a model. Writes memory.md. --quick leaves the largest models out.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch

from cards import table
from diffwin.families import BY_KIND
from diffwin.process.footprint import Footprint, weigh

CLIP_L = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
CLIP_G = {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 20}
XL = {
    "sample_size": 128,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
    "use_linear_projection": True,
}
SD35_MEDIUM = {
    "sample_size": 128,
    "num_layers": 24,
    "num_attention_heads": 24,
    "joint_attention_dim": 4096,
    "caption_projection_dim": 1536,
    "pooled_projection_dim": 2048,
    "pos_embed_max_size": 384,
    "qk_norm": "rms_norm",
    "dual_attention_layers": tuple(range(13)),
}
CIFAR = {
    "sample_size": 32,
    "block_out_channels": (128, 256, 256, 256),
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    "attention_head_dim": None,
    "downsample_padding": 0,
}
DEEP = {
    "encoder_block_types": ("ResBlock",) * 3 + ("EfficientViTBlock",) * 3,
    "decoder_block_types": ("ResBlock",) * 3 + ("EfficientViTBlock",) * 3,
    "downsample_block_type": "conv",
    "upsample_block_type": "interpolate",
}


def of_diffusers(name: str, **config: Any) -> Any:
    """A part of diffusers; what a real model's configuration leaves at its default is left out here, too."""
    import diffusers

    return getattr(diffusers, name)(**config)


def of_transformers(name: str, kind: str, **config: Any) -> Any:
    import transformers

    return getattr(transformers, name)(getattr(transformers, kind)(**config))


def autoencoder(channels: int = 4) -> Any:
    """Stable Diffusion's, and that of 16 channels which Stable Diffusion 3 and Flux have."""
    blocks = (128, 256, 512, 512)
    quant = {"use_quant_conv": channels == 4, "use_post_quant_conv": channels == 4}
    down, up = ("DownEncoderBlock2D",) * len(blocks), ("UpDecoderBlock2D",) * len(blocks)
    return of_diffusers(
        "AutoencoderKL",
        block_out_channels=blocks,
        down_block_types=down,
        up_block_types=up,
        layers_per_block=2,
        latent_channels=channels,
        **quant,
    )


Part = Callable[[], Any]
clip_l: Part = partial(of_transformers, "CLIPTextModel", "CLIPTextConfig", **CLIP_L)
clip_l_projected: Part = partial(
    of_transformers, "CLIPTextModelWithProjection", "CLIPTextConfig", projection_dim=768, **CLIP_L
)
clip_g: Part = partial(of_transformers, "CLIPTextModelWithProjection", "CLIPTextConfig", projection_dim=1280, **CLIP_G)
t5_xxl: Part = partial(
    of_transformers, "T5EncoderModel", "T5Config", d_model=4096, d_kv=64, d_ff=10240, num_layers=24, num_heads=64,
    feed_forward_proj="gated-gelu",
)  # fmt: skip


@dataclass(frozen=True)
class Model:
    """The parts of a family's example, by the folders that they have; `side` is that of its picture in pixels."""

    kind: str
    parts: Mapping[str, Part] = field(default_factory=dict)
    side: int = 512

    @property
    def large(self) -> bool:
        return t5_xxl in self.parts.values()

    @property
    def dtype(self) -> torch.dtype:
        """What `auto` is on a CUDA device."""
        return torch.bfloat16 if BY_KIND[self.kind].latent else torch.float32


MODELS = (
    Model("stable-diffusion", {
        "unet": partial(of_diffusers, "UNet2DConditionModel", sample_size=64, cross_attention_dim=768),
        "vae": autoencoder, "text_encoder": clip_l,
    }),
    Model("stable-diffusion-xl", {
        "unet": partial(of_diffusers, "UNet2DConditionModel", **XL),
        "vae": autoencoder, "text_encoder": clip_l, "text_encoder_2": clip_g,
    }, side=1024),
    Model("stable-diffusion-3", {
        "transformer": partial(of_diffusers, "SD3Transformer2DModel", **SD35_MEDIUM),
        "vae": partial(autoencoder, 16),
        "text_encoder": clip_l_projected, "text_encoder_2": clip_g, "text_encoder_3": t5_xxl,
    }, side=1024),
    Model("flux", {
        "transformer": partial(of_diffusers, "FluxTransformer2DModel"),
        "vae": partial(autoencoder, 16), "text_encoder": clip_l, "text_encoder_2": t5_xxl,
    }, side=1024),
    Model("pixart", {
        "transformer": partial(of_diffusers, "PixArtTransformer2DModel", sample_size=64, caption_channels=4096),
        "vae": autoencoder, "text_encoder": t5_xxl,
    }),
    Model("sana", {
        "transformer": partial(of_diffusers, "SanaTransformer2DModel"),
        "vae": partial(of_diffusers, "AutoencoderDC", **DEEP),
        "text_encoder": partial(of_transformers, "Gemma2Model", "Gemma2Config"),
    }, side=1024),
    Model("dit", {
        "transformer": partial(of_diffusers, "DiTTransformer2DModel", out_channels=8, num_embeds_ada_norm=1000),
        "vae": autoencoder,
    }, side=256),
    Model("latent-consistency", {
        "unet": partial(
            of_diffusers, "UNet2DConditionModel", sample_size=96, cross_attention_dim=768, time_cond_proj_dim=256
        ),
        "vae": autoencoder, "text_encoder": clip_l,
    }, side=768),
    Model("ddpm", {"unet": partial(of_diffusers, "UNet2DModel", **CIFAR)}, side=32),
)  # fmt: skip
BY_FAMILY = {model.kind: model for model in MODELS}


@cache
def numbers(part: Part) -> int:
    """How many a part's weights are; a tensor that has two names is one."""
    with torch.device("meta"):
        return sum(each.numel() for each in part().parameters())


def footprint(model: Model) -> Footprint:
    """As diffwin counts it, in the dtype that `auto` is on a CUDA device."""
    files = {f"{name}/weights": [("F32", numbers(part))] for name, part in model.parts.items()}
    config = {"block_out_channels": (128, 256, 512, 512)} if "vae" in model.parts else {}
    return weigh(files, model.dtype, config, model.side**2)


PAGE = """# Memory

## What a model takes

Weights of one model of each family, counted from the configurations of its parts; in bfloat16, but for `ddpm`, which
is read into float32. Text encoders are read first, and let go once all prompts of a command are embedded, before the
network is read: the most that is in memory together is either all of them, or the rest.

Made by

    python experiments/family_memory.py --out docs

{table}

"At once" is for weights alone. Decoding one picture takes at least the next column, at the size named; the network's
own intermediate results come on top, and with them the number of rows that go through it together.

## What is done about it

- **Refused early.** Before weights are read, and for a model on the hub before they are downloaded, the shapes and
  dtypes in the headers of its files tell what it takes at once, with one picture decoded. A device that has less is
  refused in one line, with what it has: free memory of a CUDA device; on the CPU, what the system has available, or
  what a container or batch job may use (control groups, versions 1 and 2). It is a lower bound.
- **Text encoders let go.** `probe`, `audit`, `intervene` and `privacy` know their prompts beforehand. In Python, name
  them: `load(..., prompts=[...])`. A prompt that comes later loads the encoders again; without `prompts`, they stay.
- **A dtype for each part.** `--dtype` is the network's and the text encoders'; `auto` is bfloat16 on a CUDA device and
  float32 elsewhere. An autoencoder that says it overflows in float16 (`force_upcast`, as Stable Diffusion XL's) is read
  in float32 beside a float16 network; T5 keeps the products that overflow in float32, as in the official pipelines.
  Weights are read straight into their dtype. What was used stands in the report, under "model dtypes".
- **Rows in portions.** On a CUDA device a first small call is measured, and as many rows go through the network
  together as memory holds, up to `--slots`. A call that runs out of memory is made again in halves, anywhere, to the
  same numbers.
- **Pictures in portions.** The autoencoder decodes at most as many pixels at a time as eight pictures of 512x512 have
  (two of 1024x1024), and fewer where memory runs out. It slices by pictures, and never tiles one picture: blended tiles
  are other pixels, so what a probe reads would depend on how much memory was free.
"""


def row(model: Model) -> tuple[str, ...]:
    family, found = BY_KIND[model.kind], footprint(model)
    sizes = (found.encoders, found.network, found.autoencoder)
    weights = Footprint(*sizes)
    told = (*sizes, weights.at_once(encoders_first=False), weights.at_once(encoders_first=True), found.picture)
    picture = f"{model.side}x{model.side}"
    return (f"`{family.kind}`", family.example, *(gigabytes(size) for size in told), picture if found.picture else "")


def gigabytes(size: int) -> str:
    return f"{size / 1e9:.2f}" if size else "–"


HEAD = ("family", "model", "text encoders (GB)", "network", "autoencoder", "all", "at once", "decoding", "a picture of")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--quick", action="store_true", help="leave the models with T5 out")
    arguments = parser.parse_args()
    rows = [row(model) for model in MODELS if not (arguments.quick and model.large)]
    for each in rows:
        print(*each)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "memory.md").write_text(PAGE.format(table=table(HEAD, rows)), "utf-8")


if __name__ == "__main__":
    main()
