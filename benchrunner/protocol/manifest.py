"""The payload of the manifest message (docs/protocol.md, section "Manifest")."""

from __future__ import annotations

import struct

from benchrunner.protocol.messages import FidelityCode, Manifest

MIN_PAYLOAD_BYTES = 64  # a device receives at least this much
TEXT_LIMIT_BYTES = 4096
_FIXED = struct.Struct("<BBHIIBBHIIIHH32s32sBBH")  # protocol version .. text length; sizes and text follow
_U32 = struct.Struct("<I")
_FLAGS = ("icache", "dcache", "prefetch", "counter_running")  # bits 0 .. 3


def pack(manifest: Manifest) -> bytes:
    """The payload. Raises `ValueError` or `struct.error` where a field does not fit its place."""
    for key, value in manifest.text.items():
        if not key or "=" in key or "\n" in key + value:
            raise ValueError(f"manifest text {key!r}: {value!r} cannot be written as a line of key=value")
    text = "".join(f"{key}={value}\n" for key, value in sorted(manifest.text.items())).encode()
    if len(text) > TEXT_LIMIT_BYTES or len(manifest.image_sha256) != 32 or len(manifest.model_sha256) != 32:
        raise ValueError(f"manifest with {len(text)} bytes of text, or a digest that is not 32 bytes")
    fixed = _FIXED.pack(
        manifest.protocol_version,
        manifest.fidelity,
        manifest.chip_id,
        manifest.core_clock_hz,
        manifest.time_scale_permille,
        sum(getattr(manifest, name) << bit for bit, name in enumerate(_FLAGS)),
        manifest.flash_wait_states,
        manifest.max_payload_bytes,
        manifest.max_samples,
        manifest.loop_overhead_cycles,
        manifest.reset_cause,
        manifest.layer_count,
        manifest.window_frames,
        manifest.image_sha256,
        manifest.model_sha256,
        len(manifest.input_bytes),
        len(manifest.output_bytes),
        len(text),
    )
    sizes = manifest.input_bytes + manifest.output_bytes
    return fixed + b"".join(map(_U32.pack, sizes)) + text


def unpack(payload: bytes) -> Manifest:
    """The inverse of `pack`. Raises `ValueError` or `struct.error` for anything that
    `pack` does not write; only the order of the text lines is free.
    """
    (
        protocol_version,
        fidelity,
        chip_id,
        core_clock_hz,
        time_scale_permille,
        flags,
        flash_wait_states,
        max_payload_bytes,
        max_samples,
        loop_overhead_cycles,
        reset_cause,
        layer_count,
        window_frames,
        image_sha256,
        model_sha256,
        input_count,
        output_count,
        text_bytes,
    ) = _FIXED.unpack_from(payload)
    text_start = _FIXED.size + _U32.size * (input_count + output_count)
    if text_bytes > TEXT_LIMIT_BYTES or text_start + text_bytes != len(payload):
        raise ValueError(
            f"{input_count}+{output_count} tensors and {text_bytes} bytes of text do not fill it"
        )
    if flags >> len(_FLAGS):
        raise ValueError(f"flags {flags:#x}: only bits 0..{len(_FLAGS) - 1} have a meaning")
    if max_payload_bytes < MIN_PAYLOAD_BYTES or window_frames < 1:
        raise ValueError(f"a device that receives {max_payload_bytes} bytes, {window_frames} frames at once")
    sizes = [size for (size,) in _U32.iter_unpack(payload[_FIXED.size : text_start])]
    icache, dcache, prefetch, counter_running = (bool(flags >> bit & 1) for bit in range(len(_FLAGS)))
    return Manifest(
        protocol_version=protocol_version,
        fidelity=FidelityCode(fidelity),
        chip_id=chip_id,
        core_clock_hz=core_clock_hz,
        time_scale_permille=time_scale_permille,
        image_sha256=image_sha256,
        model_sha256=model_sha256,
        icache=icache,
        dcache=dcache,
        prefetch=prefetch,
        counter_running=counter_running,
        flash_wait_states=flash_wait_states,
        max_payload_bytes=max_payload_bytes,
        window_frames=window_frames,
        max_samples=max_samples,
        layer_count=layer_count,
        loop_overhead_cycles=loop_overhead_cycles,
        reset_cause=reset_cause,
        input_bytes=tuple(sizes[:input_count]),
        output_bytes=tuple(sizes[input_count:]),
        text=_pairs(payload[text_start:].decode()),
    )


def _pairs(text: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    if text and not text.endswith("\n"):
        raise ValueError("its last line is not closed")
    for line in text.split("\n")[:-1]:
        key, equals, value = line.partition("=")
        if not key or not equals or key in pairs:
            raise ValueError(f"text line {line!r} is not key=value, or the key is there twice")
        pairs[key] = value
    return pairs
