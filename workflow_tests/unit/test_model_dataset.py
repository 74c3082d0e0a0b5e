"""The dataset: previews as tensors, and augmentations that keep what is to be learned."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from nebulift.dataset.context import CONTEXT_SIZE, without_group
from nebulift.dataset.preview import write_preview
from nebulift.model.dataset import AstroImageDataset, FrameFacts, augmented
from nebulift.model.network_input import network_input


def gradient_preview() -> NDArray[np.uint8]:
    """Return a preview whose every pixel, and every orientation, is another."""
    rows, columns = np.mgrid[0:224, 0:224]
    return np.stack([rows, columns, (rows + 2 * columns) // 3], axis=2).astype(np.uint8)


def test_items_are_tensors_of_the_previews_on_disk(tmp_path: Path) -> None:
    preview = gradient_preview()
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path, picture in zip(paths, (preview, 255 - preview), strict=True):
        write_preview(path, picture)
    dataset = AstroImageDataset(paths, [1, 0])
    assert (len(dataset), dataset.image_paths, dataset.labels) == (2, paths, [1, 0])
    tensor, label = dataset[0]
    assert (tensor.shape, tensor.dtype, label) == ((3, 224, 224), torch.float32, 1)
    assert np.array_equal(tensor.numpy(), network_input(preview))
    assert np.array_equal(dataset[-1][0].numpy(), network_input(255 - preview))
    assert [label for _, label in dataset] == [1, 0]


def test_the_channels_keep_their_order_and_scale() -> None:
    preview = np.zeros((224, 224, 3), dtype=np.uint8)
    preview[..., 1] = 255
    means = network_input(preview).mean(axis=(1, 2))
    # Black is -mean / deviation, white (1 - mean) / deviation of ImageNet's.
    assert means.tolist() == pytest.approx([-0.485 / 0.229, (1 - 0.456) / 0.224, -0.406 / 0.225], abs=1e-4)


@pytest.mark.parametrize("shape", [(224, 224), (3, 224, 224), (224, 224, 4)])
def test_what_is_no_preview_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="a preview is uint8"):
        network_input(np.zeros(shape, dtype=np.uint8))


def test_wrong_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="2 images but 1 labels"):
        AstroImageDataset([Path("a"), Path("b")], [1])
    with pytest.raises(ValueError, match="not 2, review"):
        AstroImageDataset([Path("a"), Path("b"), Path("c")], [1, 2, "review"])  # type: ignore[list-item]


def test_a_preview_is_decoded_once() -> None:
    loads: list[Path] = []

    def load(path: Path) -> NDArray[np.uint8]:
        loads.append(path)
        return gradient_preview()

    dataset = AstroImageDataset([Path("a"), Path("b")], [0, 1], augment=True, load=load)
    for _ in range(3):
        assert [label for _, label in dataset] == [0, 1]
    assert loads == [Path("a"), Path("b")]


def test_augmentation_varies_but_follows_the_seed() -> None:
    def variants(seed: int) -> list[torch.Tensor]:
        dataset = AstroImageDataset([Path("a")], [0], augment=True, load=lambda _: gradient_preview(), seed=seed)
        return [dataset[0][0] for _ in range(6)]

    first, again, other = variants(1), variants(1), variants(2)
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))
    assert not all(torch.equal(one, two) for one, two in zip(first, other, strict=True))
    assert len({tensor.numpy().tobytes() for tensor in first}) > 3
    assert {(tensor.shape, tensor.dtype) for tensor in first} == {((3, 224, 224), torch.float32)}


@given(st.integers(0, 2**32))
def test_augmentation_turns_all_channels_together_and_changes_no_more_than_brightness(seed: int) -> None:
    preview = gradient_preview()
    found = augmented(preview, np.random.default_rng(seed))
    assert (found.shape, found.dtype) == (preview.shape, np.uint8)
    # Undo each of the eight orientations; in one of them every pixel has the same factor.
    agreements = []
    for turns in range(4):
        for flipped in (found, found[:, ::-1]):
            factors = np.rot90(flipped, turns)[150:, 150:] / preview[150:, 150:]
            bright = np.rot90(flipped, turns)[150:, 150:] < 255
            agreements.append(np.ptp(factors[bright]) < 0.01 and 0.89 < factors[bright].mean() < 1.11)
    assert sum(agreements) == 1


@given(st.integers(0, 2**32))
def test_cut_outs_stay_whole_when_the_mosaic_turns(seed: int) -> None:
    random = np.random.default_rng(seed)
    cells = random.permutation(49).reshape(7, 7).astype(np.uint8) + 50
    preview = np.repeat(np.kron(cells, np.ones((32, 32), np.uint8))[..., None], 3, axis=2)
    found = augmented(preview, random)[..., 2].reshape(7, 32, 7, 32)
    assert (np.ptp(found, axis=(1, 3)) == 0).all()


def test_only_what_is_augmented_is_now_and_then_taken_without_its_group() -> None:
    told = np.random.default_rng(0).normal(0, 1, CONTEXT_SIZE).astype(np.float32)
    lone = without_group(told)
    for augment, shares in ((True, (0.1, 0.3)), (False, (0.0, 0.0))):
        dataset = AstroImageDataset(
            [Path("a")], [0], augment=augment, load=lambda _: gradient_preview(), facts=[FrameFacts(context=told)]
        )
        given = [dataset.input(0)[1].numpy() for _ in range(200)]
        assert all(np.array_equal(one, told) or np.array_equal(one, lone) for one in given)
        assert shares[0] <= np.mean([np.array_equal(one, lone) for one in given]) <= shares[1]
