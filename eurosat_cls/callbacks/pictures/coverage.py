"""How much more is right where the doubtful patches are left out."""

from lightning.pytorch import Trainer

from eurosat_cls.analysis.coverage import accuracy_by_doubt
from eurosat_cls.callbacks.pictures.base import PlotCallback, Stage, save_picture
from eurosat_cls.callbacks.pictures.patches import decide, scored_text
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.models.predictions import EpochOutputs


class AccuracyOverCoverage(PlotCallback):
    """Draw the accuracy among the patches that are answered, over the share of patches that are.

    After the last validation of a training ``coverage_val.png``, after a test ``coverage_test.png``: those that the
    network is most sure of come first, and in a test, where the checkpoint has the statistics for it, in a second line
    the most familiar ones.
    """

    def draw(self, trainer: Trainer, module: Classifier, stage: Stage, epoch_outputs: EpochOutputs) -> None:
        """Draw the epoch's outputs."""
        from eurosat_cls.analysis.plots.coverage import draw_coverage

        decisions = decide(module, epoch_outputs)
        curves = {"confidence": accuracy_by_doubt(decisions)}
        if epoch_outputs.familiarity is not None:
            curves["familiarity"] = accuracy_by_doubt(decisions, epoch_outputs.familiarity.cpu().numpy())
        note = f"{stage}, {scored_text(trainer, stage, len(epoch_outputs.indices))}"
        save_picture(trainer, f"coverage_{stage}", draw_coverage(curves, note))
