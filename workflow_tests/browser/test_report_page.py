"""The report in a real browser, without a network: Chromium, driven from the command line."""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nebulift.dataset.preview import PREVIEW_SIZE_PX, write_preview
from nebulift.stages.report import write_report
from nebulift.tables import write_table
from unit.builders import label_row

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
DECISIONS = ["clean"] * 6 + ["contaminated"] * 5 + ["review"] * 2 + ["unreadable"]
LONG = 'M 31 & <i>"Andromeda"</i> ' + "x" * 180 + ".fits"
COMPLAINTS = ("Uncaught", "Refused to", "violates the following Content Security Policy", "ERR_", "CONSOLE")


@pytest.fixture(scope="module")
def browser() -> str:
    for name in BROWSERS:
        if path := shutil.which(name):
            return path
    pytest.skip(f"needs a browser: none of {', '.join(BROWSERS)} is installed")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the report of a night of fourteen frames, two of each decision with pictures."""
    folder = tmp_path_factory.mktemp("report")
    rows = []
    for n, decision in enumerate(DECISIONS):
        measured: dict[str, Any] = {"star_count": 400 - n, "fwhm_px": 3.0, "background_ratio": 1.0}
        name = LONG if n == 7 else f"light_{n:02d}.fits"
        rows.append(label_row(name, decision, date_obs=f"2024-09-09T21:{n:02d}:00.000", preview=f"{n}.png", **measured))
        if decision == "contaminated":
            rows[-1] |= {"quality_score": 0.25 - n / 100, "reasons": f"streak: significance {20 + n} > 15"}
        shape = (PREVIEW_SIZE_PX, PREVIEW_SIZE_PX, 3)
        write_preview(folder / "previews" / "2024-09-09" / f"{n}.png", np.full(shape, 40 + n, np.uint8))
    write_table(folder / "labels.tsv", "labels", rows)
    predictions = [
        {column: row[column] for column in ("night", "frame", "path", "reasons")}
        | {"p_clean": 0.5, "decision": row["label"], "decided_by": "cv"}
        for row in rows
    ]
    write_table(folder / "predictions" / "2024-09-09.tsv", "predictions", predictions)
    output = folder / "report.html"
    write_report(
        folder / "labels.tsv",
        [folder / "predictions" / "2024-09-09.tsv"],
        None,
        folder / "previews",
        output,
        title="A night",
        pictures=2,
    )
    return output


def opened(browser: str, page: Path, folder: Path) -> str:
    """Open a page without a network and return its elements after all scripts ran; fails on any complaint."""
    command = [
        *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-extensions", "--mute-audio"),
        # Every name leads nowhere, and so does every address that is not on this machine.
        *("--host-resolver-rules=MAP * ~NOTFOUND", "--proxy-server=127.0.0.1:9"),
        *("--enable-logging=stderr", "--v=0", "--window-size=500,800", f"--user-data-dir={folder / 'profile'}"),
        *("--virtual-time-budget=2000", "--dump-dom", page.as_uri()),
    ]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    complaints = [line for line in done.stderr.splitlines() if any(word in line for word in COMPLAINTS)]
    assert not complaints, complaints
    return done.stdout


def asked(browser: str, page: Path, folder: Path, script: str) -> Any:
    """Run a script in a copy of the page and return what it returns."""
    ask = f"<script>document.documentElement.dataset.told = JSON.stringify((() => {{ {script} }})());</script></body>"
    copy = folder / "asked.html"
    copy.write_text(page.read_text(encoding="utf-8").replace("</body>", ask), encoding="utf-8")
    told = re.search(r'data-told="([^"]*)"', opened(browser, copy, folder))
    assert told, "the script did not run to its end"
    return json.loads(unescape(told[1]))


def test_the_page_opens_with_every_row_and_no_complaint(browser: str, page: Path, tmp_path: Path) -> None:
    elements = opened(browser, page, tmp_path)
    night = re.search(r'<tr data-night="1">(.*?)</tr>', elements, re.DOTALL)
    assert night
    assert re.findall(r'<td class="n">(.*?)</td>', night[1]) == ["14", "6", "5", "2", "1", "43 %"]
    assert len(re.findall("<tr data-frame", elements)) == 2 + 2 + 1
    assert "&lt;i&gt;" in elements and "<i>" not in elements
    assert re.search(r'<form class="find" role="search">', elements), "the search shows once its script runs"


def test_pictures_and_layout_hold(browser: str, page: Path, tmp_path: Path) -> None:
    told = asked(
        browser,
        page,
        tmp_path,
        """
        const pictures = Array.from(document.images);
        pictures.forEach((one) => { one.loading = "eager"; });
        return {
          wide: document.documentElement.scrollWidth - window.innerWidth,
          sizes: pictures.filter((one) => one.src.startsWith("data:image/jpeg")).map((one) => one.width > 0),
          outside: performance.getEntriesByType("resource").filter((one) => !one.name.startsWith("data:")),
          quirks: document.compatMode,
        };
        """,
    )
    assert told["wide"] <= 0, "a frame's long name must not widen the page"
    assert told["sizes"] == [True] * 2 * (2 + 2)
    assert told["outside"] == []
    assert told["quirks"] == "CSS1Compat"


def test_finding_and_sorting(browser: str, page: Path, tmp_path: Path) -> None:
    told = asked(
        browser,
        page,
        tmp_path,
        """
        const find = (text) => {
          const field = document.getElementById("find");
          field.value = text;
          field.dispatchEvent(new Event("input", { bubbles: true }));
          const rows = Array.from(document.querySelectorAll(".frames tbody tr"));
          return {
            found: rows.filter((row) => !row.hidden).length,
            open: Array.from(document.querySelectorAll("details")).filter((one) => one.open).length,
            said: document.getElementById("found").textContent,
          };
        };
        const sort = (head) => {
          const table = document.querySelector("table.sortable");
          const cell = Array.from(table.tHead.rows[0].cells).find((one) => one.textContent.startsWith(head));
          cell.querySelector("button").click();
          const scores = Array.from(table.tBodies[0].rows).map((row) => row.cells[cell.cellIndex].textContent);
          return [cell.getAttribute("aria-sort"), scores];
        };
        return [find("STREAK"), find("andromeda"), find("light_00"), find(""), sort("Quality"), sort("Quality")];
        """,
    )
    streak, andromeda, clean, everything, up, down = told
    assert streak == {"found": 5, "open": 1, "said": "5 frames"}
    assert andromeda["found"] == 1 and andromeda["said"] == "1 frame"
    assert clean == {"found": 1, "open": 1, "said": "1 frame"}
    assert everything == {"found": 14, "open": 0, "said": ""}
    assert up == ["ascending", ["0.15", "0.16"]]
    assert down == ["descending", ["0.16", "0.15"]]
