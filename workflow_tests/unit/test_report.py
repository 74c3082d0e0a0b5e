"""The report: what it says agrees with the tables, and nothing in a table can break it."""

import base64
import json
import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nebulift.dataset.preview import PREVIEW_SIZE_PX, write_preview
from nebulift.frames.listing import ListedFrame
from nebulift.labels.checks import CHECKS
from nebulift.labels.decision import DecisionPolicy, decide
from nebulift.report.graded import GradedFrame, Night, graded_frames, pictured, reason_counts
from nebulift.report.model_words import describe_model
from nebulift.report.page import render_page
from nebulift.report.thumbnails import THUMBNAIL_PX, thumbnails
from nebulift.report.timeline import draw_timeline
from nebulift.report.words import DECIDER, DECISIONS, MEANING_OF_REASON, counted, displayed, number, share
from nebulift.scoring.score import ScoringSettings
from nebulift.stages.label import label_night
from nebulift.stages.merge import merge_labels
from nebulift.stages.report import write_report
from nebulift.stages.score import score_chunk
from nebulift.tables import Row, load_schema, read_table, write_table
from unit.builders import label_row, label_settings

UNTRAINED = {"trained": False, "reason": "3 contaminated training frames: each class needs 8"}
NASTY = (
    '"><script>alert(1)</script>.fits',
    "M 31 & <b>'quoted'</b>.fits",
    "two\nlines\tand a tab.fits",
    "x" * 200 + ".fits",
    "undecodable \udcff\udc80.fits",
    "\x00\x1b[31m \u202egnp.fits",
    "&amp; {{ 7 * 7 }} ]]> --> .fits",
)


