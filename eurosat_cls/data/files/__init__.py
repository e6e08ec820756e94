"""From archives, folders and images on disk or on a server to arrays."""
