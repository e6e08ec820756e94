"""Pictures of what the network learned, one per file."""
