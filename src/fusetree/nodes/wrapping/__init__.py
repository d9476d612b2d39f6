"""Wrapping: a tree shown through another, node by node.

tree        what all wrappers of one tree share: who wraps whom, and telling on what changes
members     what wrappers of all kinds pass on
directory   `WrapDir`
file        `WrapFile`, and `WrapHandle` for what is open of it
leaves      `WrapSymlink`, `WrapSpecial`
passing     doing to a node what a mount would do to it
opened      what is open of a wrapped file
fresh       what was open of it from the moment in which it was made
"""

from fusetree.nodes.wrapping.directory import WrapDir as WrapDir
from fusetree.nodes.wrapping.file import WrapFile as WrapFile, WrapHandle as WrapHandle
from fusetree.nodes.wrapping.leaves import WrapSpecial as WrapSpecial, WrapSymlink as WrapSymlink

__all__ = ["WrapDir", "WrapFile", "WrapHandle", "WrapSpecial", "WrapSymlink"]
