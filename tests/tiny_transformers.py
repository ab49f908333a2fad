"""Tiny random models of transformers that compare pictures with words or answer questions, saved as on the hub."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import torch
import transformers as hf

from tiny_pipelines import letters_tokenizer

SIZE = 32
"""Pixels a side that the models see; pictures of other sizes are resized."""
WORDS = (
    "a an the of in or is it this person picture cook woman man indoors outdoors inside young old glad sad happy photo"
)
VISION: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": SIZE,
    "patch_size": 8,
    "initializer_range": 0.5,
}
TEXT: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "initializer_range": 0.5,
}
ANSWERS = ["yes", "no", "indoors", "outdoors", "inside", "glad", "sad"]


def save_zero_shot(kind: str, folder: Path) -> Path:
    """A model of a kind that the zero-shot-image-classification pipeline reads."""
    torch.manual_seed(1)
    model, tokenizer, processor = _ZERO_SHOT[kind]()
    return _save(_spread(model), tokenizer, processor, folder)


def save_answerer(kind: str, folder: Path) -> Path:
    """A blip or a vilt that answers questions."""
    torch.manual_seed(2)
    model, tokenizer, processor = _ANSWERERS[kind]()
    return _save(_spread(model), tokenizer, processor, folder)


def _save(model: Any, tokenizer: Any, processor: Any, folder: Path) -> Path:
    for part in (model, tokenizer, processor):
        part.save_pretrained(folder)
    return folder


def _spread(model: Any) -> Any:
    """Projections and heads wide enough for readings that differ from picture to picture."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1 and "embedding" not in name:
                weight.normal_(0, 0.5)
        for name, value in (("logit_scale", 2.0), ("logit_bias", -1.5), ("temperature", 0.2)):
            if hasattr(model, name):
                getattr(model, name).fill_(value)
    return model


def bert_tokenizer() -> Any:
    """Whole words, and letters for the rest."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [*string.ascii_lowercase, *(f"##{letter}" for letter in string.ascii_lowercase), "?", "."]
    vocabulary = {word: i for i, word in enumerate(dict.fromkeys([*special, *letters, *WORDS.split()]))}
    return hf.BertTokenizer(vocab=vocabulary)


def _words_tokenizer(most: int) -> Any:
    """Whole words of a table, as a tokenizer that belongs to no model; texts end in </s>."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing

    table = {word: i for i, word in enumerate(["<pad>", "</s>", "<unk>", *WORDS.split()])}
    made = Tokenizer(WordLevel(table, unk_token="<unk>"))
    made.pre_tokenizer = Whitespace()
    made.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=most,
        model_input_names=["input_ids"],
    )


