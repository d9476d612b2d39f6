"""What a router takes, what it refuses when it is declared, and what a path leads to."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from fusetree import Attributes, Dir, File, Match, Router, tree
from fusetree.routing.pattern import Comparison
from fusetree.routing.places import Place


class Colour(enum.Enum):
    RED = "red"


def accepting(**_: Any) -> list[str]:
    """A handler of any route."""
    return []


def declare(router: Router, what: str) -> Any:
    """Declare "file /a/{b}" and the like."""
    kind, _, pattern = what.partition(" ")
    if kind == "mount":
        router.mount(pattern, "text")
        return None
    return getattr(router, kind)(pattern)(accepting)


# -------------------------------------------------------------------------------- conflicts


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("file /a", "file /a"),
        ("file /a", "link /a"),
        ("file /a", "list /a"),
        ("list /a", "file /a"),
        ("list /a", "list /a"),
        ("file /a", "file /a/b"),
        ("file /a/b", "file /a"),
        ("file /a/b", "link /a"),
        ("file /a", "mount /a"),
        ("mount /a", "file /a/b"),
        ("mount /a", "list /a"),
        ("file /{x}", "file /{x}"),
        ("file /{x}", "file /{y}"),
        ("file /{x}", "file /{y}/z"),
        ("file /{x}/a", "file /{y}/b"),
        ("file /{x}", "file /{x}/b"),
        ("file /{x}.a", "file /a{y}"),
        ("file /{x:int}", "file /{y:even}"),
        ("file /{x:int}", "file /{x:int}/b"),
        ("file /{rest:path}", "file /{x}.a"),
        ("file /{x}.a", "file /{rest:path}"),
        ("file /{rest:path}", "file /{other:path}"),
        ("file /d/{rest:path}", "list /d"),
        ("list /d", "list /d/{rest:path}"),
        ("list /{rest:path}", "list /{rest:path}"),
        ("file /{rest:path}", "link /{rest:path}"),
    ],
)
def test_what_cannot_be_told_apart_is_refused_and_both_are_named(first: str, second: str) -> None:
    router = Router(convertors={"even": Even()})
    declare(router, first)
    with pytest.raises(ValueError, match="conflict") as caught:
        declare(router, second)
    for what in (first, second):
        kind, _, pattern = what.partition(" ")
        assert f"{kind.replace('mount', 'node at')} {pattern!r}" in str(caught.value)


class Even:
    regex = "[0-9]+"

    def convert(self, text: str) -> int:
        return int(text)

    def to_string(self, value: Any) -> str:
        return str(value)


def test_what_was_refused_has_changed_nothing() -> None:
    router = Router()
    declare(router, "file /a/b")
    with pytest.raises(ValueError, match="conflict"):
        declare(router, "file /a/b/c/d")
    declare(router, "file /a/c")
    assert router.node["a"].keys() == ["b", "c"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "declared",
    [
        ["file /a/b", "file /a/c", "list /"],
        ["file /{x}.json", "file /{x}.txt", "file /{x}/age", "file /me"],
        ["file /{x:int}", "file /{y:date}", "file /{z}"],
        ["list /{x}", "file /{x}/a", "file /{x}/{y}"],
        ["file /d/{rest:path}", "list /d/{rest:path}", "file /d/readme"],
        ["list /d/{rest:path}", "file /d/{rest:path}", "file /e"],
    ],
)
def test_what_can_be_told_apart_goes_together(declared: list[str]) -> None:
    for order in (declared, declared[::-1]):
        router = Router()
        for what in order:
            declare(router, what)


def test_the_name_that_says_more_wins_in_whatever_order() -> None:
    patterns = ["/{x}", "/{x}.json", "/v{x}.json", "/{n:int}", "/me"]
    for order in (patterns, patterns[::-1]):
        router = Router()
        routes = {pattern: declare(router, f"file {pattern}") for pattern in order}
        for name, pattern in {
            "me": "/me",
            "you": "/{x}",
            "7": "/{n:int}",
            "x.json": "/{x}.json",
            "vx.json": "/v{x}.json",
        }.items():
            assert router.match(f"/{name}").route is routes[pattern]


TEXTS = st.sampled_from(
    ["a", "{x}", "{x:int}", "{x:date}", "{x}.a", "b{x}", "{x:int}.a", "{x}-{y}", "b{x}.a"]
)


@settings(deadline=None)
@given(texts=st.lists(TEXTS, unique=True, max_size=9), name=st.text("ab1-.", min_size=1, max_size=6))
def test_a_name_leads_to_one_place_whatever_the_order(texts: list[str], name: str) -> None:
    found = set()
    for order in (texts, texts[::-1], sorted(texts)):
        router = Router()
        refused = False
        for text in order:
            try:
                declare(router, f"file /{text}")
            except ValueError:
                refused = True
        matched = router.match(f"/{name}")
        if not refused:
            found.add(None if matched.route is None else str(matched.route))
    assert len(found) <= 1


def test_the_narrowest_comes_first() -> None:
    router = Router()
    for text in ("{x}", "{x}.a", "b{x}.a", "{x:int}", "{x:int}.a"):
        declare(router, f"file /{text}")
    top: Place = router._top
    known = [segment for segment, _ in top.parameters]
    for number, segment in enumerate(known):
        assert all(segment.compare(later) is not Comparison.WIDER for later in known[number:])


# -------------------------------------------------------------------------------- matching


def test_a_path_is_known_in_full_in_part_or_not() -> None:
    router = Router()
    user = router.file("/users/{name}.json")(lambda name: name)
    day = router.file("/days/{day:date}/log")(lambda day: "")
    rest = router.file("/files/{rest:path}")(lambda rest: "")
    listing = router.list("/files/{rest:path}")(lambda rest: ())
    router.mount("/static", Dir())
    assert router.match("/users/ada.json") == router.match("users/ada.json")
    found = router.match("/users/ada.json")
    assert (found.match, found.route, found.parameters) == (Match.FULL, user, {"name": "ada"})
    found = router.match("/days/2024-01-01/log")
    assert (found.match, found.route, found.parameters) == (Match.FULL, day, {"day": dt.date(2024, 1, 1)})
    found = router.match("/days/2024-01-01")
    assert (found.match, found.route, found.parameters) == (Match.PARTIAL, None, {"day": dt.date(2024, 1, 1)})
    assert router.match("/").match is Match.PARTIAL
    assert router.match("/files/a/b").route is rest
    assert router.match("/files/a/b").parameters == {"rest": "a/b"}
    assert router.match("/files").route is listing
    assert router.match("/files").parameters == {"rest": ""}
    assert router.match("/static").match is Match.FULL
    for path in ("/users/ada", "/users/ada.json/x", "/days/today/log", "/nothing"):
        assert router.match(path).match is Match.NONE
        assert not router.match(path)


# -------------------------------------------------------------------------------- handlers fit the pattern


def _file(function: Callable[..., Any]) -> Any:
    return Router().file("/{a}/{b:int}")(function)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda a: 0, r"does not take b; write def <lambda>\(a, b\)"),
        (lambda a, b, c: 0, "asks for c, which is no parameter of the path"),
        (lambda a, c: 0, "does not take b"),
        (lambda a, b, /: 0, "'a' is positional only"),
        (lambda a, b, size: 0, "takes size and offset, or neither"),
        (5, "a handler is a function"),
    ],
)
def test_a_handler_that_does_not_fit_is_refused(function: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said) as caught:
        _file(function)
    assert "file '/{a}/{b:int}'" in str(caught.value)


@pytest.mark.parametrize("function", [lambda a, b: 0, lambda b, a, c=1: 0, lambda **_: 0, lambda a, *, b: 0])
def test_a_handler_that_fits_is_taken(function: Any) -> None:
    assert _file(function).handler is function


def test_a_route_can_be_called_as_the_function_that_it_was() -> None:
    @Router().file("/{x:int}")
    def double(x: int) -> int:
        """Twice."""
        return 2 * x

    assert double(x=4) == 8
    assert double(4) == 8
    assert double.__doc__ == "Twice."
    assert double.__name__ == "double"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("what", "function", "said"),
    [
        ("write", lambda a, b: 0, "one parameter more"),
        ("write", lambda a, b, c, d: 0, "one parameter more"),
        ("write", lambda a, b, data, offset: 0, "must not take the parameter offset"),
        ("delete", lambda a: 0, "does not take b"),
        ("delete", lambda a, b, mode: 0, "asks for mode"),
        ("create", lambda b: 0, "does not take a"),
        ("rename", lambda a, b: 0, "does not take new_a, new_b"),
        ("truncate", lambda a, b, size: 0, "needs no truncate"),
        ("getattr", lambda: 0, "does not take a, b"),
    ],
)
def test_further_handlers_must_fit_too(what: str, function: Any, said: str) -> None:
    route = _file(lambda a, b: 0)
    with pytest.raises(TypeError, match=said):
        getattr(route, what)(function)
    assert what not in route.handlers


def test_a_file_that_is_read_in_parts_is_written_in_parts() -> None:
    route = Router().file("/{x}")(lambda x, size, offset: b"")
    with pytest.raises(TypeError, match="must take a parameter offset"):
        route.write(lambda x, data: None)
    route.write(lambda x, data, offset: None)
    route.truncate(lambda x, size: None)
    with pytest.raises(ValueError, match=r"by \.getattr"):
        Router().file("/{x}", size="exact")(lambda x, size, offset: b"")


def test_a_parameter_cannot_have_two_meanings() -> None:
    with pytest.raises(TypeError, match="size has a meaning of its own"):
        Router().file("/{size}")(lambda size, offset: 0)


def test_a_second_handler_of_one_kind_is_refused() -> None:
    route = _file(lambda a, b: 0)
    route.delete(lambda a, b: None)
    with pytest.raises(ValueError, match="has a handler for delete already"):
        route.delete(lambda a, b: None)


@pytest.mark.parametrize("what", ["create", "delete", "rename"])
def test_what_is_always_there_is_neither_made_nor_removed(what: str) -> None:
    route = Router().file("/{x}/fixed")(lambda x: 0)
    with pytest.raises(ValueError, match="always there"):
        getattr(route, what)(lambda x, new_x=0: None)


def test_further_handlers_are_found_by_their_pattern() -> None:
    router = Router()
    route = router.file("/{x}")(lambda x: 0)

    @router.write("/{x}")
    def written(x: str, data: bytes) -> None: ...

    router.create("/{x}")(lambda x: None)
    router.delete("/{x}")(lambda x: None)
    router.rename("/{x}")(lambda x, new_x: None)
    assert route.handlers.keys() == {"write", "create", "delete", "rename"}
    assert route.handlers["write"] is written
    with pytest.raises(ValueError, match="no route of exactly this pattern"):
        router.write("/{y}")
    router.link("/l/{x}")(lambda x: "t")
    with pytest.raises(ValueError, match="knows no write"):
        router.write("/l/{x}")


# -------------------------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("options", "said"),
    [({"size": 5}, '"exact" or None'), ({"ttl": -1}, "ttl"), ({"mode": 0o10000}, "permission bits")],
)
def test_bad_options_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Router().file("/{x}", **options)(lambda x: 0)


def test_modes() -> None:
    router = Router()
    router.file("/fixed")(lambda: 0)
    router.file("/given", mode=0o400)(lambda: 0)
    router.file("/written")(lambda: b"").write(lambda data: None)
    route = router.file("/d/{x}")(lambda x: 0)
    router.list("/d")(lambda: ())
    route.delete(lambda x: None)
    router.file("/e/{x}")(lambda x: 0)
    modes = {name: node.mode for name, node in router.node.items()}
    assert modes == {"fixed": 0o444, "given": 0o400, "written": 0o644, "d": 0o755, "e": 0o555}


def test_write_bits_without_a_handler_are_refused() -> None:
    router = Router()
    router.file("/x", mode=0o644)(lambda: 0)
    with pytest.raises(ValueError, match="nothing writes it"):
        _ = router.node


def test_a_list_of_nothing_and_a_path_without_a_list_are_refused() -> None:
    router = Router()
    router.list("/d")(lambda: ())
    with pytest.raises(ValueError, match="no route takes them"):
        _ = router.node
    router = Router()
    router.file("/{rest:path}")(lambda rest: 0)
    with pytest.raises(ValueError, match="must tell which names are directories"):
        _ = router.node


@pytest.mark.parametrize("complete", [False, None])
@pytest.mark.parametrize("what", ["file /{x}", "list /{x}", "file /{x:path}"])
def test_a_handler_for_new_names_where_every_name_is_there_is_refused(
    what: str, complete: bool | None
) -> None:
    router = Router()
    route = declare(router, what)
    if what == "list /{x}":
        router.file("/{x}/{y}")(lambda x, y: 0)
    if what == "file /{x:path}":
        router.list("/{x:path}", complete=False)(lambda x: ())
    elif complete is not None:
        router.list("/", complete=complete)(lambda: ())
    route.create(lambda x: None)
    with pytest.raises(ValueError, match=r"every name is, since no complete list of .* tells which are"):
        _ = router.node


def test_what_is_at_the_top_is_a_directory() -> None:
    for declaration in ("file", "link"):
        with pytest.raises(ValueError, match="the top of a router is a directory"):
            getattr(Router(), declaration)("/")(lambda: "x")


def test_mistakes_of_every_day_are_told_in_words() -> None:
    router = Router()
    with pytest.raises(TypeError, match=r'write @app\.file\("/path"\) above a function'):
        router.file(lambda: "x")  # type: ignore[arg-type]  # @app.file without a path
    with pytest.raises(TypeError, match="file '/a': mode is a number of permission bits such as 0o644"):
        router.file("/a", mode="644")(lambda: "x")  # type: ignore[arg-type]  # on purpose
    with pytest.raises(TypeError, match="file '/a': ttl is a number of seconds, not '5'"):
        router.file("/a", ttl="5")(lambda: "x")  # type: ignore[arg-type]  # on purpose
    with pytest.raises(TypeError, match=r"must take one parameter more .* it has none"):
        router.file("/a")(lambda: "x").write(lambda: None)
    with pytest.raises(TypeError, match=r"give an object of the class, Even\(\)"):
        router.convertor("even", Even)
    route = router.link("/l")(lambda: 5)
    with pytest.raises(TypeError, match=r"link '/l': the handler must return where the link leads, .* not 5"):
        route.target(route())


def test_a_router_that_is_in_use_takes_no_more() -> None:
    router = Router()
    route = router.file("/{x}")(lambda x: 0)
    assert router.node is router.node
    with pytest.raises(RuntimeError, match="in use"):
        router.file("/y")
    with pytest.raises(RuntimeError, match="in use"):
        route.write(lambda x, data: None)


# -------------------------------------------------------------------------------- convertors of its own


def test_convertors_belong_to_their_router() -> None:
    router = Router(convertors={"colour": Colour})
    router.convertor("even", Even())
    router.file("/{x:colour}/{n:even}")(lambda x, n: 0)
    assert router.match("/red/4").parameters == {"x": Colour.RED, "n": 4}
    with pytest.raises(ValueError, match="no convertor 'colour'"):
        Router().file("/{x:colour}")(lambda x: 0)
    with pytest.raises(ValueError, match="already"):
        router.convertor("even", Even())
    with pytest.raises(ValueError, match="already"):
        router.convertor("int", Even())
    with pytest.raises(ValueError, match="no name"):
        router.convertor("a b", Even())
    with pytest.raises(TypeError, match="neither a class nor an object"):
        Router(convertors={"x": 5})


# -------------------------------------------------------------------------------- routers in routers and dirs


def test_a_router_below_a_prefix() -> None:
    users = Router(convertors={"colour": Colour})
    users.file("/{name}")(lambda name: f"user {name}")
    users.file("/by/{x:colour}")(lambda x: x.name)
    app = Router()
    app.file("/v1/about")(lambda: "about")
    app.include("/v1/users", users)
    assert app.match("/v1/users/ada").parameters == {"name": "ada"}
    assert app.match("/v1/users/by/red").parameters == {"x": Colour.RED}
    assert app.node["v1/users/by/red"].content() == b"RED\n"  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError, match="included at '/v1/users'"):
        users.file("/more")


def test_an_include_that_is_refused_has_changed_nothing() -> None:
    other = Router()
    other.file("/a")(lambda: 0)
    other.file("/b")(lambda: 0)
    app = Router()
    app.file("/o/b")(lambda: 0)
    with pytest.raises(ValueError, match=r"include\('/o'\).*file '/b' is in conflict with file '/o/b'"):
        app.include("/o", other)
    assert not app.match("/o/a")
    assert app.match("/o/b")
    other.file("/c")(lambda: 0)
    app.include("/p", other)
    assert app.match("/p/c")
    with pytest.raises(ValueError, match="has parameters"):
        app.include("/{x}", Router())
    with pytest.raises(ValueError, match="itself"):
        app.include("/x", app)
    with pytest.raises(TypeError, match="mount"):
        app.include("/x", Dir())  # type: ignore[arg-type]


def test_routers_and_nodes_hang_in_each_other() -> None:
    inner = Router()
    inner.file("/x")(lambda: "x")
    app = Router()
    app.mount("/dir", {"a": "1", "inner": inner})
    app.mount("/deep/file", File("f"))
    root = Dir({"api": app})
    assert root["api/dir/a"] is app.node["dir/a"]
    assert root["api/dir/inner/x"].content() == b"x\n"  # type: ignore[attr-defined]
    assert root["api/deep/file"].content() == b"f"  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="already in this tree"):
        root["again"] = app
    with pytest.raises(ValueError, match="has parameters"):
        Router().mount("/{x}", "text")
    with pytest.raises(ValueError, match="the top of a router"):
        Router().mount("/", {})
    with pytest.raises(TypeError, match="does not become a node"):
        Router().mount("/x", object())


def test_a_router_is_printed_as_a_tree() -> None:
    app = Router()

    @app.file("/users/{name}.json")
    def user(name: str) -> str:
        """A user."""
        return name

    @app.list("/users")
    def users() -> list[str]:
        """All users."""
        return ["ada"]

    @user.getattr
    def _(name: str) -> Attributes:
        return Attributes(size=5)

    assert str(tree(app)).splitlines()[1:] == [
        "dr-xr-xr-x - └── users  # All users.",
        "-r--r--r-- -     └── ada.json  # A user.",
    ]
