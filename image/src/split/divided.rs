//! An image whose operations are known before its bytes come: a disk image. docs/format/disk.md, section 3.

use std::vec;

use crate::ops::Op;
use crate::walk::{FileStart, Piece, WalkSink};

/// The operations that are still to come.
pub(super) struct Divided {
    ops: vec::IntoIter<Op>,
    now: Now,
}

/// The operation that takes the next bytes.
#[derive(Debug, Clone, Copy)]
enum Now {
    /// The next operation is not begun.
    Between,
    Literal {
        left: u64,
    },
    Contents {
        left: u64,
    },
}

impl Divided {
    pub(super) fn new(ops: Vec<Op>) -> Self {
        Self { ops: ops.into_iter(), now: Now::Between }
    }

    /// Takes in the next bytes of the plain image, which are all of these, and returns their number.
    pub(super) fn push(&mut self, bytes: &[u8], sink: &mut impl WalkSink) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            let (Now::Literal { left } | Now::Contents { left }) = self.now else {
                self.begin(sink);
                continue;
            };
            let taken = usize::try_from(left).map_or(bytes.len() - at, |left| left.min(bytes.len() - at));
            let left = left - taken as u64;
            if let Now::Literal { .. } = self.now {
                sink.literal(&bytes[at..at + taken]);
                self.now = Now::Literal { left };
            } else {
                sink.contents(Piece::InPushed(at..at + taken));
                self.now = Now::Contents { left };
            }
            at += taken;
            if left == 0 {
                self.end(sink);
            }
        }
        at
    }

    /// Begins the next operation. If there is none, since the image has more bytes than its operations, the rest is
    /// contents.
    fn begin(&mut self, sink: &mut impl WalkSink) {
        self.now = match self.ops.next() {
            Some(Op::Literal(len)) if len > 0 => Now::Literal { left: len.into() },
            Some(Op::Contents(len)) if len > 0 => {
                sink.begin_file(FileStart { size: Some(len) });
                Now::Contents { left: len }
            }
            Some(_) => Now::Between,
            None => {
                sink.begin_file(FileStart { size: None });
                Now::Contents { left: u64::MAX }
            }
        };
    }

    /// Ends the present operation, perhaps early.
    pub(super) fn end(&mut self, sink: &mut impl WalkSink) {
        if let Now::Contents { .. } = std::mem::replace(&mut self.now, Now::Between) {
            sink.end_file();
        }
    }
}
