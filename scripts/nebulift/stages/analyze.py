"""Analysis of single files: score, reasons and the decision, as the workflow would take it for them as one night."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nebulift.config import complete_config
from nebulift.cv_prefilter import ArtifactDetector
from nebulift.labels.decision import DecisionPolicy, decide
from nebulift.model.inference import Predictor
from nebulift.stages.contexts import contexts_of
from nebulift.stages.plan import ready_model
from nebulift.stages.predict import promise_of
from nebulift.tables import Row


def analyze_files(files: Sequence[str | Path], config: Mapping[str, Any] | None = None) -> list[Row]:
    """Return the row of the label table of each file with p_clean, decision, decided_by and decision_reasons.

    In capture order; the files are compared with each other like the frames of one night. The model is that which
    `config` names or whose registry promotes; without one the rules decide and p_clean is None. Bias, dark and flat
    frames have no row. Raises ConfigError and ModelFileError.
    """
    complete = complete_config(config or {})
    policy = DecisionPolicy.from_config(complete["predict"])
    chosen = ready_model(complete["model"])
    # Before the frames, which take their time: a model that cannot be used is told at once.
    predictor = Predictor.load(Path(chosen)) if chosen else None
    promise = promise_of(policy, Path(chosen), predictor.model.description.calls) if chosen and predictor else None
    rows, previews = ArtifactDetector(dict(config or {})).analyze_files(files)
    readable = [row for row in rows if row["frame"] in previews]
    contexts = contexts_of(readable, (previews[row["frame"]] for row in readable)) if predictor else ()
    told = {row["frame"]: context for row, context in zip(readable, contexts, strict=predictor is not None)}
    analyzed = []
    for row in rows:
        p_clean = None
        if predictor and row["frame"] in previews:
            pictures, context = [previews[row["frame"]]], told[row["frame"]]
            p_clean = round(float(predictor.predict_pictures(pictures, context[np.newaxis])[0]), 6)
        decision = decide(row, p_clean, policy, promise)
        analyzed.append(
            {
                **row,
                "p_clean": p_clean,
                "decision": decision.decision,
                "decided_by": decision.decided_by,
                "decision_reasons": decision.reasons,
            }
        )
    return analyzed
