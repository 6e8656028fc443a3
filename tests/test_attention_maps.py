"""Cross-attention maps, on the tiny random pipeline."""

import functools

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.sampling.attention import Attention, heat_map, token_places, watch_attention

PROMPT = "a fox"
STEPS = 2


def draw(pipe, guidance_scale=5.0, prompt=PROMPT, **size):
    settings = {"num_inference_steps": STEPS, "guidance_scale": guidance_scale, **size}
    return pipe(prompt, generator=torch.Generator().manual_seed(0), **settings).images[0]


@pytest.fixture
def attention(tiny_pipe):
    with watch_attention(tiny_pipe) as attention:
        draw(tiny_pipe)
    return attention


def test_watching_changes_no_pixel_and_leaves_nothing_behind(tiny_pipe):
    plain = draw(tiny_pipe)
    before = tiny_pipe.unet.attn_processors
    with watch_attention(tiny_pipe):
        watched = draw(tiny_pipe)
    assert np.array_equal(np.asarray(plain), np.asarray(watched))
    assert tiny_pipe.unet.attn_processors == before


def test_every_layer_and_call_is_recorded(tiny_pipe, attention):
    layers = sum(".attn2." in name for name in tiny_pipe.unet.attn_processors)
    calls = STEPS + 1  # PNDM looks twice in its first step
    assert len(attention.maps) == layers * calls
    tokens = tiny_pipe.tokenizer.model_max_length
    assert attention.of_tokens().shape == (tokens, 16, 16)


def test_each_place_shares_out_all_its_attention(attention):
    for shares in attention.maps:
        torch.testing.assert_close(shares.sum(0), torch.ones(shares.shape[1:]))


@pytest.mark.parametrize(("height", "width"), [(32, 64), (64, 32), (48, 48), (16, 32)])
def test_a_picture_of_another_size_has_maps_of_its_shape(tiny_pipe, height, width):
    with watch_attention(tiny_pipe) as attention:
        draw(tiny_pipe, height=height, width=width)
    tokens, scale = tiny_pipe.tokenizer.model_max_length, tiny_pipe.vae_scale_factor
    assert attention.of_tokens().shape == (tokens, height // scale, width // scale)
    for shares in attention.maps:
        assert shares.shape[1] * width == shares.shape[2] * height
        torch.testing.assert_close(shares.sum(0), torch.ones(shares.shape[1:]))


def test_the_shares_are_the_softmax_of_query_and_key(tiny_pipe):
    layer = tiny_pipe.unet.down_blocks[0].attentions[0].transformer_blocks[0].attn2
    encoder_hidden_states = torch.randn(1, 32, 32, generator=torch.Generator().manual_seed(0))
    hidden = torch.randn(1, 256, 16, generator=torch.Generator().manual_seed(1))
    draw(tiny_pipe, guidance_scale=1.0)  # so that the pipeline knows of no guidance
    with watch_attention(tiny_pipe) as attention:
        layer(hidden, encoder_hidden_states=encoder_hidden_states)
    query, key = (
        projected.unflatten(-1, (layer.heads, -1)).transpose(1, 2)
        for projected in (layer.to_q(hidden), layer.to_k(encoder_hidden_states))
    )
    expected = (query @ key.mT / query.shape[-1] ** 0.5).softmax(-1).mean(1)[0]
    torch.testing.assert_close(attention.maps[0].flatten(1).T, expected)


def test_only_the_half_that_is_told_the_prompt_is_recorded(tiny_pipe):
    maps = []
    for prompt in (PROMPT, "owl"):
        with watch_attention(tiny_pipe) as attention:
            draw(tiny_pipe, prompt=prompt)
        maps.append(attention.maps)
    assert not torch.allclose(maps[0][0], maps[1][0])  # the same latents: only the words differ
    with watch_attention(tiny_pipe) as alone:
        draw(tiny_pipe, guidance_scale=1.0, prompt="owl")
    layers = sum(".attn2." in name for name in tiny_pipe.unet.attn_processors)
    for layer in range(layers):  # of the first call; after one layer the two halves differ
        torch.testing.assert_close(alone.maps[layer], maps[1][layer])


def test_several_images_are_refused(tiny_pipe):
    before = tiny_pipe.unet.attn_processors
    with pytest.raises(ValueError, match="a batch of 2 images"), watch_attention(tiny_pipe):
        tiny_pipe([PROMPT] * 2, num_inference_steps=1)
    assert tiny_pipe.unet.attn_processors == before


def test_a_word_has_its_tokens(tiny_pipe):
    # The tiny tokenizer has a token a letter, and another one for the last letter of a word.
    places = functools.partial(token_places, tiny_pipe.tokenizer)
    assert places("a fox", "fox") == [2, 3, 4]
    assert places("a fox", "a fox") == [1, 2, 3, 4]
    assert places("an owl, an OWL", "owl") == [3, 4, 5, 9, 10, 11]


def test_a_word_gets_the_map_of_its_tokens(tiny_pipe):
    shares = torch.full((32, 4, 4), 0.25)
    shares[2:5, 1, 3] = 1.0  # "fox"
    shares[2, 3, 0] = 1.0  # its first letter alone
    shares[1, 0, 0] = 1.0  # "a"
    heat = Attention(tiny_pipe.tokenizer, [shares]).of_word("a fox", "fox")
    expected = torch.zeros(4, 4)
    expected[1, 3], expected[3, 0] = 1, 1 / 3
    torch.testing.assert_close(heat, expected)


def test_maps_of_all_calls_and_sizes_have_one_mean(tiny_pipe):
    maps = [torch.zeros(32, 2, 2), torch.zeros(32, 4, 4), torch.ones(32, 2, 2)]
    mean = Attention(tiny_pipe.tokenizer, maps).of_tokens()
    torch.testing.assert_close(mean, torch.full((32, 4, 4), 1 / 3))


@pytest.mark.parametrize("word", ["owl", "fo", ""])
def test_a_word_that_is_not_there_is_named(attention, word):
    with pytest.raises(LookupError, match=f"'a fox'; got '{word}'"):
        attention.of_word("a fox", word)


def test_nothing_recorded_is_said(tiny_pipe):
    with pytest.raises(ValueError, match="inside the `with` block"):
        Attention(tiny_pipe.tokenizer).of_tokens()


def test_a_heat_map_is_brightest_where_the_heat_is():
    heat = torch.zeros(8, 8)
    heat[2, 6] = 1.0
    shown = heat_map(Image.new("RGB", (128, 128), "grey"), heat)
    assert shown.size == (128, 128) and shown.mode == "RGB"
    brightness = np.asarray(shown).sum(axis=2)
    row, column = np.unravel_index(brightness.argmax(), brightness.shape)
    assert (row // 16, column // 16) == (2, 6)
