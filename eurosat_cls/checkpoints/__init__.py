"""Files that hold weights: written whole, read without executing anything, compared; and the folders of runs."""
