"""Models that leave the house: ONNX, torch.export and safetensors, with what others need to use them right."""

from eurosat_cls.export.job import export_model
from eurosat_cls.export.options import ExportOptions
from eurosat_cls.export.proof import NotEqual

__all__ = ["ExportOptions", "NotEqual", "export_model"]
