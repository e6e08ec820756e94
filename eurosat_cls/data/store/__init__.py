"""Patches decoded once into a memory-mapped array, and read from it in whole batches."""
