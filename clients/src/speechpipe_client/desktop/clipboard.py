"""The clipboard: text is lent to the focused window, then what was there before comes back."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final

from PySide6.QtCore import QMimeData, QObject, QTimer, Signal
from PySide6.QtGui import QClipboard, QGuiApplication

_TAKEN_SECONDS: Final = 3.0
"""A window that has not asked for the text by then will not."""
_SETTLE_SECONDS: Final = 0.05
"""Between the answer and the next key: a window may put the text in only after it has read its other messages."""
_RESTORE_MS: Final = 800
_KEPT_BYTES: Final = 8_000_000
"""Of one format of what was on the clipboard before; larger pictures are not brought back."""


class _Offer(QMimeData):
    """Text that notices when somebody asks for it."""

    def __init__(self, text: str, asked: Callable[[], None]) -> None:
        super().__init__()
        self._asked = asked
        self.setText(text)

    def retrieveData(self, mimetype: str, preferred: Any) -> Any:  # noqa: ANN401 - Qt's name and types
        """Qt calls this for whoever pastes."""
        self._asked()
        return super().retrieveData(mimetype, preferred)


class Clipboard(QObject):
    """Made in Qt's thread; ``offer`` is called from another one."""

    _asked_of_main = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._asked_of_main.connect(lambda work: work())
        self._before: dict[str, bytes] | None = None
        self._left = ""
        self._restoring = QTimer(self, singleShot=True, interval=_RESTORE_MS)
        self._restoring.timeout.connect(self._restore)

    def leave(self, text: str) -> None:
        """Leave text on the clipboard, behind what was left there last; in Qt's thread."""
        self._restoring.stop()
        self._before = None
        clipboard = QGuiApplication.clipboard()
        self._left = self._left + text if self._left and clipboard.text() == self._left else text.lstrip()
        clipboard.setText(self._left)

    def offer(self, text: str, press: Callable[[], None]) -> bool:
        """Lend text while ``press`` makes a window paste; whether somebody asked for it. Not in Qt's thread.

        A clipboard manager asks at once, before anything is pressed; that does not count.
        """
        taken = threading.Event()
        self._in_main(lambda: self._lend(text, taken.set))
        taken.clear()
        press()
        was_taken = taken.wait(_TAKEN_SECONDS)
        if was_taken:
            threading.Event().wait(_SETTLE_SECONDS)
            self._in_main(self._restoring.start)
        return was_taken

    def _in_main(self, work: Callable[[], None]) -> None:
        done: Future[None] = Future()

        def run() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - raised again where it was asked for
                done.set_exception(error)
            else:
                done.set_result(None)

        self._asked_of_main.emit(run)
        done.result()

    def _lend(self, text: str, asked: Callable[[], None]) -> None:
        clipboard = QGuiApplication.clipboard()
        self._restoring.stop()
        if self._before is None:
            self._before = _contents(clipboard.mimeData())
        clipboard.setMimeData(_Offer(text, asked))
        if clipboard.supportsSelection():  # terminals paste the selection
            clipboard.setMimeData(_Offer(text, asked), QClipboard.Mode.Selection)

    def _restore(self) -> None:
        before, self._before = self._before, None
        if before is None:
            return
        data = QMimeData()
        for kind, value in before.items():
            data.setData(kind, value)
        QGuiApplication.clipboard().setMimeData(data)


def _contents(data: QMimeData) -> dict[str, bytes]:
    values = {kind: data.data(kind).data() for kind in data.formats()}
    return {kind: bytes(value) for kind, value in values.items() if len(value) <= _KEPT_BYTES}
