#!/usr/bin/env python3
"""The checker of the layers finds what it is there for: run by .ci/run, before the checker itself."""

import tempfile
import unittest
from pathlib import Path

import circles


def crate(files):
    """A crate with these files, and the circles that the checker finds in it."""
    with tempfile.TemporaryDirectory() as root:
        for name, text in files.items():
            file = Path(root) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return [group for group, _ in circles.Crate(Path(root)).circles()]


class Circles(unittest.TestCase):
    def test_a_circle_across_folders_is_found(self):
        found = crate(
            {
                "lib.rs": "mod plan;\nmod flows;\n",
                "plan.rs": "mod recipe;\n",
                "plan/recipe.rs": "use crate::flows::make::{\n    Options, Report,\n};\n",
                "flows.rs": "pub(crate) mod make;\n",
                "flows/make.rs": "use super::super::plan;\nuse crate::plan::recipe::Recipe as Wanted;\n",
            }
        )
        self.assertEqual(found, [[("flows",), ("plan",)]])

    def test_a_circle_by_a_reexport_or_a_path_in_code_is_found(self):
        found = crate(
            {
                "lib.rs": "mod a;\nmod b;\npub use a::deep::Thing;\n",
                "a.rs": "mod deep;\n",
                "a/deep.rs": "pub struct Thing;\nfn call() { crate::b::act() }\n",
                "b.rs": "use crate::Thing;\n",
            }
        )
        self.assertEqual(found, [[("a",), ("b",)]])

    def test_a_circle_deeper_down_is_found(self):
        found = crate(
            {
                "lib.rs": "mod flows;\n",
                "flows.rs": "mod gc;\nmod make;\n",
                "flows/gc.rs": "mod keep;\nuse super::make::encode;\n",
                "flows/gc/keep.rs": "",
                "flows/make.rs": "use super::gc::keep::is_index_name;\n",
            }
        )
        self.assertEqual(found, [[("flows", "gc"), ("flows", "make")]])

    def test_files_of_one_folder_may_know_each_other(self):
        self.assertEqual(crate({"lib.rs": "", "a.rs": "use crate::b::B;\n", "b.rs": "use crate::a::A;\n"}), [])

    def test_comments_and_tests_do_not_count(self):
        found = crate(
            {
                "lib.rs": "",
                "a.rs": "mod deep;\n// use crate::b::B;\n#[cfg(test)]\nmod tests {\n    use crate::b::B;\n}\n",
                "a/deep.rs": "#[cfg(test)]\nmod tests;\n",
                "a/deep/tests.rs": "use crate::b::B;\n",
                "b.rs": "use crate::a::deep::Thing;\n",
            }
        )
        self.assertEqual(found, [])


class Map(unittest.TestCase):
    def test_a_dependency_that_the_map_forbids_is_found(self):
        with tempfile.TemporaryDirectory() as root:
            for name in circles.MAP:
                (Path(root) / name).mkdir()
                (Path(root) / name / "Cargo.toml").write_text("[dependencies]\nthiserror = '2'\n")
            self.assertEqual(circles.faults_of_map(Path(root)), [])
            (Path(root) / "patch" / "Cargo.toml").write_text("[dependencies]\nregrow-store = { path = '../store' }\n")
            [fault] = circles.faults_of_map(Path(root))
            self.assertIn("patch/Cargo.toml: regrow-store", fault)


if __name__ == "__main__":
    unittest.main()
