"""A window with a text field, as another program would have it; its content lies in a file after each change.

    python desktop_field.py CONTENT LEFT TOP WIDTH HEIGHT

The first line of its output is its window's number.
"""

import sys
from pathlib import Path

from PySide6.QtWidgets import QApplication, QPlainTextEdit


def main() -> None:
    """Show it until the process is ended."""
    content = Path(sys.argv[1])
    application = QApplication(["field"])
    field = QPlainTextEdit()
    field.setWindowTitle("field")
    field.setGeometry(*map(int, sys.argv[2:6]))

    def keep() -> None:
        part = content.with_suffix(".part")
        part.write_text(field.toPlainText(), encoding="utf-8")
        part.replace(content)

    field.textChanged.connect(keep)
    field.show()
    keep()
    print(int(field.winId()), flush=True)  # noqa: T201 - the number is its output
    application.exec()


main()
