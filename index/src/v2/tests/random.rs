//! Random indexes come back as they were.

use proptest::prelude::*;

use super::*;
use crate::{
    BasePart, BlockRun, CodedFormat, CodedStretch, Coding, CorrectedBlock, DiskCoding, DiskPiece, FilledGroup,
    FilledRun, KeptBlock, MemberCoding,
};

fn shapes() -> impl Strategy<Value = Vec<Shape>> {
    let part = (any::<bool>(), 1u64..40, 0u64..80, 0u32..3, 0u32..9);
    (0u64..60, 0u64..300, prop::collection::vec(part, 0..8)).prop_map(|(skeleton, contents, parts)| {
        let mut shapes = vec![Shape { kind: None, chunks: (skeleton, contents), place: (0, 0) }];
        let mut place = (0, 0);
        for (is_tar, skeleton, contents, records, more) in parts {
            place.1 = (place.1 + more).min(shapes[0].chunks.1 as u32);
            shapes.push(if is_tar {
                place.0 = (place.0 + records).min(shapes[0].chunks.0 as u32);
                Shape { kind: Some(PartKind::Tar), chunks: (skeleton, contents), place }
            } else {
                Shape { kind: Some(PartKind::File), chunks: (0, contents + 1), place: (0, place.1) }
            });
        }
        shapes
    })
}

fn claims() -> impl Strategy<Value = Claims> {
    ("[^\\p{C}]{0,60}", any::<[u64; 3]>()).prop_map(|(channel, [counter, signed_at, expires_at])| Claims {
        channel,
        counter,
        signed_at,
        expires_at,
    })
}

fn coding() -> impl Strategy<Value = CodedStretch> {
    let bytes = |most| prop::collection::vec(any::<u8>(), 1..most);
    let member = (0..3u8, 1..9u8, 1..900u64, prop::collection::vec(any::<u8>(), 0..40)).prop_map(
        |(header, encoder, stream_bytes, corrections)| MemberCoding {
            header: vec![header; 10 + usize::from(header)].into(),
            encoder: vec![encoder].into(),
            // As long as it is stored, so that the image's size does not change.
            plain_bytes: stream_bytes + 18 + u64::from(header),
            stream_bytes,
            corrections,
        },
    );
    let frame = |(is_gzip, mut member): (bool, MemberCoding)| {
        if !is_gzip {
            member.encoder = vec![0x80, 0x20, member.encoder[0]].into();
            // A frame has no trailer.
            member.plain_bytes -= 8;
        }
        member
    };
    let members = (any::<bool>(), prop::collection::vec(member, 1..4));
    (members, prop::option::of(bytes(30))).prop_map(move |((is_gzip, members), tail)| {
        let mut members: Vec<_> = members.into_iter().map(|member| frame((is_gzip, member))).collect();
        let tail = tail.unwrap_or_default();
        members[0].plain_bytes += tail.len() as u64;
        let format = if is_gzip { CodedFormat::Gzip } else { CodedFormat::Zstd };
        CodedStretch::File(Coding { format, members, tail: tail.into() })
    })
}

