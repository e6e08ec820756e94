"""What makes the pages of the reference, which is beside them and no package."""

import importlib.util

from tests.conftest import REPOSITORY

_spec = importlib.util.spec_from_file_location("reference_pages", REPOSITORY / "docs" / "reference_pages.py")
assert _spec is not None
assert _spec.loader is not None
reference_pages = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(reference_pages)
