"""`nebulift models`: the registry of trained models."""

import argparse
from pathlib import Path

from nebulift.commands import REVIEWS, Commands, add_reviews
from nebulift.model.registry import CARD_FILE, Registry, read_registry


def add(commands: Commands) -> None:
    """Add the command `models`."""
    parser = commands.add_parser(
        "models",
        help="keep trained models, and choose the one that decides on new nights",
        description="Keep trained models with what is known of them. The promoted one decides on new nights: then"
        " nothing is trained for them.",
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION", help="what to do")
    _action(actions, "list", "list the registered models; a star marks the promoted one", _list)
    register = _action(actions, "register", "register what training wrote", _register)
    register.add_argument("--results", type=Path, default=Path("results"), help="folder of results with the model")
    register.add_argument(
        "--dataset",
        type=Path,
        default=None,
        help="folder of the dataset it was trained on; if not given, that in the results",
    )
    register.add_argument("--name", default=None, help="its name; model-1, model-2, ... if not given")
    shown = _action(actions, "show", "show the card of a model", _show)
    shown.add_argument("name", metavar="NAME", help="name of the model")
    promote = _action(
        actions,
        "promote",
        "let a model decide on new nights, if its dataset does not leak and it is no worse",
        _promote,
    )
    promote.add_argument("name", metavar="NAME", help="name of the model")
    promote.add_argument(
        "--results", type=Path, default=Path("results"), help="folder of results with the labels and previews reviewed"
    )
    add_reviews(promote)
    promote.add_argument("--force", action="store_true", help="promote it whatever speaks against it")


def _action(actions: Commands, name: str, told: str, run: object) -> argparse.ArgumentParser:
    parser = actions.add_parser(
        name, help=told, description=told, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--registry", type=Path, default=Path("models"), help="folder of the registry")
    parser.set_defaults(run=run)
    return parser


def _list(chosen: argparse.Namespace) -> int:
    registry = read_registry(chosen.registry)
    if not registry.models:
        print(f"{chosen.registry}: no model is registered; nebulift models register keeps the one in results/model")
    for line in _table(registry):
        print(line)
    return 0


def _table(registry: Registry) -> list[str]:
    return [
        f"{'*' if name == registry.promoted else ' '} {name:<24} {model.registered}  "
        + (f"accuracy {model.metrics['accuracy']:.3f}" if model.metrics else "accuracy unknown")
        + f"  trained on {model.fingerprint[:12] or 'unknown'}"
        for name, model in registry.models.items()
    ]


def _register(chosen: argparse.Namespace) -> int:
    from nebulift.stages.models import register_model

    usual = chosen.results / "dataset"
    dataset = chosen.dataset or (usual if usual.is_dir() else None)
    model = register_model(chosen.registry, chosen.results / "model", dataset, chosen.name)
    print(f"registered as {model.name}: {chosen.registry / model.name / CARD_FILE}")
    return 0


def _show(chosen: argparse.Namespace) -> int:
    registry = read_registry(chosen.registry)
    registry.model(chosen.name)
    print(registry.file(chosen.name, CARD_FILE).read_text(encoding="utf-8"), end="")
    return 0


def _promote(chosen: argparse.Namespace) -> int:
    from nebulift.stages.models import promote_model

    # Who reviewed nothing, or has no results here, has nothing to compare on; the gates then say so.
    labels = chosen.results / "labels.tsv"
    nothing = not labels.is_file() or (chosen.reviews == REVIEWS and not REVIEWS[0].exists())
    previews = None if nothing else chosen.results / "previews"
    against = promote_model(chosen.registry, chosen.name, labels, previews, chosen.reviews, chosen.force)
    for reason in against:
        print(f"in spite of this: {reason}")
    print(f"{chosen.name} decides on new nights from now on")
    return 0
