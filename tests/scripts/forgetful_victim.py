"""Victims whose journal keeps no vote: a planted bug that a trial must notice. For tests alone."""

from node import records
from node.journal import FileJournal, Record
from scripts.crashes import victim

if __name__ == "__main__":
    append = FileJournal.append

    def forget_votes(self: FileJournal, record: Record) -> None:
        if record.kind != records.REQUEST:
            append(self, record)

    FileJournal.append = forget_votes  # type: ignore[method-assign]
    victim.main()
