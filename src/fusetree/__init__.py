"""File systems in user space from declared Python objects."""
