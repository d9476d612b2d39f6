"""An SQLite database as directories: tables, their rows by number, and queries whose results are live.

python examples/sqlite_tables.py DATABASE MNT
cat MNT/tables/users/rows/1/name; echo 'select count(*) from users' > MNT/queries/n; cat MNT/results/n

Nothing is read before it is asked for, so a table may have millions of rows.
"""

import contextlib
import functools
import sqlite3
import sys
from collections.abc import Iterator
from typing import Any

import fusetree
from fusetree import Dir, DynamicDir, MappingDir


def query(sql: str, *values: Any) -> Iterator[sqlite3.Row]:
    """The rows of a query; the connection is this reader's own, and cannot write."""
    with contextlib.closing(sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)) as database:
        database.row_factory = sqlite3.Row
        yield from database.execute(sql, values)


def tables() -> list[str]:
    """The names of the tables that are there now."""
    return [row[0] for row in query("select name from sqlite_master where type = 'table'")]


@functools.cache
def directory(table: str) -> Dir:
    """The directory of one table."""
    rows = 'select {} from "' + table.replace('"', '""') + '"'
    row_of = functools.partial(query, rows.format("*") + " where rowid = ?")
    ids = functools.partial(query, rows.format("rowid"))
    schema = functools.partial(query, "select sql from sqlite_master where name = ?", table)
    by_number = DynamicDir(lambda n: next(map(dict, row_of(n)), None), lambda: (str(row[0]) for row in ids()))
    return Dir({"schema": lambda: next(schema())[0], "rows": by_number})


def result(name: str) -> Any:
    """What a query gives now, a line for each row, with tabs between the columns."""
    sql = queries[name]
    return lambda: "".join("\t".join(map(str, row)) + "\n" for row in query(sql))


queries = {"tables": "select name from sqlite_master\n"}
root = {
    "tables": DynamicDir(lambda name: directory(name) if name in tables() else None, tables),
    "queries": MappingDir(queries),
    "results": DynamicDir(result, lambda: list(queries)),
}

if __name__ == "__main__":
    fusetree.run(root, sys.argv[2])
