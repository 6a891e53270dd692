//! A daemon that only its command can reach, such as one on another machine.

use serde::de::DeserializeOwned;

use super::{Api, Info, Inspected};
use crate::piped::{CommandUpload, Upload};
use crate::process::Program;
use crate::{EngineError, EngineKind, EngineOptions};

/// The number of images that are asked about at once.
const IMAGES_AT_ONCE: usize = 50;

pub(super) struct ByCommand {
    program: Program,
    load: Program,
}

impl ByCommand {
    pub(super) fn new(options: &EngineOptions) -> Self {
        let first = options.address.iter().flat_map(|address| ["--host".to_owned(), address.clone()]).collect();
        let program = Program { engine: EngineKind::Docker, name: "docker", first, patience: options.for_questions() };
        let load = Program { patience: options.for_loading(), ..program.clone() };
        Self { program, load }
    }

    fn read<T: DeserializeOwned>(&self, answer: &[u8], question: &str) -> Result<T, EngineError> {
        let nonsense = |_| EngineError::Answer { engine: EngineKind::Docker, question: question.to_owned() };
        serde_json::from_slice(answer).map_err(nonsense)
    }
}

impl Api for ByCommand {
    fn info(&mut self) -> Result<Info, EngineError> {
        self.read(&self.program.ask(&["info", "--format", "{{json .}}"])?, "info")
    }

    fn images(&mut self) -> Result<Vec<String>, EngineError> {
        let listed = self.program.ask(&["image", "ls", "--all", "--quiet", "--no-trunc"])?;
        Ok(String::from_utf8_lossy(&listed).split_whitespace().map(str::to_owned).collect())
    }

    fn inspect(&mut self, names: &[String], more: &mut dyn FnMut(Inspected) -> bool) -> Result<(), EngineError> {
        for names in names.chunks(IMAGES_AT_ONCE) {
            names.iter().try_for_each(|name| crate::image::check_name(name))?;
            let mut arguments = vec!["image", "inspect"];
            arguments.extend(names.iter().map(String::as_str));
            // It fails if one of them is not there, and tells about the others all the same.
            let output = self.program.run(&arguments)?;
            if !output.status.success()
                && !String::from_utf8_lossy(&output.stderr).to_lowercase().contains("no such image")
            {
                return Err(self.program.refusal(&output.stderr));
            }
            let images: Vec<Inspected> = self.read(&output.stdout, "image inspect")?;
            if !images.into_iter().all(&mut *more) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn load(&mut self) -> Result<Box<dyn Upload>, EngineError> {
        Ok(Box::new(CommandUpload::new(self.load.clone(), &["load", "--quiet"])?))
    }
}
