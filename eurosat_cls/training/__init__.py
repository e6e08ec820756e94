"""The trainer, and how a machine runs it: precision, memory format, compiling, synchronised batch norm."""
