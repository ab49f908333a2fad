"""Random pipelines of a few thousand parameters, in the layouts of real ones: `build(kind, ...)`, then save_pretrained.

No picture of theirs means anything; what diffwin makes of them must equal what diffusers makes of them.
"""

from __future__ import annotations

import json
import string
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

WORDS = 16
"""Tokens that the CLIP encoders read."""
STABLE = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}


def build(kind: str, **given: Any) -> Any:
    """A pipeline of a family; `given` goes to its builder: `scheduler`, and what tells its variants apart."""
    torch.manual_seed(0)
    return BUILDERS[kind](**given)


def save(kind: str, folder: Path, **given: Any) -> Path:
    """The same, saved in a folder, which is returned."""
    build(kind, **given).save_pretrained(folder)
    return folder


def letters_tokenizer() -> Any:
    """A CLIP tokenizer that spells: one token a letter, and the pair "co" as one."""
    from transformers import CLIPTokenizer

    letters = list(string.ascii_lowercase)
    tokens = [*letters, *(letter + "</w>" for letter in letters), "co", "<|startoftext|>", "<|endoftext|>"]
    with tempfile.TemporaryDirectory() as place:
        vocabulary, merges = Path(place) / "vocab.json", Path(place) / "merges.txt"
        vocabulary.write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
        merges.write_text("#version: 0.2\nc o\n")
        return CLIPTokenizer(str(vocabulary), str(merges), model_max_length=WORDS)


def t5_tokenizer() -> Any:
    """A T5 tokenizer that spells."""
    from transformers import T5Tokenizer

    pieces = ["<pad>", "</s>", "<unk>", "▁", *string.ascii_lowercase]
    return T5Tokenizer(vocab=[(piece, -1.0) for piece in pieces], extra_ids=0, model_max_length=512)


def clip_encoder(words: int, *, projected: bool = False) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=words,
        hidden_size=16,
        intermediate_size=32,
        projection_dim=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=WORDS,
        bos_token_id=words - 2,
        eos_token_id=words - 1,
        pad_token_id=words - 1,
    )
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config).eval()


def t5_encoder(words: int) -> Any:
    from transformers import T5Config, T5EncoderModel

    config = T5Config(vocab_size=words, d_model=32, d_kv=8, d_ff=32, num_layers=2, num_heads=2)
    return T5EncoderModel(config).eval()


def autoencoder(**given: Any) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=16,
        **given,
    ).eval()


def conditional_unet(width: int = 16, **given: Any) -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=(8, 16),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=4,
        cross_attention_dim=width,
        **given,
    ).eval()


def _stable(scheduler: Any = None, **unet: Any) -> Any:
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    tokenizer = letters_tokenizer()
    return StableDiffusionPipeline(
        vae=autoencoder(),
        text_encoder=clip_encoder(len(tokenizer)),
        tokenizer=tokenizer,
        unet=conditional_unet(**unet),
        scheduler=scheduler or DDIMScheduler(**STABLE, steps_offset=1, clip_sample=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _latent_consistency(scheduler: Any = None) -> Any:
    from diffusers import LatentConsistencyModelPipeline, LCMScheduler

    tokenizer = letters_tokenizer()
    return LatentConsistencyModelPipeline(
        vae=autoencoder(),
        text_encoder=clip_encoder(len(tokenizer)),
        tokenizer=tokenizer,
        unet=conditional_unet(time_cond_proj_dim=8),
        scheduler=scheduler or LCMScheduler(**STABLE),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _stable_xl(scheduler: Any = None, blank: bool = True, **vae: Any) -> Any:
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline

    tokenizer = letters_tokenizer()
    unet = conditional_unet(
        32,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=16 + 6 * 8,
        use_linear_projection=True,
    )
    return StableDiffusionXLPipeline(
        vae=autoencoder(**vae),
        text_encoder=clip_encoder(len(tokenizer)),
        text_encoder_2=clip_encoder(len(tokenizer), projected=True),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=unet,
        scheduler=scheduler or EulerDiscreteScheduler(**STABLE, steps_offset=1, timestep_spacing="leading"),
        force_zeros_for_empty_prompt=blank,
        add_watermarker=False,
    )


def _stable_three(scheduler: Any = None, t5: bool = True) -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline

    tokenizer, spelling = letters_tokenizer(), t5_tokenizer()
    transformer = SD3Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=32,
        caption_projection_dim=16,
        pooled_projection_dim=32,
        pos_embed_max_size=8,
        qk_norm="rms_norm",
        dual_attention_layers=(0,),
    ).eval()
    return StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=scheduler or FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=autoencoder(shift_factor=0.06, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=clip_encoder(len(tokenizer), projected=True),
        tokenizer=tokenizer,
        text_encoder_2=clip_encoder(len(tokenizer), projected=True),
        tokenizer_2=tokenizer,
        text_encoder_3=t5_encoder(len(spelling)) if t5 else None,
        tokenizer_3=spelling if t5 else None,
    )


def _flux(scheduler: Any = None, guided: bool = True) -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel

    tokenizer, spelling = letters_tokenizer(), t5_tokenizer()
    transformer = FluxTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=16,
        guidance_embeds=guided,
        axes_dims_rope=(2, 2, 4),
    ).eval()
    return FluxPipeline(
        transformer=transformer,
        scheduler=scheduler or FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
        vae=autoencoder(shift_factor=0.1, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=clip_encoder(len(tokenizer)),
        tokenizer=tokenizer,
        text_encoder_2=t5_encoder(len(spelling)),
        tokenizer_2=spelling,
    )


def _pixart(scheduler: Any = None, alpha: bool = False) -> Any:
    from diffusers import (
        DPMSolverMultistepScheduler,
        PixArtAlphaPipeline,
        PixArtSigmaPipeline,
        PixArtTransformer2DModel,
    )

    spelling = t5_tokenizer()
    transformer = PixArtTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=8,
        in_channels=4,
        out_channels=8,
        num_layers=2,
        cross_attention_dim=16,
        sample_size=8,
        caption_channels=32,
        use_additional_conditions=False,
    ).eval()
    return (PixArtAlphaPipeline if alpha else PixArtSigmaPipeline)(
        tokenizer=spelling,
        text_encoder=t5_encoder(len(spelling)),
        vae=autoencoder(),
        transformer=transformer,
        scheduler=scheduler or DPMSolverMultistepScheduler(),
    )


def gemma_tokenizer() -> Any:
    """A Gemma tokenizer that spells, from the mark of the beginning on."""
    from tokenizers.processors import TemplateProcessing
    from transformers import GemmaTokenizer

    known = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", *string.ascii_lowercase]
    made = GemmaTokenizer(vocab={piece: number for number, piece in enumerate(known)}, model_max_length=4096)
    made.backend_tokenizer.post_processor = TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 2)])
    return made


