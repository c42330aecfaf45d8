"""Results of a run → one table in Markdown on stdout.

    report.py FOLDER
"""

import json
import sys
from pathlib import Path

ORDER = ["start", "cpu", "encoder", "throughput", "overload", "drain", "faults", "hostile", "soak", "deploy"]


def rows(record):
    name = record["scenario"]
    for figure, value in record["figures"].items():
        yield name, figure, value, ""
    for fact in record["facts"]:
        yield name, fact["fact"], fact["seen"], "holds" if fact["holds"] else "**does not hold**"


def main(folder):
    records = [json.loads(file.read_text()) for file in folder.glob("*.json")]
    records.sort(key=lambda record: ORDER.index(record["scenario"]))
    for processor in sorted({record["processor"] for record in records}):
        print(f"Processor: {processor}{'; quick run' if any(record['quick'] for record in records) else ''}\n")
    print("| scenario | what | seen | fact |\n|---|---|---|---|")
    for record in records:
        for row in rows(record):
            print("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")


main(Path(sys.argv[1]))
