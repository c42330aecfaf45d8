"""What a run wrote: CSV files, each a list of rows by their columns' names."""

import csv


def rows(file):
    return list(csv.DictReader(file.read_text().splitlines()))


def of_run(folder):
    """By CPU alone, with requests beside it, and the second one simulated."""
    return tuple(rows(folder / f"{name}.csv") for name in ("cpu", "requests", "simulated"))
