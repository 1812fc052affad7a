"""The Python codec, replayed against the vectors that the TypeScript one replays too."""

import json
import random
import unittest
from pathlib import Path

from iso_runner_path import frames

VECTORS = json.loads((Path(__file__).resolve().parents[2] / "tests" / "vectors" / "frames.json").read_text("utf-8"))
# What a runner may send, as the host's codec has it.
FROM_RUNNER = {
    **dict.fromkeys((b"O", b"E", b"L"), frames.MAX_OUTPUT_BYTES),
    b"T": frames.MAX_TRACE_FRAME_BYTES,
    **dict.fromkeys((b"H", b"P", b"X"), 64 * 1024),
    **dict.fromkeys((b"B", b"U"), 1024),
    b"C": frames.MAX_PAYLOAD_BYTES,
}


def drain(decoder: frames.Decoder) -> list[frames.Frame]:
    found = []
    frame = decoder.next()
    while frame is not None:
        found.append(frame)
        frame = decoder.next()
    return found


class Vectors(unittest.TestCase):
    def test_frames_at_every_split(self) -> None:
        for vector in VECTORS["frames"]:
            data = bytes.fromhex(vector["bytes"])
            expected = [(kind.encode(), payload.encode()) for kind, payload in vector["expect"]]
            for split in range(len(data) + 1):
                with self.subTest(vector["name"], split=split):
                    decoder = frames.Decoder(FROM_RUNNER)
                    found = []
                    for chunk in (data[:split], data[split:]):
                        decoder.feed(chunk)
                        found += drain(decoder)
                    self.assertEqual([tuple(frame) for frame in found], expected)

    def test_frames_are_encoded_alike(self) -> None:
        for vector in VECTORS["frames"]:
            data = b"".join(frames.encode(kind.encode(), payload.encode()) for kind, payload in vector["expect"])
            self.assertTrue(bytes.fromhex(vector["bytes"]).startswith(data), vector["name"])

    def test_bad_headers(self) -> None:
        for vector in VECTORS["badHeaders"]:
            with self.subTest(vector["name"]):
                decoder = frames.Decoder(FROM_RUNNER)
                decoder.feed(bytes.fromhex(vector["bytes"]))
                for _ in range(vector["framesBefore"]):
                    self.assertIsNotNone(decoder.next())
                with self.assertRaises(frames.FrameError):
                    decoder.next()


class Robustness(unittest.TestCase):
    def test_random_bytes_raise_frame_errors_only(self) -> None:
        source = random.Random(7)
        for _ in range(1000):
            decoder = frames.Decoder(frames.FROM_PROGRAM)
            try:
                for _ in range(5):
                    decoder.feed(source.randbytes(source.randrange(40)))
                    drain(decoder)
            except frames.FrameError:
                pass

    def test_json_has_no_nan(self) -> None:
        with self.assertRaises(ValueError):
            frames.encode_json(b"C", {"x": float("nan")})
