"""One page that tells what a run is and how good it is, and one that compares runs."""
