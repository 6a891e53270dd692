//! The serialised actions that preflate-rs reads for a stream's blocks where it predicts all of their tokens.

use cabac::CabacWriter;
use cabac::vp8::{VP8Context, VP8Writer};

/// `preflate_rs::CodecCorrection` has this many kinds.
const KINDS: usize = 17;

/// The kinds that are used here, in preflate-rs's numbering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    TokenCount = 0,
    BlockType = 1,
    StoredBytes = 12,
    Last = 13,
    EndOfChunk = 14,
}

/// One answer to preflate-rs's reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    /// A run of this many zeros.
    Zeros(u32),
    /// Not zero.
    Value(u32),
}

/// Collects answers in the order in which they are asked for.
#[derive(Default)]
pub(crate) struct Actions {
    actions: Vec<(Question, Action)>,
    /// Each kind's latest action.
    latest: [Option<usize>; KINDS],
    not_zero: [bool; KINDS],
}

impl Actions {
    pub(crate) fn push(&mut self, kind: Question, value: u32) {
        if value == 0 {
            return self.push_zeros(kind, 1);
        }
        self.not_zero[kind as usize] = true;
        self.latest[kind as usize] = Some(self.actions.len());
        self.actions.push((kind, Action::Value(value)));
    }

    /// The same answer `count` times, however many of other kinds come in between.
    pub(crate) fn push_zeros(&mut self, kind: Question, count: u32) {
        if let Some(at) = self.latest[kind as usize]
            && let Action::Zeros(zeros) = &mut self.actions[at].1
        {
            *zeros += count;
            return;
        }
        self.latest[kind as usize] = Some(self.actions.len());
        self.actions.push((kind, Action::Zeros(count)));
    }

    /// The answers as preflate-rs writes them: which kinds are ever not zero, then each answer of those kinds, with a
    /// run of zeros as one.
    pub(crate) fn written(&self) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut writer = VP8Writer::new(&mut bytes)?;
        let mut context = VP8Context::default();
        self.not_zero.iter().try_for_each(|&bit| writer.put(bit, &mut context))?;
        let mut contexts = vec![Contexts::default(); KINDS];
        for &(kind, action) in self.actions.iter().filter(|(kind, _)| self.not_zero[*kind as usize]) {
            let contexts = &mut contexts[kind as usize];
            writer.put(matches!(action, Action::Zeros(_)), &mut contexts.is_zeros)?;
            let (number, (lengths, bits)) = match action {
                Action::Zeros(count) => (count - 1, &mut contexts.zeros),
                Action::Value(value) => (value - 1, &mut contexts.value),
            };
            let len = (u32::BITS - number.leading_zeros()) as usize;
            writer.put_unary_encoded(len, lengths)?;
            if len > 1 {
                writer.put_n_bits(number.into(), len - 1, bits)?;
            }
        }
        writer.finish()?;
        Ok(bytes)
    }
}

/// The contexts of a number's length and of its bits.
type OfNumber = ([VP8Context; 32], [VP8Context; 32]);

#[derive(Clone, Default)]
struct Contexts {
    is_zeros: VP8Context,
    zeros: OfNumber,
    value: OfNumber,
}
