"""A reader process of the transactions' stress: reads what belongs together until told to stop, and prints
what did not. Not a test; started by test_transactions.py.

Everything that it reads tells a number, which a transaction raises everywhere at once. What is read after
`version` was N is of N or later, and what is read before `version` was N is of N or earlier; a computed file
tells two numbers, which must be the same, and so do the names of a listing.

    transaction_reader.py FOLDER STOPFILE
"""

from __future__ import annotations

import os
import sys

MODULUS = 499


def numbers_of(names: list[str]) -> set[int]:
    """The numbers that names tell, each of which stands in two of them. (A listing takes two requests at
    least, as only the last one finds nothing, and may go on with the names of a later transaction.)
    """
    numbers = {int(name[1:]) for name in names}
    if {f"{letter}{number}" for letter in "ab" for number in numbers} != set(names):
        raise ValueError(f"a part of a transaction in {names}")
    return numbers


def main() -> None:
    folder, stop = sys.argv[1:]
    rounds = wrong = 0
    print("ready", flush=True)

    def read(name: str) -> str:
        with open(f"{folder}/{name}", "rb", buffering=0) as file:
            return file.read(1 << 16).decode()

    while not os.path.exists(stop) and wrong < 5:
        rounds += 1
        first = int(read("version"))
        listed = numbers_of(os.listdir(f"{folder}/names"))
        numbers = {
            "first name": min(listed),
            "last name": max(listed),
            "entry": int(read("other")),
            "cached file": int(read("file").split(".")[0]),
            "link": int(os.readlink(f"{folder}/link")),
            "mtime": os.stat(f"{folder}/file").st_mtime_ns,
        }
        both = read("both").split()
        if both[0] != both[1]:
            print(f"a part of a transaction in a computed file: {both}")
            wrong += 1
        numbers["computed"] = int(both[0])
        if numbers["mtime"] < first:  # see reader.py: filled while a reply was being entered
            numbers["mtime"] = os.stat(f"{folder}/file").st_mtime_ns
        last = int(read("version"))
        for what, number in numbers.items():
            if not first <= number <= last:
                print(f"round {rounds}: {what} of {number} between versions {first} and {last}")
                wrong += 1
        # The size tells the number modulo a prime, and names of before are gone.
        os.stat(f"{folder}/file")
        size, version = os.stat(f"{folder}/file").st_size, int(read("version"))
        if version - last < MODULUS and (size - 100) % MODULUS not in {
            number % MODULUS for number in range(last, version + 1)
        }:
            print(f"round {rounds}: size {size} between versions {last} and {version}")
            wrong += 1
        if os.path.exists(f"{folder}/names/a{last - 1}"):
            print(f"round {rounds}: the name of {last - 1} after version {last}")
            wrong += 1
    print(f"rounds {rounds}")


if __name__ == "__main__":
    main()
