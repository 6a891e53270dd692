//! Writes the coded body of a patch, and applies it while it is written.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use regrow_delta::{Coding, DeltaEncoder, DeltaError};
use regrow_local::{LocalError, NoProgress, Progress, Stage, spawn_scoped};

use crate::base::PatchBase;
use crate::check::{WasRead, check_growing};
use crate::growing::{Grower, Growing, GrowingReader};
use crate::header::{HEADER_BYTES, PatchHeader};
use crate::joined::JoinedBase;
use crate::plan::PatchPlan;
use crate::side::Side;
use crate::space::BaseSpace;
use crate::spent::ends;
use crate::write::Between;

/// The number of bytes that are written at a time.
const WRITTEN_BYTES: usize = 64 << 10;
/// The number of marks at which two codings are compared, and the first of them that decides.
const MARKS: u64 = 8;
const FIRST_MARK: u64 = 2;
/// A coding is given up at a mark where it has more than 6/5 of the other's bytes.
const BEHIND: (u64, u64) = (6, 5);

/// A body that was written: the costs, if they were counted, and what the check read, if it was checked meanwhile.
#[derive(Default)]
pub(crate) struct Coded {
    pub(crate) costs: Vec<u64>,
    pub(crate) checked: Option<WasRead>,
}

/// Writes the body. If they are counted, there are the costs of each joined file, of the skeleton, and of each other file.
/// If `checked` is there, the patch with this header is applied meanwhile.
pub(crate) fn write_body(
    between: &Between<'_>,
    (base, of_base, target): (&Side, &PatchBase<'_>, &Side),
    plan: &PatchPlan,
    out: &mut File,
    (is_counted, checked): (bool, Option<&PatchHeader>),
) -> Result<Coded, LocalError> {
    let joined = JoinedBase { files: base.joined(), members: &plan.base_members.joined };
    let space = BaseSpace::new(of_base, &plan.base_members.members, joined, between.scratch)?;
    let target_bytes = target.skeleton_bytes() + plan.expanded_bytes;
    let body =
        Body { between, space: &space, plan, target_bytes, ends: is_counted.then(|| ends(target, plan)), checked };
    let coding = Coding::choose(plan.ops.statistics());
    between.progress.begin(Stage::Patch, Some(target_bytes));
    // The tables of file systems change the same way at many places, over which streams see further than the other coding.
    let coded = if plan.has_pieces && coding == Coding::Mixed {
        body.write_smaller(out)?
    } else {
        body.write_and_check(coding, out, None)?
    };
    between.progress.end(Stage::Patch);
    Ok(coded)
}

/// A body that can be written in either coding.
struct Body<'a> {
    between: &'a Between<'a>,
    space: &'a BaseSpace<'a>,
    plan: &'a PatchPlan,
    target_bytes: u64,
    /// The ends of the parts whose costs are counted.
    ends: Option<Vec<u64>>,
    /// The header, if the patch is applied while the body is written.
    checked: Option<&'a PatchHeader>,
}

