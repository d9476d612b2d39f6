"""Nodes: what a tree is declared of. Pure Python, and no libfuse in sight."""
