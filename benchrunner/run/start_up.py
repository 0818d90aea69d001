"""An image brought to its board and started, and whether what answers is that image."""

from __future__ import annotations

from benchrunner.deadline import Deadline
from benchrunner.errors import LabError, WrongImageError
from benchrunner.protocol.messages import FidelityCode, Manifest
from benchrunner.record import Fidelity, NotMeasured
from benchrunner.run.device import Device
from benchrunner.run.draft import Draft, conditions, timing_model
from benchrunner.run.prepare import Image, Prepared
from benchrunner.run.request import Limits, Observer, RunRequest, Step, StepTimer
from benchrunner.session import mcu
from benchrunner.session.link import Link

_FIDELITY = {
    FidelityCode.MEASURED: Fidelity.MEASURED,
    FidelityCode.EMULATED: Fidelity.EMULATED,
    FidelityCode.SIMULATED: Fidelity.SIMULATED,
}


def check_identity(
    manifest: Manifest,
    request: RunRequest,
    prepared: Prepared,
    image: Image,
    connection: Device,
    draft: Draft,
) -> None:
    """Refuse firmware that is not what was built for this chip; keep the conditions that it announces.

    Raises `WrongImageError` and as `mcu.check_manifest`.
    """
    announced = _FIDELITY[manifest.fidelity]
    if announced is not connection.fidelity:
        raise WrongImageError(
            f"the chip is {connection.fidelity} by its unique id, its firmware announces {announced}",
            hint="a number must not pass for what it is not: rebuild the firmware for this board",
        )
    draft.conditions = conditions(manifest)
    draft.timing_model = timing_model(manifest)
    mcu.check_manifest(
        manifest,
        mcu.Expected(
            board=request.board.id,
            chip_id=connection.mcu.chip.chip_id,
            image_sha256=image.info.image_sha256,
            model_sha256=bytes.fromhex(prepared.model.sha256),
            input_bytes=tuple(len(data) for data in prepared.inputs),
            output_bytes=tuple(len(data) for data in prepared.reference),
        ),
    )


def bring_up(
    image: Image,
    connection: Device,
    link: Link,
    limits: Limits,
    draft: Draft,
    timer: StepTimer,
    observer: Observer,
) -> Manifest:
    """Flash the image and start it.

    Where flash was taken as unchanged by samples, the SHA-256 that the firmware announces is the proof;
    without it every byte is compared after all (docs/decisions/reflash.md).
    """

    def flash(*, full: bool) -> bool:
        """Whether all of the image was seen in flash, and not only samples of it."""
        with timer(Step.FLASH, f"{len(image.data) / 1024:.1f} KiB"):
            draft.flashing = connection.program(
                image,
                lambda done, total: observer.progress(done, total, "bytes"),
                Deadline(limits.flash_s),
                full=full,
            )
        return isinstance(draft.flashing, NotMeasured) or draft.flashing.verified_by != "sample"

    def boot() -> Manifest:
        with timer(Step.BOOT):
            connection.start_application(Deadline(limits.boot_s))
            return link.wait_for_manifest(Deadline(limits.boot_s))

    seen = flash(full=False)
    try:
        manifest = boot()
        if seen or manifest.image_sha256 == image.info.image_sha256:
            return manifest
        problem = "the firmware announces another image"
    except LabError as error:
        if seen:
            raise
        problem = error.message
    draft.warnings.append(f"flash looked unchanged by samples, but {problem}: every byte was compared")
    with timer(Step.CONNECT):
        connection.identify(Deadline(limits.connect_s))
    flash(full=True)
    return boot()
