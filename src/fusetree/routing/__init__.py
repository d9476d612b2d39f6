"""Trees that are declared by paths. They are the nodes of `fusetree.nodes`, and nothing of their own.

===============  ==========================================================================
``router``       `Router`; ``route`` what its decorators make of functions
``pattern``      paths with parameters; ``convertors`` what the parameters are made of
``places``       the patterns as a trie: conflicts, and `Match`
``route_dirs``   the directories of routes; ``rest_dirs`` those below a parameter of kind path
``route_files``  the files of routes; ``listings`` names; ``following`` who is moved or removed
``pathops``      `PathOperations`; ``path_tree`` what its nodes share, ``positions`` where they are
``path_nodes``   its files and links; ``path_handles`` what is open; ``path_dirs`` its directories
``path_values``  what its handlers return, as attributes
``ondemand``     directories whose nodes are made when they are asked for
``steps``        methods written once, for handlers that are async and for others
===============  ==========================================================================
"""

from fusetree.routing.pathops import PathOperations as PathOperations
from fusetree.routing.places import Match as Match, Matched as Matched
from fusetree.routing.route import (
    FileRoute as FileRoute,
    LinkRoute as LinkRoute,
    ListRoute as ListRoute,
    Route as Route,
)
from fusetree.routing.router import Router as Router

__all__ = ["FileRoute", "LinkRoute", "ListRoute", "Match", "Matched", "PathOperations", "Route", "Router"]