impl Body<'_> {
    /// Writes the body to a file in the coding that takes fewer bytes. Both are tried side by side.
    fn write_smaller(&self, out: &mut File) -> Result<Coded, LocalError> {
        let io = || LocalError::io("the patch that is made");
        let scratch = self.between.scratch;
        let mut other = tempfile::tempfile_in(scratch).map_err(LocalError::io(scratch))?;
        let start = out.stream_position().map_err(io())?;
        let marks = Marks::default();
        let (coded, other_costs) = std::thread::scope(|scope| {
            let streams = || self.write(Coding::Streams, &other, &NoProgress, Some(Pace::Compares(&marks)));
            let streams = spawn_scoped(scope, streams)?;
            let ending = Ending(&marks);
            let coded = self.write_and_check(Coding::Mixed, out, Some(Pace::Marks(&marks)));
            drop(ending);
            let other_costs = streams.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok::<_, LocalError>((coded?, other_costs?))
        })?;
        let Some(costs) = other_costs else { return Ok(coded) };
        if other.stream_position().map_err(io())? >= out.stream_position().map_err(io())? - start {
            return Ok(coded);
        }
        other.seek(SeekFrom::Start(0)).map_err(io())?;
        out.seek(SeekFrom::Start(start)).map_err(io())?;
        out.set_len(start).map_err(io())?;
        io::copy(&mut other, out).map_err(io())?;
        Ok(Coded { costs, checked: None })
    }

    /// Writes the body to a file, and applies the patch meanwhile if that is wanted.
    fn write_and_check(&self, coding: Coding, out: &mut File, pace: Option<Pace<'_>>) -> Result<Coded, LocalError> {
        let progress = self.between.progress;
        let Some(header) = self.checked else {
            let costs = self.write(coding, &*out, progress, pace)?;
            return Ok(Coded { costs: costs.unwrap_or_default(), checked: None });
        };
        let growing = Growing::from(out.stream_position().map_err(LocalError::io("the patch that is made"))?);
        let file = &*out;
        std::thread::scope(|scope| {
            let reader = GrowingReader { file, growing: &growing, at: HEADER_BYTES as u64 };
            let checking = spawn_scoped(scope, || check_growing(self.between, header, reader))?;
            let mut grower = Grower { file, growing: &growing };
            let costs = self.write(coding, &mut grower, progress, pace);
            match &costs {
                Ok(_) => grower.finish(),
                Err(_) => drop(grower),
            }
            let checked = checking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok(Coded { costs: costs?.unwrap_or_default(), checked: Some(checked?) })
        })
    }

    /// Writes the body. The result is the costs, if they are counted, or `None` if the coding was given up.
    fn write(
        &self,
        coding: Coding,
        out: impl Write,
        progress: &dyn Progress,
        pace: Option<Pace<'_>>,
    ) -> Result<Option<Vec<u64>>, LocalError> {
        let mut buffered = BufWriter::with_capacity(WRITTEN_BYTES, out);
        let level = self.between.level.coder();
        let mut encoder =
            DeltaEncoder::new(self.space, self.target_bytes, coding, level, &mut buffered).map_err(failed)?;
        if let Some(ends) = &self.ends {
            encoder = encoder.metered(ends.clone()).map_err(failed)?;
        }
        let step = (self.plan.ops.statistics().ops / MARKS).max(1);
        for (number, op) in (1..).zip(self.plan.ops.iter()) {
            let op = op?;
            encoder.push(&op).map_err(failed)?;
            progress.add(Stage::Patch, op.target_bytes());
            if number % step == 0
                && let Some(pace) = pace
                && !pace.goes_on(number / step, &encoder)
            {
                return Ok(None);
            }
        }
        let (_, costs) = encoder.finish_metered().map_err(failed)?;
        buffered.flush().map_err(LocalError::io("the patch that is made"))?;
        Ok(Some(costs))
    }
}

fn failed(error: DeltaError) -> LocalError {
    LocalError::io("the patch that is made")(io::Error::other(error))
}

/// The number of bytes that a coding had at each mark. Marks lie at the same ops in every coding, so what is decided by them
/// does not depend on the speed of threads.
#[derive(Default)]
struct Marks {
    /// The sizes, and whether no more will come.
    sizes: Mutex<(Vec<u64>, bool)>,
    changed: Condvar,
}

impl Marks {
    fn lock(&self) -> MutexGuard<'_, (Vec<u64>, bool)> {
        self.sizes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the size at a mark. There is none if the other coding failed.
    fn wait(&self, mark: u64) -> Option<u64> {
        let number = mark as usize - 1;
        let is_waiting = |state: &mut (Vec<u64>, bool)| state.0.len() <= number && !state.1;
        let state = self.changed.wait_while(self.lock(), is_waiting).unwrap_or_else(PoisonError::into_inner);
        state.0.get(number).copied()
    }
}

/// Tells at its end that no more marks come.
struct Ending<'m>(&'m Marks);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.lock().1 = true;
        self.0.changed.notify_all();
    }
}

/// How a coding keeps pace with another one.
#[derive(Clone, Copy)]
enum Pace<'m> {
    /// It leaves marks.
    Marks(&'m Marks),
    /// It is given up where it has far more bytes than the other one had.
    Compares(&'m Marks),
}

impl Pace<'_> {
    fn goes_on<W: Write>(self, mark: u64, encoder: &DeltaEncoder<'_, BaseSpace<'_>, W>) -> bool {
        match self {
            Self::Marks(marks) => {
                marks.lock().0.push(encoder.written());
                marks.changed.notify_all();
                true
            }
            Self::Compares(_) if mark < FIRST_MARK => true,
            Self::Compares(marks) => marks
                .wait(mark)
                .is_some_and(|other| !encoder.has_blocks() || encoder.written() * BEHIND.1 <= other * BEHIND.0),
        }
    }
}
