//! Reads the entries of an image archive from the skeleton of its wrapper: the headers around the parts, and the small
//! files between them.

use std::ops::Range;

use regrow_chunker::{PartKind, Record};
use regrow_image::{LayoutError, Op, OpDecoder, OpOrLiteral, Walker};
use regrow_index::{CodedStretch, Part, Units};

use super::ArchiveEntry;
use super::entry_list::EntryList;

/// The place of an entry's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum EntryData {
    /// There are none, or they lie so that they cannot be given alone.
    #[default]
    None,
    /// They are a part's.
    Part(usize),
    /// They are this range of the wrapper's contents.
    Wrapper(Range<u64>),
}

/// An entry with the place of its plain bytes, and the number of its coding, if it is coded.
pub(super) struct Placed {
    pub(super) data: EntryData,
    pub(super) coding: Option<usize>,
}

/// The entries of an archive, each with its place.
pub(super) type Entries = (Vec<ArchiveEntry>, Vec<Placed>);

/// Reads a wrapper, whose bytes come in order.
pub(super) struct WrapperReader<'a> {
    parts: &'a [Part],
    codings: &'a [CodedStretch],
    /// For each part, where it stands in the wrapper's skeleton and in the wrapper's contents.
    places: Vec<(u64, u64)>,
    decoder: OpDecoder,
    walker: Walker,
    found: EntryList,
    placed: Vec<Placed>,
    /// The number of parts that have come.
    parts_before: usize,
    /// The bytes of the wrapper's skeleton and contents so far.
    skeleton_at: u64,
    contents_at: u64,
    /// The number of coded stretches that have begun.
    codings_before: usize,
    /// What was found in the coded stretch that is open.
    coded: Option<EntryData>,
    /// Whether the image itself is a coded file.
    is_image_coded: bool,
}

impl<'a> WrapperReader<'a> {
    /// Begins with the wrapper of an image that has these records of skeleton and contents in its wrapper.
    pub(super) fn new(units: &'a Units, codings: &'a [CodedStretch], [skeleton, contents]: [&[Record]; 2]) -> Self {
        let (skeleton, contents) = (starts_of(skeleton), starts_of(contents));
        let start = |starts: &[u64], record: u32| starts.get(record as usize).or(starts.last()).copied();
        let place = |part: &Part| {
            let (skeleton_at, contents_at) =
                (start(&skeleton, part.place.skeleton_records), start(&contents, part.place.contents_records));
            (skeleton_at.unwrap_or_default(), contents_at.unwrap_or_default())
        };
        Self {
            parts: &units.parts,
            codings,
            places: units.parts.iter().map(place).collect(),
            decoder: OpDecoder::default(),
            walker: Walker::default(),
            found: EntryList::default(),
            placed: Vec::new(),
            parts_before: 0,
            skeleton_at: 0,
            contents_at: 0,
            codings_before: 0,
            coded: None,
            is_image_coded: false,
        }
    }