def _clip() -> tuple[Any, Any, Any]:
    tokenizer = letters_tokenizer()
    tokenizer.model_max_length = 77
    text = {**TEXT, "vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id}
    config = hf.CLIPConfig(text_config=text, vision_config=VISION, projection_dim=8)
    edges = {"size": {"shortest_edge": SIZE}, "crop_size": {"height": SIZE, "width": SIZE}}
    return hf.CLIPModel(config), tokenizer, hf.CLIPImageProcessor(**edges)


def _clipseg() -> tuple[Any, Any, Any]:
    model, tokenizer, processor = _clip()
    text = model.config.text_config.to_dict()
    return hf.CLIPSegModel(hf.CLIPSegConfig(text_config=text, vision_config=VISION)), tokenizer, processor


def _metaclip2() -> tuple[Any, Any, Any]:
    tokenizer = _words_tokenizer(32)
    ends = {"eos_token_id": tokenizer.eos_token_id, "bos_token_id": 0, "max_position_embeddings": 32}
    text = {**TEXT, **ends, "vocab_size": len(tokenizer)}
    config = hf.MetaClip2Config(text_config=text, vision_config=VISION, projection_dim=8)
    return hf.MetaClip2Model(config), tokenizer, _clip()[2]


def _altclip() -> tuple[Any, Any, Any]:
    tokenizer = _words_tokenizer(32)
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    text = {**TEXT, "vocab_size": len(tokenizer), "pad_token_id": 0, "project_dim": 16, "max_position_embeddings": 40}
    config = hf.AltCLIPConfig(text_config=text, vision_config=VISION, projection_dim=8)
    return hf.AltCLIPModel(config), tokenizer, _clip()[2]


def _siglip() -> tuple[Any, Any, Any]:
    tokenizer = _words_tokenizer(64)
    text = {**TEXT, "vocab_size": len(tokenizer), "max_position_embeddings": 64, "projection_size": 16}
    config = hf.SiglipConfig(text_config=text, vision_config=VISION)
    return hf.SiglipModel(config), tokenizer, hf.SiglipImageProcessor(size={"height": SIZE, "width": SIZE})


def _siglip2() -> tuple[Any, Any, Any]:
    """One that keeps the shape of a picture and says which patches are padding."""
    tokenizer = _words_tokenizer(64)
    text = {**TEXT, "vocab_size": len(tokenizer), "max_position_embeddings": 64, "projection_size": 16}
    vision = {**{k: v for k, v in VISION.items() if k != "image_size"}, "num_patches": 16}
    config = hf.Siglip2Config(text_config=text, vision_config=vision)
    return hf.Siglip2Model(config), tokenizer, hf.Siglip2ImageProcessor(patch_size=8, max_num_patches=16)


def _align() -> tuple[Any, Any, Any]:
    tokenizer = bert_tokenizer()
    text = {**TEXT, "vocab_size": len(tokenizer)}
    vision = {
        "image_size": SIZE, "width_coefficient": 0.2, "depth_coefficient": 0.2, "hidden_dim": 16,
        "kernel_sizes": [3], "in_channels": [32], "out_channels": [16], "strides": [1],
        "num_block_repeats": [1], "expand_ratios": [1], "depthwise_padding": [],
    }  # fmt: skip
    config = hf.AlignConfig(text_config=text, vision_config=vision, projection_dim=8)
    processor = hf.EfficientNetImageProcessor(size={"height": SIZE, "width": SIZE}, do_center_crop=False)
    return hf.AlignModel(config), tokenizer, processor


def _chinese_clip() -> tuple[Any, Any, Any]:
    tokenizer = bert_tokenizer()
    text = {**TEXT, "vocab_size": len(tokenizer)}
    config = hf.ChineseCLIPConfig(text_config=text, vision_config=VISION, projection_dim=8)
    edges = {"size": {"shortest_edge": SIZE}, "crop_size": {"height": SIZE, "width": SIZE}}
    return hf.ChineseCLIPModel(config), tokenizer, hf.ChineseCLIPImageProcessor(**edges)


def _blip() -> tuple[Any, Any, Any]:
    tokenizer = _blip_tokenizer()
    config = hf.BlipConfig(text_config=_blip_text(tokenizer), vision_config=VISION, projection_dim=8)
    return hf.BlipModel(config), tokenizer, hf.BlipImageProcessor(size={"height": SIZE, "width": SIZE})


def _blip2() -> tuple[Any, Any, Any]:
    """One that compares a text with several embeddings of a picture."""
    tokenizer = _words_tokenizer(32)
    former = {**TEXT, "vocab_size": len(tokenizer), "encoder_hidden_size": 16, "use_qformer_text_input": True}
    opt = {
        "model_type": "opt", "vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "ffn_dim": 16, "word_embed_proj_dim": 16, "max_position_embeddings": 32,
    }  # fmt: skip
    config = hf.Blip2Config(
        vision_config=VISION, qformer_config=former, text_config=opt, num_query_tokens=2, image_text_hidden_size=8
    )
    model = hf.Blip2ForImageTextRetrieval(config)
    return model, tokenizer, hf.BlipImageProcessor(size={"height": SIZE, "width": SIZE})


def _blip_answerer() -> tuple[Any, Any, Any]:
    tokenizer = _blip_tokenizer()
    config = hf.BlipConfig(text_config=_blip_text(tokenizer), vision_config=VISION)
    model = hf.BlipForQuestionAnswering(config)
    return model, tokenizer, hf.BlipImageProcessor(size={"height": SIZE, "width": SIZE})


def _blip_tokenizer() -> Any:
    tokenizer = bert_tokenizer()
    tokenizer.add_special_tokens({"bos_token": "[DEC]"})
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    return tokenizer


def _blip_text(tokenizer: Any) -> dict[str, Any]:
    tokens = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": 3, "pad_token_id": 0, "sep_token_id": 3}
    sizes = {"vocab_size": len(tokenizer), "encoder_hidden_size": 16, "max_position_embeddings": 32}
    return TEXT | tokens | sizes


def _vilt_answerer() -> tuple[Any, Any, Any]:
    tokenizer = bert_tokenizer()
    shape = {**TEXT, "image_size": SIZE, "patch_size": 8, "vocab_size": len(tokenizer), "max_position_embeddings": 32}
    config = hf.ViltConfig(**shape, id2label=dict(enumerate(ANSWERS)))
    processor = hf.ViltImageProcessor(size={"shortest_edge": SIZE}, size_divisor=8)
    return hf.ViltForQuestionAnswering(config), tokenizer, processor


_ZERO_SHOT = {
    "clip": _clip,
    "clipseg": _clipseg,
    "metaclip_2": _metaclip2,
    "altclip": _altclip,
    "siglip": _siglip,
    "siglip2": _siglip2,
    "align": _align,
    "chinese_clip": _chinese_clip,
    "blip": _blip,
    "blip-2": _blip2,
}
_ANSWERERS = {"blip": _blip_answerer, "vilt": _vilt_answerer}
ZERO_SHOT = tuple(kind for kind in _ZERO_SHOT if kind != "blip-2")
"""Those whose score is a scaled cosine."""
