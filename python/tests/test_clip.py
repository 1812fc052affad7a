"""Cutting text to UTF-16 lengths."""

import unittest

from iso_runner_path import clip


class Clip(unittest.TestCase):
    def test_units_count_as_the_host_does(self) -> None:
        self.assertEqual([clip.units(text) for text in ("", "abc", "ä✓", "\U0001f600a", "\ud800")], [0, 3, 2, 3, 1])

    def test_beginning(self) -> None:
        self.assertEqual(clip.clip("abcdef", 3), "abc")
        self.assertEqual(clip.clip("a\U0001f600b", 2), "a")
        self.assertEqual(clip.clip("abc", 3), "abc")

    def test_middle(self) -> None:
        text = "a" * 1000 + "\U0001f600" * 1000 + "z" * 1000
        cut = clip.clip_middle(text, 1000)
        self.assertLessEqual(clip.units(cut), 1000)
        self.assertTrue(cut.startswith("aaa") and cut.endswith("zzz"))
        self.assertIn("characters left out", cut)
        self.assertEqual(clip.clip_middle("short", 1000), "short")
