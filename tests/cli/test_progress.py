import io

from benchrunner.cli.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_log_gets_one_line_a_step_and_nothing_is_rewritten() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = Progress(stream, clock=clock)
    progress.step("flash", "194 KiB")
    clock.now_s = 1.5
    progress.update(10, 100, "bytes")
    progress.step("boot")
    clock.now_s = 1.75
    progress.done()
    assert stream.getvalue() == "    1.50 s  flash     194 KiB\n    0.25 s  boot\n"


def test_a_long_step_in_a_log_says_now_and_then_how_far_it_is() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = Progress(stream, clock=clock)
    progress.step("flash", "194 KiB")
    for second in range(1, 21):
        clock.now_s = second
        progress.update(second * 2048, 30 * 2048, "bytes")
    lines = stream.getvalue().splitlines()
    assert lines == [
        "      33 %  flash     194 KiB  2.0 KiB/s  20 s left",
        "      66 %  flash     194 KiB  2.0 KiB/s  10 s left",
    ]


def test_on_a_terminal_the_line_is_rewritten_in_place() -> None:
    stream, clock = Terminal(), Clock()
    progress = Progress(stream, clock=clock)
    progress.step("timed")
    clock.now_s = 2.0
    progress.update(4, 8, "inferences")
    progress.done()
    assert stream.getvalue().count("\n") == 1
    assert "2.0 inferences/s  2 s left" in stream.getvalue()
    assert stream.getvalue().endswith("2.00 s  timed\n")
