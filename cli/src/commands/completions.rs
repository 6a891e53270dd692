//! `regrow completions`.

use clap::CommandFactory;
use clap_complete::Shell;

use super::Arguments;
use crate::failure::{Code, Failure};
use crate::print::write_out;

/// Runs the command.
pub(crate) fn run(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "regrow", &mut script);
    let script = String::from_utf8(script).map_err(|error| Failure::new(Code::General, error.to_string()))?;
    write_out(&script)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_shell_knows_every_command() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Arguments::command(), "regrow", &mut script);
            let script = String::from_utf8_lossy(&script).into_owned();
            for command in Arguments::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
        }
    }
}