    /// Takes the next bytes of the wrapper's skeleton.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<(), LayoutError> {
        loop {
            self.take_tars()?;
            if bytes.is_empty() {
                return Ok(());
            }
            let next = self.next_tar().map_or(u64::MAX, |(at, _)| at - self.skeleton_at);
            let (now, rest) = bytes.split_at(bytes.len().min(usize::try_from(next).unwrap_or(usize::MAX)));
            self.take(now)?;
            self.skeleton_at += now.len() as u64;
            bytes = rest;
        }
    }

    /// Ends the wrapper.
    pub(super) fn finish(mut self) -> Result<Entries, LayoutError> {
        self.take_tars()?;
        self.decoder.finish()?;
        self.note();
        if self.coded.is_some() || self.parts_before < self.parts.len() {
            return Err(LayoutError::Marks);
        }
        let mut entries = self.found.entries;
        for (entry, placed) in entries.iter_mut().zip(&mut self.placed) {
            check(entry, placed, self.parts, self.codings);
        }
        Ok((entries, self.placed))
    }

    /// The place of the next part, if that is a tar that is not behind a file.
    fn next_tar(&self) -> Option<(u64, &'a Part)> {
        let part = self.parts.get(self.parts_before).filter(|part| part.kind == PartKind::Tar)?;
        Some((self.places[self.parts_before].0.max(self.skeleton_at), part))
    }

    /// Takes the tars that stand at the present place.
    fn take_tars(&mut self) -> Result<(), LayoutError> {
        while let Some((_, part)) = self.next_tar().filter(|(at, _)| *at == self.skeleton_at) {
            self.decoder.finish()?;
            self.data(EntryData::Part(self.parts_before), part.plain_bytes);
            self.parts_before += 1;
        }
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), LayoutError> {
        let mut decoder = std::mem::take(&mut self.decoder);
        let taken = decoder.push(bytes, |found| {
            match found {
                OpOrLiteral::Op(Op::Contents(len)) => self.contents(len),
                OpOrLiteral::Op(Op::BeginCoded) => self.begin_coded(),
                OpOrLiteral::Op(Op::EndCoded) => return self.end_coded(),
                OpOrLiteral::Op(Op::Literal(_)) => {}
                OpOrLiteral::Bytes(literal) => self.literal(literal),
            }
            Ok(())
        });
        self.decoder = decoder;
        taken
    }

    fn literal(&mut self, bytes: &[u8]) {
        match &mut self.coded {
            // An archive that is no part has no bytes in one piece.
            Some(coded) => *coded = EntryData::None,
            None => {
                self.walker.push(bytes, &mut self.found);
                self.note();
            }
        }
    }

    fn contents(&mut self, len: u64) {
        let is_part = self.parts.get(self.parts_before).is_some_and(|part| {
            let at = self.places[self.parts_before].1;
            part.kind == PartKind::File && part.plain_bytes == len && at <= self.contents_at
        });
        if is_part {
            let part = self.parts_before;
            self.parts_before += 1;
            return self.data(EntryData::Part(part), len);
        }
        let range = self.contents_at..self.contents_at.saturating_add(len);
        self.contents_at = range.end;
        self.data(EntryData::Wrapper(range), len);
    }

    /// Takes data of an entry, of which only the length is known.
    fn data(&mut self, data: EntryData, bytes: u64) {
        match &mut self.coded {
            Some(coded) => *coded = if *coded == EntryData::None { data } else { EntryData::None },
            None => {
                if bytes > 0 {
                    self.walker.skip(bytes, &mut self.found);
                }
                self.give(data, None);
            }
        }
    }

    /// Gives data to the last entry.
    fn give(&mut self, data: EntryData, coding: Option<usize>) {
        self.note();
        if let Some(placed) = self.placed.last_mut() {
            // Data in several pieces cannot be given alone.
            let is_first = placed.data == EntryData::None && placed.coding.is_none();
            *placed = Placed { data: if is_first { data } else { EntryData::None }, coding };
        }
    }

    fn begin_coded(&mut self) {
        if self.found.entries.is_empty() {
            self.is_image_coded = true;
        } else {
            self.coded = Some(EntryData::None);
        }
        self.codings_before += 1;
    }

    fn end_coded(&mut self) -> Result<(), LayoutError> {
        let Some(data) = self.coded.take() else {
            return if std::mem::take(&mut self.is_image_coded) { Ok(()) } else { Err(LayoutError::Marks) };
        };
        let number = self.codings_before - 1;
        let coding = self.codings.get(number).ok_or(LayoutError::Marks)?;
        self.walker.skip(coding.stored_bytes(), &mut self.found);
        self.give(data, Some(number));
        Ok(())
    }

    /// Notes the entries that have come.
    fn note(&mut self) {
        let count = self.found.entries.len();
        self.placed.resize_with(count, || Placed { data: EntryData::None, coding: None });
    }
}

/// The offset of each record, and the end.
fn starts_of(records: &[Record]) -> Vec<u64> {
    let mut at = 0;
    let mut starts = vec![0];
    starts.extend(records.iter().map(|record| {
        at += u64::from(record.len);
        at
    }));
    starts
}

/// Says in an entry what its data are. Data of another length than its header says are not given.
fn check(entry: &mut ArchiveEntry, placed: &mut Placed, parts: &[Part], codings: &[CodedStretch]) {
    let plain = match &placed.data {
        EntryData::None => None,
        EntryData::Part(part) => parts.get(*part).map(|part| part.plain_bytes),
        EntryData::Wrapper(range) => Some(range.end - range.start),
    };
    let coding = placed.coding.and_then(|number| codings.get(number));
    let stated = coding.map_or(Some(entry.stored_bytes), |coding| {
        Some(coding.plain_bytes()).filter(|_| coding.stored_bytes() == entry.stored_bytes)
    });
    if plain.is_none() || plain != stated {
        placed.data = EntryData::None;
    }
    entry.is_coded = placed.coding.is_some();
    entry.part = match placed.data {
        EntryData::Part(part) => Some(part),
        _ => None,
    };
}
