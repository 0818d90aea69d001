"""What a person reads about a finished measurement, below its table."""

from __future__ import annotations

from collections.abc import Mapping

from benchrunner.accuracy.document import AccuracyDocument, Comparison, Figure, Source
from benchrunner.report.cells import one_line

_SHOWN = 8  # images or pairs of classes; the document has the rest
_LARGEST_MATRIX = 12  # classes, so that it fits a terminal
_CELL = 6


def describe(document: AccuracyDocument) -> list[str]:
    """Data, agreement, what differs, what could not be read, and the confusions."""
    data = document.dataset
    part = f", split {data.split}" if data.split else ""
    some = f" of {data.images}" if data.chosen != data.images else ""
    lines = [
        f"{one_line(data.path)}: {data.layout}{part}, {data.chosen}{some} images, "
        f"{len(data.classes)} classes",
        f"input: {stated_input(document.preprocessing)}",
    ]
    for each in document.agreements:
        line = f"{each.first} and {each.second}: the same class for {each.same_class} of {each.images} images"
        if each.same_bytes is not None:
            line += f", the same bytes for {each.same_bytes}"
            if each.same_bytes != each.images:
                line += f" (largest difference {each.largest_difference_lsb} LSB)"
        lines.append(line)
    lines += _comparison(document)
    if document.differing_count:
        lines.append(f"images with differing answers: {document.differing_count}")
        lines += [f"  {_answers(document, index)}" for index in range(min(_SHOWN, len(document.differing)))]
    if data.used != data.chosen:
        lines.append(f"images that could not be read, and are in no figure: {data.chosen - data.used}")
        lines += [f"  {one_line(each.name)}: {one_line(each.reason)}" for each in data.unreadable[:_SHOWN]]
    if data.passed_over_count:
        names = ", ".join(one_line(name) for name in data.passed_over[:_SHOWN])
        lines.append(f"files that are no images by their names: {data.passed_over_count} ({names})")
    figure = document.figure(Source.DEVICE) or document.figure(Source.HOST)
    if figure is not None:
        lines += _confusion(document, figure)
    return lines


def stated_input(steps: Mapping[str, str | int | float | list[float]]) -> str:
    """The pre-processing in one line."""
    text = f"{steps['size']}; channels: {steps['channels']}; resize: {steps['resize']}; fit: {steps['fit']}; "
    text += f"pixel * {steps['scale']:.9g} + {steps['offset']:g}; mean {steps['mean']}, "
    text += f"std {steps['std']}; {steps['input_type']}"
    if steps["input_scale"]:
        text += f" with scale {steps['input_scale']:.9g}, zero point {steps['input_zero_point']}"
    return text


def _comparison(document: AccuracyDocument) -> list[str]:
    """What the device's kernels are held to, where that is not the host's bytes."""
    compared, board = document.comparison, document.board
    if compared is None or board is None or (not board.kernels and compared.exact):
        return []
    return [
        f"kernels of the device: {board.engine_version}, {board.kernels}",
        f"compared with {comparison_line(compared)}",
    ]


def comparison_line(compared: Comparison) -> str:
    """What the device's outputs were held to, and how near they are."""
    held = "which must be equal" if compared.exact else "the nearest kernels on this computer"
    line = f"{compared.reference} ({held}): the same bytes for {compared.same_bytes} of "
    line += f"{compared.images} images"
    if compared.same_bytes != compared.images:
        line += (
            f", others by up to {compared.largest_difference_lsb} LSB (allowed {compared.tolerance_lsb}), "
            f"{compared.beyond} by more; {compared.images - compared.same_class} with another class"
        )
    return line


def _answers(document: AccuracyDocument, index: int) -> str:
    image, classes = document.differing[index], document.dataset.classes
    said = [
        f"{source} {one_line(classes[found])}"
        for source, found in (
            (Source.FLOAT_HOST, image.float_class),
            (Source.HOST, image.host_class),
            (Source.DEVICE, image.device_class),
        )
        if found is not None
    ]
    bits = ""
    if image.difference_lsb:
        bits = f"; the device is off by {image.difference_lsb} LSB"
    elif image.difference_lsb is None and image.device_equals_host is False:  # a document of version 1
        bits = "; the device's bytes are not the host's"
    return f"{one_line(image.name)}: is {one_line(classes[image.label])}; {', '.join(said)}{bits}"


def _confusion(document: AccuracyDocument, figure: Figure) -> list[str]:
    classes = document.dataset.classes
    if len(classes) <= _LARGEST_MATRIX:
        head = " ".join(one_line(name)[:_CELL].rjust(_CELL) for name in classes)
        rows = [
            one_line(name)[:12].rjust(12) + "  " + " ".join(str(count or ".").rjust(_CELL) for count in row)
            for name, row in zip(classes, figure.confusion, strict=True)
        ]
        return [
            f"confusion, {figure.source} (rows: what it is, columns: the answer)",
            f"{'':12}  {head}",
            *rows,
        ]
    pairs = sorted(
        (-count, label, found)
        for label, row in enumerate(figure.confusion)
        for found, count in enumerate(row)
        if count and label != found
    )
    worst = [
        f"  {one_line(classes[label])} taken for {one_line(classes[found])}: {-count}"
        for count, label, found in pairs[:_SHOWN]
    ]
    return (
        [f"most frequent confusions, {figure.source} ({len(pairs)} pairs of classes)", *worst]
        if worst
        else []
    )
