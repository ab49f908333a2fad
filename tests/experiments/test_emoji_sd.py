"""The parts that make and measure emoji-sd."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from emoji_autoencoder import build_autoencoder, normalise_latents, to_tensor
from emoji_data import World, load_world
from emoji_denoiser import LatentPool, build_scheduler, spread_timesteps
from emoji_nearest import NearestDrawing
from emoji_planted import BACKGROUNDS
from emoji_text import MAX_TOKENS, every_caption, train_tokenizer


@pytest.fixture(scope="module")
def world() -> World:
    return load_world()


def test_normalised_latents_have_unit_spread_and_the_same_pictures(world: World) -> None:
    torch.manual_seed(0)
    vae = build_autoencoder((8, 8, 16)).eval()
    pictures = to_tensor(world.examples(np.random.default_rng(0), 8)[0], torch.device("cpu"))
    with torch.no_grad():
        before = vae.decode(vae.encode(pictures).latent_dist.mean).sample
        normalise_latents(vae, pictures)
        latents = vae.encode(pictures).latent_dist
        after = vae.decode(latents.mean).sample
    torch.testing.assert_close(latents.mean.mean(dim=(0, 2, 3)), torch.zeros(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(latents.mean.std(dim=(0, 2, 3)), torch.ones(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)


def test_every_caption_fits_and_any_text_has_tokens(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(tmp_path)
    longest = max(every_caption(), key=len)
    assert len(tokenizer(longest).input_ids) == len(longest.replace("-", " - ").split()) + 2
    assert max(len(tokenizer(caption).input_ids) for caption in every_caption()) < MAX_TOKENS
    assert tokenizer.unk_token_id not in tokenizer("zebra Äß 日本!").input_ids[1:-1]
    assert len(tokenizer("a cook", padding="max_length").input_ids) == MAX_TOKENS


def test_the_noisiest_level_forgets() -> None:
    product = build_scheduler().alphas_cumprod[-1]
    assert float(torch.log(product / (1 - product))) < -8


def test_timesteps_are_spread_over_the_schedule() -> None:
    timesteps = spread_timesteps(np.random.default_rng(0), 8).numpy()
    np.testing.assert_array_equal(timesteps // 125, np.arange(8))


def test_the_pool_is_addressed_as_the_stream() -> None:
    drawings = torch.arange(300 * 8 * 2.0).reshape(300, 8, 2, 1, 1, 1).expand(-1, -1, -1, 4, 16, 16)
    pool = LatentPool(drawings, -torch.ones(8, 4, 16, 16))
    picked = pool.pick(np.array([3, 302]), np.array([5, 0]), np.random.default_rng(0))[:, 0, 0, 0]
    assert picked[0] in (3 * 16 + 5 * 2, 3 * 16 + 5 * 2 + 1)
    assert picked[1] == -1


def test_the_nearest_drawing_names_what_was_drawn(world: World) -> None:
    rng = np.random.default_rng(1)
    drawings, backgrounds = rng.integers(300, size=12), rng.integers(8, size=12)
    pictures = np.stack([world.image(int(d), int(b), rng) for d, b in zip(drawings, backgrounds, strict=True)])
    read = NearestDrawing(world).read(pictures)
    np.testing.assert_array_equal(read["background"], np.array(list(BACKGROUNDS))[backgrounds])
    np.testing.assert_array_equal(read["occupation"], world.occupation[drawings])
    np.testing.assert_array_equal(read["skin-tone"], world.tone[drawings])
