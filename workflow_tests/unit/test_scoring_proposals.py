"""The lines that are proposed for a closer look."""

import math
from collections.abc import Iterator

import numpy as np
import pytest

from nebulift.scoring.pieces import Piece
from nebulift.scoring.proposals import Line, propose_lines
from unit.skies import searched, unit_noise, with_line


def offsets(lines: list[Line], ends: tuple[float, float, float, float]) -> Iterator[tuple[float, float]]:
    """Yield how far the farther end of each line lies from the line between `ends`, and its length."""
    x1, y1, x2, y2 = ends
    length = math.hypot(x2 - x1, y2 - y1)
    for line in lines:
        places = ((line.x1, line.y1), (line.x2, line.y2))
        yield max(abs((x - x1) * (y2 - y1) - (y - y1) * (x2 - x1)) / length for x, y in places), line.length


class TestProposals:
    @pytest.mark.parametrize(
        "ends",
        [
            (0.0, 30.0, 599.0, 110.0),
            (0.0, 420.0, 599.0, 60.0),
            (150.0, 0.0, 420.0, 449.0),
            (330.0, 449.0, 290.0, 0.0),
            (0.0, 300.0, 599.0, 285.0),
        ],
    )
    def test_a_line_fainter_than_the_noise_is_proposed(self, ends: tuple[float, float, float, float]) -> None:
        lines = propose_lines(searched(with_line(unit_noise((450, 600)), *ends, peak=0.9)))
        assert any(offset <= 5 and length > 200 for offset, length in offsets(lines[:5], ends))

    def test_a_short_line_is_proposed_as_one(self) -> None:
        ends = (250.0, 180.0, 330.0, 230.0)
        lines = propose_lines(searched(with_line(unit_noise((450, 600)), *ends, peak=2.5)))
        near = [
            line
            for line, (offset, _) in zip(lines, offsets(lines, ends), strict=True)
            if offset < 5
            and line.length < 220
            and math.hypot((line.x1 + line.x2) / 2 - 290, (line.y1 + line.y2) / 2 - 205) < 60
        ]
        assert near

    def test_a_wide_line_is_proposed(self) -> None:
        ends = (0.0, 60.0, 599.0, 380.0)
        lines = propose_lines(searched(with_line(unit_noise((450, 600)), *ends, peak=0.45, sigma_px=4.0)))
        assert any(offset <= 8 and length > 200 for offset, length in offsets(lines[:5], ends))

    def test_what_is_masked_proposes_nothing(self) -> None:
        ends = (0.0, 60.0, 599.0, 380.0)
        image = with_line(unit_noise((450, 600)), *ends, peak=4.0)
        masked = with_line(np.zeros_like(image), *ends, peak=1.0, sigma_px=2.0) > 0.05
        lines = propose_lines(searched(image, masked))
        assert not any(offset <= 5 and length > 200 for offset, length in offsets(lines, ends))

    def test_bright_pieces_come_first_the_longest_before_all(self) -> None:
        pieces = (Piece(100, 100, 130, 120), Piece(300, 50, 500, 200))
        lines = propose_lines(searched(unit_noise((450, 600)), None, *pieces))
        assert [(line.x1, line.y1, line.x2, line.y2) for line in lines[:2]] == [
            (300, 50, 500, 200),
            (100, 100, 130, 120),
        ]

    def test_what_falls_together_is_proposed_once(self) -> None:
        pieces = (Piece(300, 50, 500, 200), Piece(302, 53, 497, 199), Piece(300, 50, 400, 125))
        lines = propose_lines(searched(unit_noise((450, 600)), None, *pieces))
        assert [(line.x2, line.y2) for line in lines if line.score == math.inf] == [(500, 200), (400, 125)]

    def test_a_bright_line_leaves_room_for_a_faint_one(self) -> None:
        bright, faint = (0.0, 60.0, 599.0, 380.0), (40.0, 430.0, 560.0, 30.0)
        image = with_line(with_line(unit_noise((450, 600)), *bright, peak=4.0), *faint, peak=0.5)
        lines = propose_lines(searched(image))
        assert any(offset <= 5 and length > 200 for offset, length in offsets(lines, faint))
        assert sum(offset <= 5 for offset, _ in offsets(lines, bright)) <= 40
        assert len(lines) <= 56
        ends = [(line.x1, line.y1, line.x2, line.y2) for line in lines]
        assert len(set(ends)) == len(ends)

    @pytest.mark.parametrize("shape", [(16, 16), (20, 300), (450, 600)])
    def test_noise_proposes_little_and_any_size_is_searched(self, shape: tuple[int, int]) -> None:
        lines = propose_lines(searched(unit_noise(shape)))
        assert len(lines) <= 48
        assert all(line.score < 7 for line in lines)

    def test_a_masked_image_proposes_nothing(self) -> None:
        image = unit_noise((100, 120))
        assert propose_lines(searched(image, np.ones(image.shape, dtype=bool))) == []