/// A disk image that is as long as its plain image, so that the image's size does not change.
fn disk_coding() -> impl Strategy<Value = CodedStretch> {
    let piece = (0..6u8, prop::collection::vec(1..9000u32, 1..20), 0..3u8).prop_map(|(kind, sizes, gap_bytes)| {
        let plain = sizes.iter().map(|&size| u64::from(size)).sum();
        match kind {
            0 => DiskPiece::Plain(plain),
            2 => DiskPiece::Corrected(Box::new(CorrectedBlock {
                encoder: [0x90, 0x40, 1].into(),
                plain_bytes: sizes[0],
                coded_bytes: sizes[0],
                corrections: vec![5; sizes.len()],
            })),
            1 => DiskPiece::Kept(Box::new(KeptBlock { plain_bytes: sizes[0], coded: vec![7; sizes[0] as usize] })),
            5 => DiskPiece::Filled(Box::new(FilledRun {
                encoder: [0xa2, 0x40, gap_bytes].into(),
                groups: sizes
                    .iter()
                    .map(|&size| FilledGroup { gap_bytes: gap_bytes.into(), plain_bytes: size, behind_bytes: size / 7 })
                    .collect(),
                count: sizes.len() as u64,
                coded_bytes: plain,
                digest: [kind; 16],
            })),
            _ => DiskPiece::Run(Box::new(BlockRun::new(
                [0x80, 0x40, kind].into(),
                gap_bytes,
                &sizes,
                (plain, [kind; 16]),
            ))),
        }
    });
    // A disk image does not begin with a corrected block.
    let pieces = prop::collection::vec(piece, 1..6);
    let pieces = pieces.prop_filter("begins as a stream", |pieces| !matches!(pieces[0], DiskPiece::Corrected(_)));
    pieces.prop_map(|pieces| DiskCoding { pieces }.into())
}

fn signature() -> impl Strategy<Value = Signature> {
    (any::<bool>(), any::<[u8; 8]>(), any::<[[u8; 32]; 2]>()).prop_map(|(is_prehashed, key_id, halves)| Signature {
        kind: if is_prehashed { SignatureKind::Prehashed } else { SignatureKind::Pure },
        key_id,
        signature: *halves.concat().first_chunk().unwrap(),
    })
}

/// One of the image's own parts, or a foreign one.
fn base_part(own: &[BasePart], number: u8) -> BasePart {
    own.get(usize::from(number)).copied().unwrap_or(BasePart { id: [number; 8], name: [0; 8] })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn indexes_come_back(
        shapes in shapes(),
        claims in claims(),
        codings in prop::collection::vec(prop_oneof![coding(), disk_coding()], 0..3),
        signatures in prop::collection::vec(signature(), 0..4),
        patches in prop::collection::vec((any::<[u8; 32]>(), any::<u64>(), prop::collection::vec(0u8..20, 0..30)), 0..9),
    ) {
        let mut index = index_of(&shapes);
        prop_assume!(codings.len() as u64 <= 1 + index.image_bytes / 512);
        prop_assume!(codings.iter().map(CodedStretch::stored_bytes).sum::<u64>() <= index.image_bytes);
        index.codings = codings;
        let own = index.units.as_ref().unwrap().base_parts();
        index.patches = patches
            .iter()
            .map(|(base, bytes, parts)| AnnouncedPatch {
                base: ImageId::from_bytes(*base),
                bytes: Some(*bytes).filter(|&bytes| bytes > 0),
                parts: parts.iter().map(|&number| base_part(&own, number)).collect(),
            })
            .collect();
        let units = index.units.as_mut().unwrap();
        (units.claims, units.signatures) = (claims, signatures);
        let file = index.encode();
        let read = Index::decode(&file);
        prop_assert_eq!(read.as_ref(), Ok(&index));
        prop_assert_eq!(read.unwrap().encode(), file);
        for (order, chunks) in
            [(index.skeleton_order(), index.skeleton.chunks), (index.contents_order(), index.contents.chunks)]
        {
            let mut sorted = order.clone();
            sorted.sort_by_key(|range| range.start);
            prop_assert!(sorted.windows(2).all(|pair| pair[0].end == pair[1].start));
            prop_assert_eq!(sorted.iter().map(|range| range.end - range.start).sum::<u64>(), chunks);
        }
    }

    /// Whatever is taken for a statement has one form.
    #[test]
    fn statements_have_one_form(at in any::<prop::sample::Index>(), byte in any::<u8>(), claims in claims()) {
        let mut index = sample();
        index.units.as_mut().unwrap().claims = claims;
        let mut bytes = index.statement().unwrap().encode();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(statement) = Statement::decode(&bytes) {
            prop_assert_eq!(statement.encode(), bytes);
        }
    }
}
