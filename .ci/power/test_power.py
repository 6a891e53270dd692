"""The replayer catches what it is for: programs that do not sync what they must, and logs that it cannot replay."""

import os
import random
import subprocess
import sys
import tempfile
import unittest

from model import FileSystem
from record import UnknownCall, parse, record, text
from replay import Replay

PRELUDE = """
import mmap, os
OLD, NEW = b"o" * 10_000, b"n" * 9_000
def put(name, data):
    file = os.open(name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    os.write(file, data)
    return file
def sync(name):
    file = os.open(name, os.O_RDONLY)
    os.fsync(file)
    os.close(file)
"""
OLD, NEW = b"o" * 10_000, b"n" * 9_000


class States(unittest.TestCase):
    """States of small programs."""

    def outcomes(self, program, name="out", at_end=False):
        """What `name` may hold after a cut, at any moment or at the end; None where it is not there."""
        with tempfile.TemporaryDirectory() as folder:
            root = os.path.realpath(folder) + "/root"
            os.makedirs(f"{root}/sub")
            with open(f"{root}/out", "wb") as file:
                file.write(OLD)
            model = FileSystem(root)
            program = PRELUDE + program
            command = [sys.executable, "-I", "-S", "-c", program]
            calls = record(command, f"{folder}/log", cwd=root, stdin=subprocess.DEVNULL)
        replay, chance, found = Replay(model, root), random.Random(7), set()
        for call in calls:
            if replay.take(call) and not at_end:
                found |= {model.crash(chance).get(name, (None, None))[1] for _ in range(60)}
        return found | {model.crash(chance).get(name, (None, None))[1] for _ in range(200)}

    def test_the_right_way_leaves_old_or_new(self):
        program = "file = put('part', NEW); os.fsync(file); os.rename('part', 'out'); sync('.')"
        self.assertEqual(self.outcomes(program), {OLD, NEW})
        self.assertEqual(self.outcomes(program, at_end=True), {NEW})

    def test_a_rename_without_a_sync_of_the_file_is_caught(self):
        found = self.outcomes("put('part', NEW); os.rename('part', 'out'); sync('.')", at_end=True)
        self.assertIn(b"", found)
        self.assertIn(NEW, found)
        self.assertTrue(any(0 < len(data) and data not in (OLD, NEW) for data in found), "none is torn")

    def test_a_rename_without_a_sync_of_the_folder_is_caught(self):
        program = "file = put('part', NEW); os.fsync(file); os.rename('part', 'out'); os.fsync(file)"
        self.assertEqual(self.outcomes(program, at_end=True), {OLD, NEW})

    def test_bytes_written_after_the_sync_are_not_durable(self):
        program = "file = put('part', NEW); os.fsync(file); os.pwrite(file, b'late', 4096); os.rename('part', 'out'); sync('.')"
        found = self.outcomes(program, at_end=True)
        self.assertEqual(found, {NEW, NEW[:4096] + b"late" + NEW[4100:]})

    def test_a_write_over_the_old_file_may_leave_any_pages(self):
        found = self.outcomes("file = os.open('out', os.O_WRONLY); os.pwrite(file, NEW[:8192], 0)", at_end=True)
        pages = {(data[:1], data[4096:4097], len(data)) for data in found}
        self.assertLessEqual({(b"o", b"n", 10_000), (b"n", b"o", 10_000), (b"n", b"n", 10_000)}, pages)

    def test_the_name_of_a_new_folder_needs_a_sync_of_the_one_above(self):
        begin = "os.mkdir('made'); file = put('made/file', NEW); os.fsync(file); sync('made');"
        self.assertEqual(self.outcomes(begin, "made/file", at_end=True), {None, NEW})
        self.assertEqual(self.outcomes(begin + "sync('.')", "made/file", at_end=True), {NEW})

    def test_a_rename_between_folders_may_be_half_done(self):
        begin = "file = put('a', NEW); os.fsync(file); sync('.'); os.rename('a', 'sub/a');"
        self.assertEqual(self.outcomes(begin, "sub/a", at_end=True), {None, NEW})
        self.assertEqual(self.outcomes(begin + "sync('sub')", "sub/a", at_end=True), {NEW})

    def test_names_do_not_wait_for_names_before_them(self):
        program = "put('first', b'1'); sync('.'); os.rename('first', 'second'); os.rename('out', 'third')"
        found = self.outcomes(program, "third", at_end=True)
        self.assertEqual(found, {None, OLD})

    def test_a_file_without_a_name_is_linked(self):
        program = "file = os.open('.', os.O_TMPFILE | os.O_RDWR); os.write(file, NEW); os.fsync(file)\n"
        program += "os.link(f'/proc/self/fd/{file}', 'linked', src_dir_fd=file); sync('.')"
        self.assertEqual(self.outcomes(program, "linked", at_end=True), {NEW})

    def test_calls_that_are_not_known_stop_the_recording(self):
        for program in (
            "os.sync()",
            "file = os.open('out', os.O_RDWR); mmap.mmap(file, 4096)[0] = 7",
            "os.mkfifo('pipe')",
        ):
            with self.assertRaises(UnknownCall, msg=program):
                self.outcomes(program)


class Log(unittest.TestCase):
    """Reading strace's log."""

    def test_a_call_that_was_interrupted_keeps_its_beginning(self):
        log = [
            '7  fsync(3</x> <unfinished ...>\n',
            '8  pwrite64(3</x>, "\\x61", 1, 0) = 1\n',
            "7  <... fsync resumed>) = 0\n",
            '8  unlink("\\x61") = -1 ENOENT (No such file or directory)\n',
        ]
        write, sync = parse(log)
        self.assertEqual((write.name, write.ended, sync.name, sync.begun, sync.ended), ("pwrite64", 1, "fsync", 0, 2))
        self.assertEqual(write.args[1:], ['"\\x61"', "1", "0"])

    def test_a_string_that_was_cut_is_not_believed(self):
        call = next(parse(['7  write(3</x>, "\\x61"..., 9) = 9\n']))
        with self.assertRaises(UnknownCall):
            text(call.args[1])


if __name__ == "__main__":
    unittest.main()
