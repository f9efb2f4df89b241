"""The first signal waits for the step in hand."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from repro.nn.training.interrupt import deferred


@pytest.fixture(autouse=True)
def in_the_foreground() -> Iterator[None]:
    """Whatever a shell begins in the background ignores SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_only_asks(number: int) -> None:
    before = signal.getsignal(number)
    with deferred() as stop:
        assert not stop.asked
        os.kill(os.getpid(), number)
        assert stop.asked
    assert signal.getsignal(number) is before


def test_a_second_ctrl_c_does_what_it_would_outside() -> None:
    with pytest.raises(KeyboardInterrupt), deferred():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_threads_change_no_handler() -> None:
    before, seen = signal.getsignal(signal.SIGINT), []

    def look() -> None:
        with deferred() as stop:
            seen.append((stop.asked, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [(False, before)]
