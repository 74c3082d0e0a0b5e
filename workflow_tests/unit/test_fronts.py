"""The names that Python users were promised."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from nebulift.cv_prefilter import ArtifactDetector, batch_analyze_images
from nebulift.fits_processor import FITSProcessor
from nebulift.frames.frame import UnreadableFrame
from nebulift.frames.reading import read_frame
from nebulift.ml_model import (
    AstroImageDataset,
    create_dataset_from_cv_labels,
    generate_training_labels_from_cv,
    nights_below,
)
from nebulift.simulate.equipment import Camera
from nebulift.simulate.night import simulate_night, tiny_night
from nebulift.simulate.recipe import FrameRecipe, Trail

SIZE = (320, 240)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Twelve frames; the 4th and the 9th are crossed by trails, not by the same: that would be the camera's."""
    folder = tmp_path_factory.mktemp("night")
    recipes = [FrameRecipe()] * 12
    for index, angle_deg in ((3, 35.0), (8, 115.0)):
        recipes[index] = FrameRecipe(trails=(Trail.across(angle_deg, 10.0, SIZE, peak_sigma=12.0),))
    simulate_night(folder, frames=12, seed=4, recipes=recipes, camera=Camera(width_px=SIZE[0], height_px=SIZE[1]))
    return sorted(folder.glob("*.fits"))


def test_labels_are_1_for_clean_and_0_for_contaminated(night: list[Path]) -> None:
    files, labels, review = generate_training_labels_from_cv(
        night, ArtifactDetector(), clean_threshold=0.7, contaminated_threshold=0.3
    )
    assert [file.name for file, label in zip(files, labels, strict=True) if label == 0] == [
        "light_0004.fits",
        "light_0009.fits",
    ]
    assert sorted([*files, *review]) == night


def test_thresholds_in_the_wrong_order_are_refused(night: list[Path]) -> None:
    with pytest.raises(ValueError, match="contaminated_threshold"):
        generate_training_labels_from_cv(night[:1], clean_threshold=0.2, contaminated_threshold=0.8)


def test_a_stricter_threshold_moves_frames_to_review(night: list[Path]) -> None:
    files, _, review = generate_training_labels_from_cv(night, clean_threshold=0.999, contaminated_threshold=1e-6)
    assert len(review) > 6
    assert len(files) + len(review) == 12


def test_the_dataset_is_laid_out_and_ready_for_training(night: list[Path], tmp_path: Path) -> None:
    train, validation, review = create_dataset_from_cv_labels(
        night, ArtifactDetector(), tmp_path / "d", train_split=0.5
    )
    assert isinstance(train, AstroImageDataset)
    assert isinstance(validation, AstroImageDataset)
    left_out = json.loads((tmp_path / "d" / "metadata.json").read_text())["left_out_in_margins"]
    assert len(train) + len(validation) + len(review) + left_out == 12
    assert len(train) >= 2
    assert len(validation) >= 2
    image, label = train[0]
    assert tuple(image.shape) == (3, 224, 224)
    assert label in (0, 1)
    assert len(list((tmp_path / "d").glob("*/c*/*.fits"))) == len(train) + len(validation)
    # Laid out once more over itself: nothing doubles.
    again, _, _ = create_dataset_from_cv_labels(night[:4], ArtifactDetector(), tmp_path / "d")
    left_out = json.loads((tmp_path / "d" / "metadata.json").read_text())["left_out_in_margins"]
    assert len(list((tmp_path / "d").rglob("*.fits"))) == 4 - left_out
    assert len(again) <= 4


def test_fits_and_pictures_are_analysed_together(night: list[Path], tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    cv2.imwrite(str(picture), read_frame(night[3]).raw)
    broken = tmp_path / "broken.fits"
    broken.write_bytes(b"")
    found = batch_analyze_images([night[3], picture, str(broken)])
    assert list(found) == [str(night[3]), str(picture), str(broken)]
    for path in (night[3], picture):
        assert found[str(path)]["label"] == "contaminated"
        assert "streak: significance" in found[str(path)]["reasons"]
    assert found[str(broken)]["label"] == "unreadable"
    assert "0 bytes" in found[str(broken)]["reasons"]


def test_the_processor_gives_pixels_metadata_and_the_networks_view(night: list[Path], tmp_path: Path) -> None:
    loaded = FITSProcessor().process_fits_file(night[0])
    assert loaded["image_data"].shape == SIZE[::-1]
    assert loaded["image_data"].dtype == np.float32
    assert loaded["ml_image"].shape == (224, 224, 3)
    assert loaded["metadata"]["exposure_s"] == 60
    with pytest.raises(UnreadableFrame, match=r"vanished|no such file|not exist|No such"):
        FITSProcessor().load_fits_file(tmp_path / "nothing.fits")


def test_every_sub_folder_with_frames_is_a_night(tmp_path: Path) -> None:
    folder = tmp_path / "my season #1"
    for below in (".", "first night", "first_night", "empty", "2024-09-10"):
        (folder / below).mkdir(exist_ok=True, parents=True)
        if below != "empty":
            tiny_night(folder / below, frames=1)
    nights = nights_below(folder)
    assert set(nights) == {"my_season_1", "first_night", "first_night_2", "2024-09-10"}
    assert nights["my_season_1"]["recursive"] is False
