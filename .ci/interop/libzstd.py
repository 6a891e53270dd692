"""Makes zstd streams by libzstd 1.5.7, of a fixed version of the package that brings it, as programs do:

    libzstd.py LEVEL MODE FLAGS <plain >stream

MODE is command (as `zstd` does, with workers), single (`zstd --single-thread`), library (all in one call) or pipe (as the command
does from a pipe, which tells no size). FLAGS are none, or some of long, check and rsyncable, with commas between them.
"""

import sys

import zstandard

PIECE = 128 << 10


def main(level, mode, flags):
    flags = flags.split(",")
    plain = sys.stdin.buffer.read()
    options = {"write_checksum": "check" in flags, "write_content_size": mode != "pipe"}
    if mode in ("command", "pipe"):
        options["threads"] = 4
    if "long" in flags:
        options |= {"enable_ldm": True, "window_log": 27}
    if "rsyncable" in flags:
        options |= {"job_size": 1 << 20, "threads": 2, "overlap_log": 1}
    parameters = zstandard.ZstdCompressionParameters.from_level(int(level), **options)
    compressor = zstandard.ZstdCompressor(compression_params=parameters)
    if mode == "library":
        sys.stdout.buffer.write(compressor.compress(plain))
        return
    # The end comes apart, as from a pipe, or with the last bytes.
    writer = compressor.compressobj(size=len(plain)) if mode != "pipe" else compressor.compressobj()
    for at in range(0, len(plain), PIECE):
        sys.stdout.buffer.write(writer.compress(plain[at : at + PIECE]))
    sys.stdout.buffer.write(writer.flush())


main(*sys.argv[1:])
