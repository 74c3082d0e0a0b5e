"""Weights made of simulated frames: from many cameras, none on two sides, and gone on with where they were ended."""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nebulift import cli
from nebulift.commands import pretrain
from nebulift.dataset.context import CONTEXT_SIZE
from nebulift.model import phase_run, training
from nebulift.model.network import build_network
from nebulift.model.weights_file import SHIPPED_WEIGHTS
from nebulift.simulate.drawn_set_ups import draw_set_up
from nebulift.simulate.set_ups_for_development import DEVELOPMENT
from nebulift.simulate.set_ups_for_test import TEST
from nebulift.stages import made_up_previews
from nebulift.stages import pretrain as stage
from nebulift.stages.made_up_previews import LabelledPreview, MadeUp, make_previews

PER_NIGHT, CLEAN_PER_NIGHT = 5, 3
SMALL = MadeUp(frames=2 * PER_NIGHT, seed=3, width_px=256, height_px=256)


@pytest.fixture(autouse=True, scope="module")
def short_nights() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(made_up_previews, "FRAMES_PER_SET_UP", PER_NIGHT)
        patch.setattr(stage, "FRAMES_PER_SET_UP", PER_NIGHT)
        yield


def drawn(number: int) -> list[Any]:
    return [draw_set_up(np.random.default_rng(seed), 640, 480) for seed in range(number)]


def test_drawn_set_ups_vary_but_follow_the_generator() -> None:
    first = drawn(40)
    assert first == drawn(40)
    assert len({set_up.camera.name for set_up in first}) == 40
    assert {set_up.camera.width_px for set_up in first} == {640}
    assert len({set_up.camera.read_noise_e for set_up in first}) == 40
    assert len({set_up.camera.bayer_pattern for set_up in first}) > 1
    assert len({set_up.telescope.name for set_up in first}) > 5


def test_drawn_set_ups_are_usable_and_of_the_development_half() -> None:
    telescopes = {set_up.telescope.name for set_up in DEVELOPMENT}
    for set_up in drawn(200):
        camera, sky = set_up.camera, set_up.sky
        assert set_up.telescope.name in telescopes
        assert camera.name not in {other.camera.name for other in TEST}
        level = camera.bias_adu + set_up.exposure_s * sky.sky_e_per_s_per_px * sky.moon / camera.gain_e_per_adu
        assert set_up.exposure_s == 1.0 or level < 0.5 * camera.saturation_adu
        assert 1.5 < sky.seeing_arcsec / set_up.telescope.pixel_scale_arcsec < 6.1


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    make_previews(SMALL, folder, 1, lambda _: None)
    return folder


def test_previews_are_labelled_by_the_truth(cache: Path) -> None:
    found = make_previews(SMALL, cache, 1, lambda _: None)
    assert len(found) == 2 * PER_NIGHT
    assert {one.set_up for one in found} == {0, 1}
    assert all(one.preview.is_file() for one in found)
    assert all((one.label == 1) == (one.artifacts == "none") for one in found)
    assert sum(one.label for one in found) == 2 * CLEAN_PER_NIGHT
    assert all(one.context.shape == (CONTEXT_SIZE,) and one.context[0] == 1 for one in found)
    assert {one.rules for one in found} <= {"clean", "contaminated", "review"}
    assert not list(cache.rglob("*.fits"))


def test_what_was_made_is_not_made_again_and_what_is_missing_is_made_to_the_same_bytes(cache: Path) -> None:
    before = {one.preview: one.preview.read_bytes() for one in make_previews(SMALL, cache, 1, lambda _: None)}
    (truth,) = cache.rglob("00001/truth.tsv")
    truth.unlink()
    told: list[str] = []
    assert {one.preview: one.preview.read_bytes() for one in make_previews(SMALL, cache, 2, told.append)} == before
    assert told == ["set-up 1: 1 of 1 done"]
    make_previews(SMALL, cache, 1, told.append)
    assert len(told) == 1


def test_no_set_up_is_on_two_sides() -> None:
    previews = [LabelledPreview(Path("a"), 0, "cloud", number // 2) for number in range(48)]
    sides = stage._sides(previews)
    members = {side: {one.set_up for one in chosen} for side, chosen in sides.items()}
    assert members == {
        "validation": {3, 11, 19},
        "held out": {7, 15, 23},
        "train": set(range(24)) - {3, 7, 11, 15, 19, 23},
    }


class Killed(BaseException):
    pass


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the command for a few tiny frames; what it sets in the environment is taken back."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        monkeypatch.setenv(variable, "1")
    monkeypatch.setenv("OPENCV_FOR_THREADS_NUM", "1")
    monkeypatch.setattr(training, "_exported", lambda *_: {})
    options = "--frames 40 --width-px 256 --height-px 256 --epochs 2 --batch-size 10 --workers 1"
    return [
        "pretrain",
        "--output",
        str(tmp_path / "w.safetensors"),
        "--cache",
        str(tmp_path / "cache"),
        *options.split(),
    ]


def test_the_command_writes_weights_and_a_card_and_goes_on_after_an_end(
    line: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(phase_run.PhaseRun, "epoch", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            cli.main(line)
    assert not (tmp_path / "w.safetensors").exists()
    capsys.readouterr()
    assert cli.main(line) == 0
    told = capsys.readouterr().out
    assert "set-up" not in told  # the previews of the first call are used
    assert "of the frames held out right, and a card beside it" in told
    network, _ = build_network(str(tmp_path / "w.safetensors"))
    assert not torch.equal(network.state_dict()["fc.bias"], torch.zeros(2))
    card = (tmp_path / "w.md").read_text(encoding="utf-8")
    assert "nebulift pretrain --frames 40 --seed 1 --width-px 256" in card
    assert re.search(r"- frames: 30 train \(18 clean\), 5 validation \(3 clean\), 5 held out \(3 clean\)", card)
    assert re.search(r"- right with none: \d of 3", card)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--output w.pth", "w.pth: give a file ending in .safetensors"),
        ("--output w.safetensors --frames 20", "20 frames are too few: give 40 or more"),
        ("--output w.safetensors --width-px 100", "width_px must be 256 or more, not 100"),
    ],
)
def test_arguments_that_cannot_be_used_are_named(
    line: list[str], capsys: pytest.CaptureFixture[str], options: str, message: str
) -> None:
    assert cli.main(["pretrain", *options.split()]) == 2
    assert message in capsys.readouterr().err


def test_without_options_it_is_the_command_of_the_weights_that_ship() -> None:
    parser = argparse.ArgumentParser()
    pretrain.add(parser.add_subparsers())
    card = SHIPPED_WEIGHTS.with_suffix(".md").read_text(encoding="utf-8")
    (made_by,) = re.findall(r"^- made by: nebulift pretrain (.+)$", card, re.MULTILINE)
    output = ("pretrain", "--output", "w.safetensors")
    assert len(made_by.split()) == 2 * 9
    assert parser.parse_args([*output, *made_by.split()]) == parser.parse_args(output)