def deep_autoencoder() -> Any:
    from diffusers import AutoencoderDC

    return AutoencoderDC(
        latent_channels=4,
        attention_head_dim=4,
        encoder_block_types=("ResBlock", "ResBlock", "EfficientViTBlock"),
        decoder_block_types=("ResBlock", "ResBlock", "EfficientViTBlock"),
        encoder_block_out_channels=(8, 8, 8),
        decoder_block_out_channels=(8, 8, 8),
        encoder_layers_per_block=(1, 1, 1),
        decoder_layers_per_block=(1, 1, 1),
        encoder_qkv_multiscales=((), (), (5,)),
        decoder_qkv_multiscales=((), (), (5,)),
        downsample_block_type="conv",
        upsample_block_type="interpolate",
        scaling_factor=0.41407,
    ).eval()


def _sana(scheduler: Any = None) -> Any:
    from diffusers import DPMSolverMultistepScheduler, SanaPipeline, SanaTransformer2DModel
    from transformers import Gemma2Config, Gemma2Model

    spelling = gemma_tokenizer()
    config = Gemma2Config(
        vocab_size=len(spelling),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        max_position_embeddings=4096,
    )
    transformer = SanaTransformer2DModel(
        in_channels=4,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=2,
        num_cross_attention_heads=2,
        cross_attention_head_dim=8,
        cross_attention_dim=16,
        caption_channels=16,
        sample_size=8,
    ).eval()
    flow = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 3.0}
    return SanaPipeline(
        tokenizer=spelling,
        text_encoder=Gemma2Model(config).eval(),
        vae=deep_autoencoder(),
        transformer=transformer,
        scheduler=scheduler or DPMSolverMultistepScheduler(**flow),
    )


def _dit(scheduler: Any = None, labels: dict[int, str] | None = None) -> Any:
    from diffusers import DDIMScheduler, DiTPipeline, DiTTransformer2DModel

    transformer = DiTTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=8,
        in_channels=4,
        out_channels=8,
        num_layers=2,
        sample_size=8,
        num_embeds_ada_norm=1000,
    ).eval()
    named = {0: "tench, Tinca tinca", 1: "goldfish", 7: "cock"} if labels is None else labels
    made = DiTPipeline(
        transformer=transformer,
        vae=autoencoder(),
        scheduler=scheduler or DDIMScheduler(clip_sample=False),
        id2label=named,
    )
    made.register_to_config(id2label={str(key): name for key, name in named.items()})
    return made


def pixel_unet(channels: int = 3, out_channels: int | None = None, **given: Any) -> Any:
    from diffusers import UNet2DModel

    return UNet2DModel(
        sample_size=8,
        in_channels=channels,
        out_channels=out_channels or channels,
        block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=8,
        **given,
    ).eval()


def _ddpm(scheduler: Any = None, **unet: Any) -> Any:
    from diffusers import DDPMPipeline, DDPMScheduler

    return DDPMPipeline(pixel_unet(**unet), scheduler or DDPMScheduler())


def _score(scheduler: Any = None) -> Any:
    from diffusers import ScoreSdeVePipeline, ScoreSdeVeScheduler

    unet = pixel_unet(time_embedding_type="fourier", freq_shift=0, flip_sin_to_cos=False)
    return ScoreSdeVePipeline(unet, scheduler or ScoreSdeVeScheduler(sigma_max=50.0, correct_steps=0))


BUILDERS: dict[str, Callable[..., Any]] = {
    "stable-diffusion": _stable,
    "latent-consistency": _latent_consistency,
    "stable-diffusion-xl": _stable_xl,
    "stable-diffusion-3": _stable_three,
    "flux": _flux,
    "pixart": _pixart,
    "sana": _sana,
    "dit": _dit,
    "ddpm": _ddpm,
    "score": _score,
}
