"""The families of trained models that diffwin reads, as data: what `diffwin list models` tells and loading goes by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Family:
    """One layout of diffusers, or several that one adapter reads."""

    kind: str
    """What a model.toml calls it."""
    adapter: str
    """The module of diffwin.process whose `load` reads it."""
    pipelines: tuple[str, ...]
    """The pipeline classes that a model_index.json may name."""
    reads: Literal["text", "class", "nothing"]
    title: str
    predicts: str
    schedule: str
    example: str
    """A hub id to begin with."""
    licence: str
    """That of the example; a model's own is recorded when it is loaded."""
    needs: str
    """Of a caller; and of memory, for the weights of the example: the most at once, and if all of it stays."""
    steps: int
    guidance: float
    solver: str = "ddpm"

    @property
    def told(self) -> str:
        """Three lines for people."""
        guided = f", guidance {self.guidance:g}" if self.guidance != 1 else ""
        return (
            f"{self.title}: predicts {self.predicts}; noise by {self.schedule}\n"
            f"{self.example}, {self.licence}\n"
            f"needs {self.needs}; unless told otherwise {self.steps} steps of {self.solver}{guided}"
        )

    @property
    def latent(self) -> bool:
        """Whether states are latents, and half precision saves much."""
        return self.kind != "ddpm"


FAMILIES = (
    Family(
        "stable-diffusion", "stable", ("StableDiffusionPipeline",), "text",
        "Stable Diffusion 1.x and 2.x", "epsilon or v", "betas, with or without zero terminal SNR",
        "stable-diffusion-v1-5/stable-diffusion-v1-5", "CreativeML Open RAIL-M",
        "a prompt, and 1.9 GB at once for weights in bfloat16, 2.1 in all",
        steps=50, guidance=7.5,
    ),
    Family(
        "stable-diffusion-xl", "stable_xl", ("StableDiffusionXLPipeline",), "text",
        "Stable Diffusion XL, without its refiner", "epsilon or v", "betas, or EDM's sigmas",
        "stabilityai/stable-diffusion-xl-base-1.0", "CreativeML Open RAIL++-M",
        "a prompt, and 5.3 GB at once for weights in bfloat16, 6.9 in all",
        steps=50, guidance=5.0,
    ),
    Family(
        "stable-diffusion-3", "stable_three", ("StableDiffusion3Pipeline",), "text",
        "Stable Diffusion 3 and 3.5", "flow", "shifted flow matching",
        "stabilityai/stable-diffusion-3.5-medium", "Stability AI Community",
        "a prompt, and 11.2 GB at once for weights in bfloat16, 15.8 in all",
        steps=28, guidance=7.0,
    ),
    Family(
        "flux", "flux", ("FluxPipeline",), "text",
        "Flux, dev and schnell", "flow", "flow matching, shifted by picture size",
        "black-forest-labs/FLUX.1-schnell", "Apache-2.0 (dev: non-commercial)",
        "a prompt, and 23.9 GB at once for weights in bfloat16, 33.7 in all",
        steps=28, guidance=3.5,
    ),
    Family(
        "pixart", "pixart", ("PixArtAlphaPipeline", "PixArtSigmaPipeline"), "text",
        "PixArt-Alpha and PixArt-Sigma", "epsilon", "betas",
        "PixArt-alpha/PixArt-Sigma-XL-2-512-MS", "Open RAIL++",
        "a prompt, and 9.5 GB at once for weights in bfloat16, 10.9 in all",
        steps=20, guidance=4.5,
    ),
    Family(
        "sana", "sana", ("SanaPipeline",), "text",
        "Sana and Sana 1.5", "flow", "shifted flow matching",
        "Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers", "NVIDIA NSCL v2, non-commercial, and Gemma's terms",
        "a prompt, and 5.2 GB at once for weights in bfloat16, 9.1 in all",
        steps=20, guidance=4.5,
    ),
    Family(
        "dit", "dit", ("DiTPipeline",), "class",
        "Diffusion transformers told an ImageNet class", "epsilon", "betas",
        "facebook/DiT-XL-2-256", "CC-BY-NC-4.0",
        "a class as its prompt, by name or number, and 1.7 GB for weights in bfloat16",
        steps=50, guidance=4.0,
    ),
    Family(
        "latent-consistency", "stable", ("LatentConsistencyModelPipeline",), "text",
        "Latent consistency models, distilled from Stable Diffusion", "epsilon", "betas, by the distilled steps",
        "SimianLuo/LCM_Dreamshaper_v7", "MIT",
        "a prompt, and 1.9 GB at once for weights in bfloat16, 2.1 in all",
        steps=4, guidance=8.5, solver="lcm",
    ),
    Family(
        "ddpm", "ddpm", ("DDPMPipeline", "DDIMPipeline", "PNDMPipeline", "ScoreSdeVePipeline"), "nothing",
        "Unconditional UNets in pixels", "epsilon, v, sample, score or EDM", "betas, EDM's sigmas or VE",
        "google/ddpm-cifar10-32", "Apache-2.0",
        "no prompt, and 0.14 GB for weights in float32",
        steps=100, guidance=1.0,
    ),
)  # fmt: skip

BY_KIND = {family.kind: family for family in FAMILIES}
BY_PIPELINE = {pipeline: family for family in FAMILIES for pipeline in family.pipelines}

PARTIAL = {
    "StableDiffusionXLImg2ImgPipeline": "a refiner only finishes pictures that the base model began: give that one",
}
"""Pipeline classes that look like a family's but hold only a part of a process, with what to do."""
