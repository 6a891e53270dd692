#!/usr/bin/env python3
"""The checker of flags finds what it is there for: run by .ci/run, before the checker itself."""

import unittest

from flags import flags


class Flags(unittest.TestCase):
    def test_flags_in_strings_and_comments_are_found(self):
        text = (
            'fn a() -> &\'static str { "give one with --store" }\n'
            'const B: &str = "first \\"word\\"; \\\n    --ca-file helps";\n'
            'const C: &str = r#"a "quoted" --keep"#;\n'
            "/// The value of `--max-time`.\n"
            "/* --like */\n"
            'const D: (char, &str) = (\'"\', "--quoted");\n'
        )
        expected = [(1, "--store"), (3, "--ca-file"), (4, "--keep"), (5, "--max-time"), (6, "--like"), (7, "--quoted")]
        self.assertEqual(flags(text), expected)

    def test_dashes_in_code_and_flags_of_cargo_are_no_flags(self):
        text = (
            "let c = a - --b; let d: &'static str = e;\n"
            '// Run `cargo test -- --ignored record`.\nconst F: &str = "a -- b --- c x--y";\nlet g = \'\\\'\';\n'
        )
        self.assertEqual(flags(text), [])


if __name__ == "__main__":
    unittest.main()
