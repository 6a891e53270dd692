//! The parameters that the library is given.

use zstd::zstd_safe::{CCtx, CParameter, ParamSwitch, Strategy};

use super::{Libzstd, Mode};

/// Blocks of fewer bytes than 128 KiB are not split. This is the largest such block.
const UNSPLIT_BYTES: u32 = (128 << 10) - 1;

/// The parameters of a level in versions from 1.4.4 to 1.4.9, for more than 256 KiB, if they were other ones.
fn old_level(level: u8) -> Option<[CParameter; 6]> {
    use Strategy::{ZSTD_btlazy2, ZSTD_greedy, ZSTD_lazy, ZSTD_lazy2};
    let (window, chain, hash, search, target, strategy) = match level {
        5 => (21, 18, 19, 2, 2, ZSTD_greedy),
        6 => (21, 19, 19, 3, 4, ZSTD_greedy),
        7 => (21, 19, 19, 3, 8, ZSTD_lazy),
        8 => (21, 19, 19, 3, 16, ZSTD_lazy2),
        9 => (21, 19, 20, 4, 16, ZSTD_lazy2),
        10 => (22, 20, 21, 4, 16, ZSTD_lazy2),
        11 => (22, 21, 22, 4, 16, ZSTD_lazy2),
        12 => (22, 21, 22, 5, 16, ZSTD_lazy2),
        13 => (22, 21, 22, 5, 32, ZSTD_btlazy2),
        _ => return None,
    };
    let (window, chain) = (CParameter::WindowLog(window), CParameter::ChainLog(chain));
    let (hash, search) = (CParameter::HashLog(hash), CParameter::SearchLog(search));
    Some([window, chain, hash, search, CParameter::TargetLength(target), CParameter::Strategy(strategy)])
}

/// Sets all parameters of an encoder for a frame of this many plain bytes; `None` if the library refuses one.
pub(super) fn set(context: &mut CCtx<'_>, known: Libzstd, plain_bytes: u64) -> Option<()> {
    let mut set = |parameter| context.set_parameter(parameter).ok();
    set(CParameter::CompressionLevel(known.level.into()))?;
    set(CParameter::ContentSizeFlag(known.has_content_size))?;
    set(CParameter::ChecksumFlag(known.has_checksum))?;
    if known.is_long {
        set(CParameter::EnableLongDistanceMatching(true))?;
    }
    if let Some(old) = known.has_old_levels.then(|| old_level(known.level)).flatten() {
        old.into_iter().try_for_each(|parameter| set(parameter).map(|_| ()))?;
    }
    if known.window_log > 0 {
        set(CParameter::WindowLog(known.window_log.into()))?;
    }
    if known.mode == Mode::Workers {
        set(CParameter::NbWorkers(1))?;
    }
    if known.is_unsplit {
        set(CParameter::MaxBlockSize(UNSPLIT_BYTES))?;
    }
    if known.has_no_rows {
        set(CParameter::UseRowMatchFinder(ParamSwitch::Disable))?;
    }
    if known.has_content_size && known.mode != Mode::OneCall {
        context.set_pledged_src_size(Some(plain_bytes)).ok()?;
    }
    Some(())
}
