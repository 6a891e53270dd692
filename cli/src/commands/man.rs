//! `regrow man`: one page for the command and its subcommands.

use std::io;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};

use super::Arguments;
use crate::failure::Failure;
use crate::print::write_out;

/// The meanings of the exit codes in [`Code`](crate::failure::Code).
const EXIT_CODES: [(&str, &str); 5] = [
    ("0", "Done."),
    ("1", "Something went wrong that has no code of its own."),
    ("2", "The command line makes no sense."),
    ("3", "Data is damaged, incomplete, not what it should be, or not trusted."),
    ("4", "An index, a pack or a store is not there or cannot be reached."),
];

/// Runs the command.
pub(crate) fn run() -> Result<(), Failure> {
    write_out(&page(&Arguments::command())?)
}

fn page(command: &Command) -> io::Result<String> {
    let command = command.clone().disable_help_subcommand(true).subcommand_value_name("command");
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    heading("SH", "COMMANDS").to_writer(&mut page)?;
    for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
        add_subcommand(command.get_name(), subcommand, &mut page)?;
    }
    exit_codes().to_writer(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// Adds a subcommand as a subsection. It is built apart from the others, so that it does not list global options again.
fn add_subcommand(parent: &str, subcommand: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    let title = format!("{parent} {}", subcommand.get_name());
    let subcommand = subcommand.clone().bin_name(&title).disable_help_flag(true).disable_version_flag(true);
    let examples = subcommand.get_after_help().map(ToString::to_string);
    let nested: Vec<Command> = subcommand.get_subcommands().cloned().collect();
    let has_arguments = subcommand.get_arguments().any(|argument| !argument.is_hide_set());
    heading("SS", &title).to_writer(page)?;
    let man = Man::new(subcommand);
    page.extend(without_heading(|part| man.render_description_section(part))?);
    page.extend(b".PP\n");
    page.extend(without_heading(|part| man.render_synopsis_section(part))?);
    if has_arguments {
        page.extend(without_heading(|part| man.render_options_section(part))?);
    }
    if let Some(examples) = examples {
        verbatim(&examples).to_writer(page)?;
    }
    nested.iter().try_for_each(|nested| add_subcommand(&title, nested, page))
}

/// Renders a part that has a section of its own without its heading: the lines after its `.SH`.
fn without_heading(render: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> io::Result<Vec<u8>> {
    let mut section = Vec::new();
    render(&mut section)?;
    let lines = section.split_inclusive(|byte| *byte == b'\n');
    Ok(lines.filter(|line| !line.starts_with(b".SH")).flatten().copied().collect())
}

/// A heading, by the macro `SH` (section) or `SS` (subsection).
fn heading(kind: &str, title: &str) -> Roff {
    roff_of(|roff| {
        roff.control(kind, [title]);
    })
}

fn verbatim(text: &str) -> Roff {
    roff_of(|roff| {
        roff.control("PP", []).control("nf", []);
        for line in text.lines() {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
    })
}

fn exit_codes() -> Roff {
    roff_of(|roff| {
        roff.control("SH", ["EXIT STATUS"]);
        for (code, meaning) in EXIT_CODES {
            roff.control("TP", []).text([bold(code)]).text([roman(meaning)]);
        }
        let text = [
            roman("A "),
            bold("regrow demo"),
            roman(" that is interrupted ends with 128 and the "),
            italic("signal"),
            roman("'s number."),
        ];
        roff.control("PP", []).text(text);
    })
}

fn roff_of(write: impl FnOnce(&mut Roff)) -> Roff {
    let mut roff = Roff::new();
    write(&mut roff);
    roff
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn the_page_holds_all_commands_and_their_options() {
        let page = page(&Arguments::command()).unwrap();
        for command in Arguments::command().get_subcommands() {
            assert_eq!(
                page.matches(&format!(".SS \"regrow {}\"\n", command.get_name())).count(),
                1,
                "{}",
                command.get_name()
            );
            for option in
                command.get_arguments().filter(|argument| !argument.is_hide_set()).filter_map(clap::Arg::get_long)
            {
                assert!(page.contains(&option.replace('-', "\\-")), "{option}");
            }
        }
        assert_eq!(page.matches("\n.SH OPTIONS\n").count(), 1);
        assert_eq!(page.matches("\\-\\-quiet").count(), 2, "in the synopsis and in the options");
    }

    #[test]
    fn exit_codes_are_those_of_failures() {
        use crate::failure::Code;
        let codes = [Code::General, Code::Usage, Code::Damaged, Code::Unreachable].map(|code| (code as u8).to_string());
        assert!(EXIT_CODES[1..].iter().map(|(code, _)| *code).eq(codes.iter().map(String::as_str)));
    }
}
