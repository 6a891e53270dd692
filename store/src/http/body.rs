//! Reads bodies. Their bytes are counted, timed, and cut to the wanted ones as they arrive. Unwanted bytes are
//! dropped at once, so a body costs the memory of one piece, however long it is.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures::stream;
use reqwest::Response;

use super::answer::{self, Part};
use super::failure;
use super::pace::{Pace, Watch};
use crate::{ByteStream, Meter, StoreError};

/// The body of an answer.
pub(crate) struct Body {
    response: Response,
    object: String,
    meter: Arc<Meter>,
    pace: Pace,
    watch: Watch,
}

impl Body {
    pub(crate) fn new(response: Response, object: String, meter: Arc<Meter>, pace: Pace) -> Self {
        let watch = Watch::new(pace.clone());
        Self { response, object, meter, pace, watch }
    }

    /// The same body, whose first byte may take this long.
    pub(super) fn with_patience(self, first: Duration) -> Self {
        Self { watch: self.watch.with_patience(first), ..self }
    }

    /// The wanted part, as a stream.
    pub(super) fn part(self, part: &Part) -> ByteStream {
        let cut = Cut {
            body: Some(self),
            skip: part.skipped_bytes,
            left: part.range.end - part.range.start,
            range_end: part.object_bytes.is_none().then_some(part.range.end),
            to_end: part.to_end,
        };
        Box::pin(stream::try_unfold(
            cut,
            |mut cut| async move { Ok(cut.next_piece().await?.map(|piece| (piece, cut))) },
        ))
    }

    /// Reads the whole body into memory, if it has at most `max_bytes`.
    pub(crate) async fn whole(mut self, max_bytes: u64) -> Result<Bytes, StoreError> {
        let promised = self.response.content_length();
        if promised.is_some_and(|bytes| bytes > max_bytes) {
            return Err(StoreError::TooLarge { object: self.object, max_bytes });
        }
        let mut all = BytesMut::new();
        while let Some(piece) = self.read().await? {
            if (all.len() + piece.len()) as u64 > max_bytes {
                return Err(StoreError::TooLarge { object: self.object, max_bytes });
            }
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }

    /// The last `tail_bytes` bytes of a body of unknown length, and the length. At most twice that many bytes are
    /// held.
    pub(super) async fn end(mut self, tail_bytes: u64) -> Result<(Bytes, u64), StoreError> {
        let (mut kept, mut length) = (BytesMut::new(), 0);
        while let Some(piece) = self.read().await? {
            length += piece.len() as u64;
            answer::check_skip(length.saturating_sub(tail_bytes), tail_bytes, &self.object)?;
            kept.extend_from_slice(&piece);
            if kept.len() as u64 >= tail_bytes.saturating_mul(2) {
                trim(&mut kept, tail_bytes);
            }
        }
        trim(&mut kept, tail_bytes);
        Ok((kept.freeze(), length))
    }

    /// The next bytes, as soon as they arrive and the rate limit lets them pass. The result is `None` at the end.
    pub(super) async fn read(&mut self) -> Result<Option<Bytes>, StoreError> {
        let piece = self.watch.wait(self.response.chunk()).await.map_err(|lag| lag.error(&self.object))?;
        let piece = piece.map_err(|error| failure::of_body(&self.object, &error))?;
        let bytes = piece.as_ref().map_or(0, |piece| piece.len() as u64);
        self.meter.add_bytes(bytes);
        self.watch.count(bytes);
        self.pace.hold_back(bytes).await;
        Ok(piece)
    }

    /// Makes sure that no bytes follow.
    async fn expect_end(&mut self) -> Result<(), StoreError> {
        while let Some(piece) = self.read().await? {
            if !piece.is_empty() {
                return Err(self.longer());
            }
        }
        Ok(())
    }

    fn longer(&self) -> StoreError {
        StoreError::Protocol { object: self.object.clone(), reason: "the body is longer than promised".to_owned() }
    }

    fn shorter(&self, missing_bytes: u64) -> StoreError {
        StoreError::Network {
            object: self.object.clone(),
            reason: format!("the body ended {missing_bytes} bytes early"),
            transient: true,
        }
    }
}

/// Drops all but the last `tail_bytes` bytes.
fn trim(kept: &mut BytesMut, tail_bytes: u64) {
    let surplus = (kept.len() as u64).saturating_sub(tail_bytes);
    // The surplus is at most the length, so it fits a usize. The copy frees the memory of the dropped bytes.
    *kept = BytesMut::from(&kept[surplus as usize..]);
}

/// The wanted bytes of a body. If the body must end there, the last piece is given out only after that has been
/// seen. Otherwise the rest is not read, and the connection is dropped.
struct Cut {
    /// The body, until all wanted bytes have been read.
    body: Option<Body>,
    skip: u64,
    left: u64,
    /// The end of the wanted bytes in an object of unknown size, which ends where the body does.
    range_end: Option<u64>,
    to_end: bool,
}

impl Cut {
    async fn next_piece(&mut self) -> Result<Option<Bytes>, StoreError> {
        loop {
            let Some(body) = &mut self.body else { return Ok(None) };
            if self.left == 0 {
                return Ok(None);
            }
            let Some(piece) = body.read().await? else {
                let missing = self.skip + self.left;
                return Err(match self.range_end {
                    Some(end) => answer::too_short(body.object.clone(), end - missing),
                    None => body.shorter(missing),
                });
            };
            if let Some(piece) = self.cut(piece).await? {
                return Ok(Some(piece));
            }
        }
    }

    /// The wanted bytes of a piece, if there are any.
    async fn cut(&mut self, mut piece: Bytes) -> Result<Option<Bytes>, StoreError> {
        let skipped = self.skip.min(piece.len() as u64);
        self.skip -= skipped;
        // The number is at most the piece's length, so it fits a usize.
        piece.advance(skipped as usize);
        if piece.is_empty() {
            return Ok(None);
        }
        if piece.len() as u64 >= self.left {
            piece = self.cut_last(piece).await?;
        }
        self.left -= piece.len() as u64;
        Ok(Some(piece))
    }

    /// Takes the last piece. No bytes may follow it, unless they are unwanted ones.
    async fn cut_last(&mut self, mut piece: Bytes) -> Result<Bytes, StoreError> {
        if let (true, Some(body)) = (self.to_end, &mut self.body) {
            if piece.len() as u64 > self.left {
                return Err(body.longer());
            }
            body.expect_end().await?;
        }
        self.body = None;
        // `left` is at most the piece's length, so it fits a usize.
        piece.truncate(self.left as usize);
        Ok(piece)
    }
}