class Page(HTMLParser):
    """What is on a page: rows of its tables, texts, pictures, and every address."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.addresses: list[str] = []
        self.pictures: list[dict[str, str]] = []
        self.tags: Counter[str] = Counter()
        self.words = ""
        self._cell = self._code = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        given = {key: value or "" for key, value in attrs}
        self.addresses += [given[key] for key in ("src", "href", "srcset", "action", "data", "poster") if key in given]
        if tag == "img":
            self.pictures.append(given)
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self._cell = True
            self.rows[-1].append("")
        elif tag in ("script", "style"):
            self._code = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._cell = False
        elif tag in ("script", "style"):
            self._code = False

    def handle_data(self, data: str) -> None:
        if self._code:
            return
        self.words += data
        if self._cell:
            self.rows[-1][-1] += data

    def row(self, head: str) -> list[str]:
        """Return the one row whose first cell starts with `head`."""
        found = [row for row in self.rows if row and row[0].startswith(head)]
        assert len(found) == 1, (head, found)
        return [cell.strip() for cell in found[0]]


def decoded(address: str) -> bytes:
    head, data = address.split(",", 1)
    assert head.startswith("data:image/") and head.endswith(";base64")
    return base64.b64decode(data, validate=True)


def preview(*levels: int) -> NDArray[np.uint8]:
    return np.full((PREVIEW_SIZE_PX, PREVIEW_SIZE_PX, 3), levels, dtype=np.uint8)


def measured_row(frame: str, label: str = "clean", minute: int = 0, **changes: Any) -> Row:
    values: Row = {"star_count": 400, "fwhm_px": 3.0, "background_ratio": 1.0, "background_of_saturation": 0.02}
    if label == "unreadable":
        values = {"preview": "", "date_obs": "", "group": "", "reasons": "unreadable: empty file (0 bytes)"}
    else:
        values["date_obs"] = f"2024-09-09T{20 + minute // 60:02d}:{minute % 60:02d}:00.000"
    return label_row(frame, label, **(values | changes))


def write_inputs(folder: Path, rows: Sequence[Row], p_clean: Mapping[str, float] | None = None) -> dict[str, Any]:
    """Write tables and previews of the label rows; return the first arguments of write_report by name."""
    write_table(folder / "labels.tsv", "labels", rows)
    tables = []
    for night in dict.fromkeys(row["night"] for row in rows):
        table = folder / "predictions" / f"{night}.tsv"
        predictions = []
        for row in (row for row in rows if row["night"] == night):
            p = (p_clean or {}).get(row["frame"])
            made = decide(row, p, DecisionPolicy(risk=1))
            predictions.append(
                {"night": night, "frame": row["frame"], "path": row["path"], "p_clean": p}
                | {"decision": made.decision, "decided_by": made.decided_by, "reasons": made.reasons}
            )
            if row["preview"]:
                write_preview(folder / "previews" / night / row["preview"], preview(60, 120, 200))
        write_table(table, "predictions", predictions)
        tables.append(table)
    metrics = folder / "metrics.json"
    metrics.write_text(json.dumps(UNTRAINED), encoding="utf-8")
    return {
        "labels": folder / "labels.tsv",
        "predictions": tables,
        "metrics": metrics,
        "previews": folder / "previews",
    }


def report(folder: Path, rows: Sequence[Row], p_clean: Mapping[str, float] | None = None, pictures: int = 24) -> Page:
    output = folder / "report.html"
    write_report(**write_inputs(folder, rows, p_clean), output=output, title="Two nights", pictures=pictures)
    return Page(output.read_bytes().decode("utf-8"))


def frame(name: str = "a.fits", decision: str = "clean", reasons: str = "", **changes: Any) -> GradedFrame:
    values: dict[str, Any] = {
        "time": None,
        "decided_by": "cv",
        "quality_score": None,
        "p_clean": None,
        "group": "",
        "star_count": None,
        "fwhm_px": None,
        "background_ratio": None,
        "background_of_saturation": None,
        "preview": "",
    }
    return GradedFrame(name=name, decision=decision, reasons=reasons, **(values | changes))


def two_nights() -> list[Row]:
    first = [measured_row(f"clean{n}.fits", minute=n, quality_score=0.81) for n in range(7)]
    first += [
        measured_row(
            "trail.fits", "contaminated", 8, reasons="streak: significance 40 > 15; cloud: star count ratio 0.3 < 0.4"
        ),
        measured_row("veil.fits", "contaminated", 9, reasons="cloud: star flux ratio 0.4 < 0.55"),
        measured_row("soft.fits", "review", 10, reasons="focus: FWHM ratio 1.5 > 1.4", quality_score=0.699999),
        measured_row("empty.fits", "unreadable"),
    ]
    return first + [measured_row(f"next{n}.fits", minute=n, night="2024-09-10") for n in range(3)]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Page, str]:
    """Return the page of two nights without a model, read and as text."""
    folder = tmp_path_factory.mktemp("two")
    return report(folder, two_nights()), (folder / "report.html").read_text(encoding="utf-8")


def test_the_numbers_agree_with_the_tables(two: tuple[Page, str]) -> None:
    page, _ = two
    # night, frames, clean, contaminated, review, unreadable, usable, the bar
    assert page.row("2024-09-09") == ["2024-09-09", "11", "7", "2", "1", "1", "64 %", ""]
    assert page.row("2024-09-10") == ["2024-09-10", "3", "3", "0", "0", "0", "100 %", ""]
    assert page.row("All nights") == ["All nights", "14", "10", "2", "1", "1", "71 %", ""]
    assert "10 of 14 frames are ready to stack. 1 waits for your decision." in " ".join(page.words.split())


def test_reasons_are_counted_by_decision_and_by_the_worst(two: tuple[Page, str]) -> None:
    page, _ = two
    # reason, contaminated, review, unreadable, worst reason
    assert page.row("cloud")[1:] == ["2", "0", "0", "1"]
    assert page.row("streak")[1:] == ["1", "0", "0", "1"]
    assert page.row("focus")[1:] == ["0", "1", "0", "1"]
    assert page.row("unreadable")[1:] == ["0", "0", "1", "1"]


def test_a_frame_is_shown_with_its_decision_score_and_reasons(tmp_path: Path) -> None:
    page = report(tmp_path, two_nights(), {"soft.fits": 0.04321})
    soft = next(row for row in page.rows if any("soft.fits" in cell for cell in row))
    assert soft[1] == "soft.fits 2024-09-09 20:10:00"
    assert soft[2] == "contaminated by model"
    # Cut, not rounded: 0.70 would have been clean.
    assert soft[3:5] == ["0.69", "0.04"]
    assert soft[5].strip() == "model: p_clean 0.0432 <= 0.1focus: FWHM ratio 1.5 > 1.4"


def test_without_any_probability_there_is_no_column_of_dashes(two: tuple[Page, str]) -> None:
    assert "p_clean" not in two[0].words


def test_clean_frames_are_folded_and_all_there(two: tuple[Page, str]) -> None:
    folded = two[1].split('<details class="clean-list">')[1].split("</details>")[0]
    assert folded.index("7 clean frames") < folded.index("</summary>") < folded.index("clean0.fits")
    listed = [row[:2] for row in Page(folded).rows[1:]]
    assert listed == [[f"clean{n}.fits 2024-09-09 20:0{n}:00", "0.81"] for n in range(7)]


@pytest.mark.parametrize("pictures", [0, 2, 24])
def test_pictures_are_capped_per_night_and_decision(tmp_path: Path, pictures: int) -> None:
    rows = [measured_row(f"cloud{n}.fits", "contaminated", n) for n in range(5)]
    rows += [measured_row(f"odd{n}.fits", "review", 10 + n) for n in range(3)]
    rows += [measured_row(f"other{n}.fits", "review", n, night="2024-09-10") for n in range(3)]
    page = report(tmp_path, rows, pictures=pictures)
    shown = Counter(
        re.sub(r".* of |\d\.fits", "", one["alt"]) for one in page.pictures if one["src"].startswith("data:image/jpeg")
    )
    expected = {"cloud": 2 * min(pictures, 5), "odd": 2 * min(pictures, 3), "other": 2 * min(pictures, 3)}
    assert shown == Counter(expected)
    more = f"{counted(5 - pictures, 'more contaminated frame')} without pictures"
    assert (more in page.words) == (pictures < 5)
    assert ("are in the table predictions/2024-09-09.tsv" in page.words) == (pictures < 5)
    names = Counter(name for row in page.rows for cell in row for name in re.findall(r"\w+\d\.fits", cell))
    assert names == Counter(row["frame"] for row in rows), "each frame is listed once, with or without pictures"


def test_each_reason_has_its_turn_among_the_pictures() -> None:
    frames = [frame(f"cloud{n}", "contaminated", "cloud: x 1 < 2", quality_score=n / 100) for n in range(20)]
    frames.insert(10, frame("one streak", "contaminated", "streak: x 2 > 1", quality_score=0.29))
    assert [one.name for one in pictured(frames, 3)] == ["cloud0", "cloud1", "one streak"]


@pytest.mark.parametrize(("reason", "level", "caption"), [("cloud", 60, "frame"), ("streak", 120, "brightest pixels")])
def test_a_trail_is_shown_where_peaks_are_kept(reason: str, level: int, caption: str) -> None:
    whole, stars = thumbnails(preview(60, 120, 200), (reason,))
    assert (whole.caption, stars.caption) == (caption, "brightest stars")
    for picture, expected in ((whole, level), (stars, 200)):
        image = cv2.imdecode(np.frombuffer(decoded(picture.source), np.uint8), cv2.IMREAD_UNCHANGED)
        assert image is not None and image.shape == (THUMBNAIL_PX, THUMBNAIL_PX)
        assert abs(float(image.mean()) - expected) < 2


def test_a_missing_preview_costs_its_picture_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [measured_row("lost.fits", "review"), measured_row("empty.fits", "unreadable")]
    inputs = write_inputs(tmp_path, rows)
    (tmp_path / "previews" / "2024-09-09" / "lost.fits.png").unlink()
    with caplog.at_level(logging.WARNING):
        write_report(**inputs, output=tmp_path / "report.html", title="t", pictures=24)
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert any("lost.fits" in cell for row in page.rows for cell in row) and "no picture" in page.words
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1 and "lost.fits" in warnings[0], "that an unreadable frame has none is no news"


def test_names_cannot_break_the_page(tmp_path: Path) -> None:
    decisions = ("clean", "contaminated", "review")
    rows = [
        measured_row(name, decisions[n % 3], n, reasons=f"cloud: {name} 1 < 2", preview=f"{n}.png", group=name)
        for n, name in enumerate(NASTY)
    ]
    page = report(tmp_path, rows)
    plain = report(
        tmp_path / "plain", [row | {"frame": f"{n}", "reasons": "cloud: x 1 < 2"} for n, row in enumerate(rows)]
    )
    # A reason with a semicolon in it is shown as two.
    assert {**page.tags, "li": 0} == {**plain.tags, "li": 0}
    for name in NASTY:
        assert any(displayed(name) in cell for row in page.rows for cell in row), name
    assert displayed("a\udcffb\nc\x00") == "a\ufffdb\u240ac\u2400"


@settings(max_examples=40, deadline=None)
@given(text=st.text(st.characters(exclude_categories=()), max_size=60))
def test_any_text_stays_text(text: str) -> None:
    frames = (
        frame(text, "contaminated", f"r{text}", group=f"g{text}"),
        frame("b", "unreadable", f"r{text}"),
        frame(text + "c"),
    )
    night = Night(text, text, frames)
    page = Page(render_page([night], {"trained": False, "reason": text}, {}, title=text, most_pictures=2))
    calm = Night("n", "n", (frame("a", "contaminated", "r", group="g"), frame("b", "unreadable", "r"), frame("c")))
    same = Page(render_page([calm], {"trained": False, "reason": "r"}, {}, title="t", most_pictures=2))
    # A reason with a semicolon in it is shown as two.
    assert {**page.tags, "li": 0} == {**same.tags, "li": 0}
    page.words.encode("utf-8", errors="strict")


def test_the_page_needs_nothing_but_itself(two: tuple[Page, str]) -> None:
    page, text = two
    assert page.addresses
    assert all(address.startswith(("data:image/", "#")) for address in page.addresses)
    assert page.tags["link"] == page.tags["iframe"] == page.tags["base"] == 0
    assert not re.search(r"https?:|url\(|@import|src=\"//|fetch\(|XMLHttp", text)
    drawings = [decoded(one["src"]).decode() for one in page.pictures if "svg+xml" in one["src"]]
    assert len(drawings) == 2
    for drawing in drawings:
        assert all(link.startswith(("#", "data:")) for link in re.findall(r'href="([^"]*)"', drawing))


def test_every_part_can_be_heard_and_named(two: tuple[Page, str]) -> None:
    page, text = two
    assert '<html lang="en">' in text and "<title>Two nights</title>" in text
    assert page.tags["table"] == page.tags["caption"]
    assert all(one["alt"].strip() for one in page.pictures)
    identifiers = re.findall(r'\bid="([^"]*)"', text)
    assert len(identifiers) == len(set(identifiers))
    assert {address[1:] for address in page.addresses if address[0] == "#"} <= set(identifiers)


def test_the_same_tables_give_the_same_bytes(tmp_path: Path) -> None:
    rows = two_nights()
    report(tmp_path / "one", rows)
    with matplotlib.rc_context({"axes.facecolor": "red", "font.size": 20, "svg.hashsalt": None}):
        before = dict(matplotlib.rcParams)
        report(tmp_path / "elsewhere" / "two", rows)
        assert dict(matplotlib.rcParams) == before
    first, second = ((tmp_path / at / "report.html").read_bytes() for at in ("one", "elsewhere/two"))
    assert first == second


def test_an_old_page_survives_a_failure(tmp_path: Path) -> None:
    inputs = write_inputs(tmp_path, two_nights())
    output = tmp_path / "report.html"
    output.write_text("old", encoding="utf-8")
    inputs["metrics"].write_text("{", encoding="utf-8")
    with pytest.raises(ValueError):
        write_report(**inputs, output=output, title="t", pictures=1)
    assert output.read_text(encoding="utf-8") == "old"


@pytest.mark.parametrize("change", ["renamed", "added", "removed", "no night"])
def test_tables_about_different_frames_are_refused(tmp_path: Path, change: str) -> None:
    inputs = write_inputs(tmp_path, two_nights())
    table = inputs["predictions"][0]
    rows = read_table(table, "predictions")
    if change == "renamed":
        rows[0]["frame"] = "stray.fits"
    elif change == "added":
        rows.append(rows[0] | {"frame": "stray.fits"})
    elif change == "removed":
        rows.remove(next(row for row in rows if row["frame"] == "trail.fits"))
    else:
        inputs["predictions"].pop(0)
    write_table(table, "predictions", rows)
    named = {"removed": r"2024-09-09\.tsv: 'trail\.fits'", "no night": r"labels\.tsv: .*'2024-09-09'"}
    with pytest.raises(ValueError, match=named.get(change, r"2024-09-09\.tsv: 'stray\.fits'")):
        write_report(**inputs, output=tmp_path / "report.html", title="t", pictures=1)


def test_why_there_is_no_model(two: tuple[Page, str]) -> None:
    page, _ = two
    assert UNTRAINED["reason"] in page.words and "the rules decided alone" in page.words


@pytest.mark.parametrize("trained", [True, False])
def test_the_pictures_of_the_training_are_shown_where_a_model_was_trained(tmp_path: Path, trained: bool) -> None:
    inputs = write_inputs(tmp_path, two_nights())
    (tmp_path / "metrics.json").write_text(json.dumps({**UNTRAINED, "trained": trained, "accuracy": 0.9}))
    drawn = {"history.png": b"\x89PNG a history", "metrics.png": b"\x89PNG metrics"}
    for name, content in drawn.items():
        (tmp_path / name).write_bytes(content)
    write_report(**inputs, output=tmp_path / "report.html", title="t", pictures=1)
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    shown = [picture for picture in page.pictures if picture["src"].startswith("data:image/png")]
    assert [decoded(picture["src"]) for picture in shown] == (list(drawn.values()) if trained else [])
    assert all(picture["alt"] for picture in shown)


def test_a_ready_model_has_no_accuracy_of_this_run(tmp_path: Path) -> None:
    inputs = write_inputs(tmp_path, two_nights(), {f"clean{n}.fits": 0.99 for n in range(7)})
    write_report(**(inputs | {"metrics": None}), output=tmp_path / "report.html", title="t", pictures=1)
    words = Page((tmp_path / "report.html").read_text(encoding="utf-8")).words
    assert "A ready-made model was used" in words and "It was asked about 7 of 14 frames." in words
    assert "rules and model: 7 frames" in words


@pytest.mark.parametrize("inside", [False, True])
def test_what_a_trained_model_can_do(inside: bool) -> None:
    confusion = {
        "clean_called_clean": 90,
        "clean_called_contaminated": 3,
        "contaminated_called_clean": 5,
        "contaminated_called_contaminated": 40,
    }
    figures: dict[str, Any] = {"accuracy": 130 / 138, "auc": 0.98765, "confusion_matrix": confusion}
    metrics = {"trained": True, "reason": "", "epochs": 9} | ({"validation": figures} if inside else figures)
    said = describe_model(metrics, 5, 10)
    assert said.headline == "A model was trained: accuracy 94 %"
    assert "90 of 93 clean and 40 of 45 contaminated frames" in said.text and "5 of 10 frames" in said.text
    assert ("epochs", "9") in said.figures
    assert "0.9877" in dict(said.figures).values()


def test_a_model_without_frames_held_back_has_no_accuracy() -> None:
    said = describe_model({"trained": True, "accuracy": None}, 5, 10)
    assert said.headline == "A model was trained" and "not measured" in said.text


def test_what_the_audit_doubts_is_looked_at_first() -> None:
    frames = [frame("a", "review"), frame("b", "clean"), frame("c", "review", decided_by="audit"), frame("d", "review")]
    assert [one.name for one in Night("n", "n.tsv", tuple(frames)).of("review")] == ["c", "a", "d"]


def test_who_decided_shapes_the_reasons() -> None:
    streak = "streak: significance 20 > 15"
    human = frame("a", "contaminated", f"human: cloud; looks bad; {streak}", decided_by="human")
    assert human.reason_words == ("human",)
    disputed = frame("b", "review", f"model: p_clean 0.95 >= 0.9; {streak}", decided_by="disagreement")
    assert disputed.reason_words == ("disagreement", "streak")
    model = frame("c", "contaminated", f"model: p_clean 0.05 <= 0.1; {streak}", decided_by="model")
    assert model.reason_words == ("model", "streak")
    broken = frame("d", "unreadable", "unreadable: focus: a; cloud: b")
    assert (broken.reason_words, broken.reason_parts) == (("unreadable",), ("focus: a; cloud: b",))
    assert [count.word for count in reason_counts([frame("e", "review", "")])] == ["not named"]
    assert reason_counts([frame("f", "clean", f"human: fine; {streak}", decided_by="human")]) == []


def test_every_reason_and_decider_has_words() -> None:
    assert {check.reason for check in CHECKS} <= MEANING_OF_REASON.keys()
    properties = load_schema("predictions")["properties"]
    assert set(properties["decided_by"]["enum"]) == DECIDER.keys()
    assert set(properties["decision"]["enum"]) == set(DECISIONS)


def timed(minutes: float, **changes: Any) -> GradedFrame:
    row = measured_row("a.fits", date_obs="2024-09-09T20:00:00.000")
    (made,) = graded_frames([row], [row | {"p_clean": None, "decision": "clean", "decided_by": "cv"}], "t")
    assert made.time is not None
    moved = made.time.timestamp() + 60 * minutes
    values = {name: getattr(made, name) for name in made.__slots__}
    return GradedFrame(**(values | {"time": made.time.fromtimestamp(moved, made.time.tzinfo)} | changes))


def test_the_time_line_runs_over_time() -> None:
    drawn = draw_timeline([timed(n, star_count=100 + n) for n in range(5)] + [timed(9, time=None, quality_score=None)])
    assert drawn is not None
    assert "5 frames against time" in drawn.words and "Star count 100 to 104" in drawn.words
    assert drawn.left_out == 1


@pytest.mark.parametrize("times", [[None, None, None], [0.0, 5.0, 60.0 * 24 * 300]])
def test_a_time_line_without_one_time_runs_over_the_order(times: list[float | None]) -> None:
    drawn = draw_timeline([timed(0, time=None) if minutes is None else timed(minutes) for minutes in times])
    assert drawn is not None and drawn.left_out == 0
    assert "3 frames against capture order" in drawn.words


def test_a_time_line_needs_something_measured() -> None:
    assert draw_timeline([]) is None
    assert draw_timeline([frame("a", "unreadable")]) is None
    assert draw_timeline([timed(0)]) is not None


def test_the_sky_is_drawn_absolutely_where_frames_have_no_group() -> None:
    alone = draw_timeline([timed(n, background_ratio=None) for n in range(3)])
    compared = draw_timeline([timed(n) for n in range(3)])
    assert alone is not None and "share of saturation) 0.02" in alone.words
    assert compared is not None and "against the group's) 1 " in compared.words


def test_spoilt_frames_stand_out_in_the_time_line() -> None:
    frames = [timed(n) for n in range(5)]
    spoilt = [*frames[:4], timed(4, decision="contaminated")]
    clean, marked = draw_timeline(frames), draw_timeline(spoilt)
    assert clean is not None and marked is not None and clean.svg != marked.svg
    assert "<!-- contaminated -->" in marked.svg and "<!-- contaminated -->" not in clean.svg


def test_a_night_of_thousands_makes_a_small_drawing() -> None:
    few, many = draw_timeline([timed(n) for n in range(20)]), draw_timeline([timed(n / 4) for n in range(2000)])
    assert few is not None and many is not None
    assert len(many.svg) < len(few.svg) + 150_000


def test_nights_without_frames(tmp_path: Path) -> None:
    inputs = write_inputs(tmp_path, two_nights()[-3:])
    write_table(tmp_path / "predictions" / "cloudy.tsv", "predictions", [])
    inputs["predictions"].append(tmp_path / "predictions" / "cloudy.tsv")
    write_report(**inputs, output=tmp_path / "report.html", title="t", pictures=1)
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert page.row("cloudy") == ["cloudy", "0", "0", "0", "0", "0", "\N{EN DASH}", ""]
    assert "No light frame was found in this night." in page.words
    nothing = Page(render_page([], UNTRAINED, {}, title="t", most_pictures=1))
    assert "There is no frame to tell of" in nothing.words


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [(0, 9, "0 %"), (9, 9, "100 %"), (1, 3, "33 %"), (1, 500, "< 1 %"), (499, 500, "> 99 %"), (0, 0, "\N{EN DASH}")],
)
def test_only_all_is_all(part: int, whole: int, said: str) -> None:
    assert share(part, whole) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.7, "0.70"),
        (0.699999, "0.69"),
        (0.29, "0.29"),
        (0.57, "0.57"),
        (1.0, "1.00"),
        (0.0, "0.00"),
        (None, "\N{EN DASH}"),
    ],
)
def test_scores_are_cut_and_not_rounded(value: float | None, said: str) -> None:
    assert number(value) == said


def test_real_frames_from_files_to_page(tmp_path: Path, shared_data: Path) -> None:
    paths = [*sorted((shared_data / "exotic_hatp32").iterdir())[:2], shared_data / "bad_inputs" / "zero_bytes.fits"]
    frames = [ListedFrame(path.name, path) for path in paths]
    scores, labels = tmp_path / "scores.tsv", tmp_path / "labels" / "night.tsv"
    score_chunk("night", frames, scores, tmp_path / "previews" / "night", ScoringSettings())
    label_night(scores, None, labels, label_settings())
    rows = read_table(labels, "labels")
    inputs = write_inputs(tmp_path / "made", [row | {"preview": ""} for row in rows])
    merge_labels([labels], tmp_path / "labels.tsv")
    inputs |= {"labels": tmp_path / "labels.tsv", "previews": tmp_path / "previews"}
    write_report(**inputs, output=tmp_path / "report.html", title="t", pictures=24)
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    counts = Counter(row["label"] for row in rows)
    assert page.row("night")[1:6] == ["3", *(str(counts[label]) for label in DECISIONS)]
    assert "empty file (0 bytes)" in page.words
    for path in paths:
        assert any(path.name in cell for row in page.rows for cell in row)
