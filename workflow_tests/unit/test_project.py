"""Promises about the project itself: who imports whom, what is pinned, what stays light."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).parents[2]
LIBRARY = PROJECT / "scripts" / "nebulift"
# In the order in which data flows; each may import from those before it.
ROOMS = ("frames", "scoring", "nights", "labels", "dataset", "model", "sorting", "report")
FREE = {"files", "tables", "config"}  # what every room may use


def imported_rooms(module: Path) -> set[str]:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    names = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    return {name.split(".")[1] for name in names if name.startswith("nebulift.")}


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_only_rooms_above_them(room: str) -> None:
    allowed = {*ROOMS[: ROOMS.index(room) + 1], *FREE}
    modules = sorted((LIBRARY / room).rglob("*.py"))
    assert modules
    for module in modules:
        assert imported_rooms(module) <= allowed, module


def test_the_simulation_knows_nothing_but_frames() -> None:
    for module in (LIBRARY / "simulate").rglob("*.py"):
        assert imported_rooms(module) <= {"simulate", "frames", "files"}, module


def test_pixels_and_torch_stay_out_of_parsing() -> None:
    code = (
        "import sys; import nebulift.config, nebulift.stages.plan, nebulift.scoring.version, nebulift.dataset.version;"
        "print(sorted({'numpy', 'astropy', 'torch', 'cv2', 'pandas', 'numba'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT / "scripts"
    )
    assert result.stdout.strip() == "[]"


def test_torch_stays_out_of_scoring_and_labelling() -> None:
    stages = "nebulift.stages.score, nebulift.stages.label, nebulift.stages.dataset"
    code = f"import sys; import {stages}; print('torch' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT / "scripts"
    )
    assert result.stdout.strip() == "False"


def pins() -> dict[str, str]:
    lines = (PROJECT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    requirements = [line.split("#")[0].strip() for line in lines]
    return dict(line.split("==") for line in requirements if line)


def test_everything_is_pinned_and_says_why_it_is_there() -> None:
    for line in (PROJECT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        assert line.startswith("#") or re.fullmatch(r"[a-z0-9-]+==[\w.]+  # .{10,}", line), line


@pytest.mark.parametrize("name", ["scoring", "training"])
def test_environments_are_in_step_with_the_requirements(name: str) -> None:
    described = yaml.safe_load((PROJECT / "envs" / f"{name}.yaml").read_text(encoding="utf-8"))
    pinned = pins()
    found = {}
    for dependency in described["dependencies"]:
        if isinstance(dependency, dict):
            found |= dict(entry.split("==") for entry in dependency["pip"])
        elif " =" in dependency and not dependency.startswith("python "):
            package, version = dependency.split(" =")
            found[package] = version
    assert found == {package: pinned[package] for package in found}
    assert len(found) >= 5


def test_environments_hold_what_their_stages_import() -> None:
    """Each third-party import of a stage's rooms is in its environment; scoring needs no torch."""
    distributions = {"cv2": "opencv-python-headless", "yaml": "pyyaml", "sklearn": "scikit-learn"}
    rooms = {
        "scoring": ("frames", "scoring", "nights", "labels", "dataset", "sorting", "report"),
        "training": ("model", "labels"),
    }
    patterns = {name: [f"{folder}/**/*.py" for folder in folders] for name, folders in rooms.items()}
    # What prediction takes of the room model.
    patterns["scoring"] += [f"model/{name}.py" for name in ("inference", "onnx_file", "network_input", "description")]
    for name, folders in patterns.items():
        text = (PROJECT / "envs" / f"{name}.yaml").read_text(encoding="utf-8")
        for module in (module for folder in folders for module in LIBRARY.glob(folder)):
            tree = ast.parse(module.read_text(encoding="utf-8"))
            imports = {n.module.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module}
            imports |= {a.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
            for package in imports - set(sys.stdlib_module_names) - {"nebulift"}:
                assert re.search(rf"^\s*- {distributions.get(package, package)}\b", text, re.M), (module, package)
    assert "torch" not in (PROJECT / "envs" / "scoring.yaml").read_text(encoding="utf-8")


def test_adapters_are_thin_and_every_rule_has_one() -> None:
    named = {
        Path(name).name
        for rules in (PROJECT / "rules").glob("*.smk")
        for name in re.findall(r'script:\n\s+"(.+?)"', rules.read_text(encoding="utf-8"))
    }
    adapters = {path.name: path for path in (PROJECT / "scripts").glob("*.py")}
    assert named == set(adapters)
    for path in adapters.values():
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 32, path


def test_every_public_function_of_the_library_has_a_docstring_and_every_module_one() -> None:
    for module in LIBRARY.rglob("*.py"):
        assert ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))), module
