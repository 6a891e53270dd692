//! Text files (scripts, settings, translations), and their edits by a release.

use super::random::Random;
use super::words::Speaker;

/// The lines of a script, with about `bytes` bytes in all.
pub(super) fn script(speaker: &mut Speaker<'_>, bytes: usize) -> Vec<String> {
    lines_of(bytes, || script_line(speaker))
}

/// One statement of a script. Some statements hold numbers and hashes, which no other text has.
pub(super) fn script_line(speaker: &mut Speaker<'_>) -> String {
    let name = speaker.identifier();
    match speaker.random.skewed_below(14) {
        0 => format!("  const {name} = {}.{}({});", speaker.word(), speaker.identifier(), speaker.word()),
        1 => format!("    {name}.{}({}, '{}');", speaker.word(), speaker.identifier(), speaker.word()),
        2 => format!("  if ({name} && !{}.{}) {{", speaker.word(), speaker.identifier()),
        3 => format!("    return {name}({}, {});", speaker.word(), speaker.identifier()),
        4 => "  }".to_owned(),
        5 => format!("  // {}", speaker.sentence()),
        6 => format!("export function {name}({}, {}) {{", speaker.word(), speaker.word()),
        7 => "}\n".to_owned(),
        8 => format!("import {{ {name} }} from './{}/{}.js';", speaker.word(), speaker.word()),
        9 => format!("  this.{name} = {};", speaker.random.below(100_000)),
        10 => format!("  throw new Error('{}');", speaker.sentence()),
        11 => format!("    {name}: [{}, {}],", speaker.random.below(256), speaker.random.below(4_096)),
        12 => format!("  for (const {name} of {}.{}()) {{", speaker.word(), speaker.identifier()),
        _ => format!("  {name}('{:016x}');", speaker.random.bits()),
    }
}

/// The lines of a settings file.
pub(super) fn settings(speaker: &mut Speaker<'_>, bytes: usize) -> Vec<String> {
    lines_of(bytes, || match speaker.random.below(5) {
        0 => format!("# {}", speaker.sentence()),
        1 => format!("\n[{}]", speaker.snake()),
        2 => format!("{} = {}", speaker.snake(), speaker.random.below(10_000)),
        3 => format!("{} = /usr/share/{}/{}.conf", speaker.snake(), speaker.word(), speaker.word()),
        _ => format!("{} = {}", speaker.snake(), speaker.word()),
    })
}

/// The lines of a translation.
pub(super) fn translation(speaker: &mut Speaker<'_>, bytes: usize) -> Vec<String> {
    lines_of(bytes, || format!("msgid \"{}\"\nmsgstr \"{}\"\n", speaker.sentence(), speaker.sentence()))
}

fn lines_of(bytes: usize, mut line: impl FnMut() -> String) -> Vec<String> {
    let mut lines = Vec::new();
    let mut total = 0;
    while total < bytes {
        let next = line();
        total += next.len() + 1;
        lines.push(next);
    }
    lines
}

/// Replaces about one line in `one_in` by another, or adds one behind it. It edits at least one line.
pub(super) fn edit(lines: &mut Vec<String>, one_in: usize, speaker: &mut Speaker<'_>) {
    let edits = (lines.len() / one_in).max(1);
    for _ in 0..edits {
        let at = speaker.random.below(lines.len().max(1));
        let line = script_line(speaker);
        if speaker.random.one_in(3) || at >= lines.len() {
            lines.insert(at, line);
        } else {
            lines[at] = line;
        }
    }
}

/// The file with these lines, each with its line feed.
pub(super) fn file_of(lines: &[String]) -> Vec<u8> {
    let mut file = lines.join("\n").into_bytes();
    file.push(b'\n');
    file
}

/// A size around the mean. Most are below it and some far above, like those of source files.
pub(super) fn file_bytes(random: &mut Random, mean: usize) -> usize {
    let part = random.between(1, 100) * random.between(1, 100);
    // The mean of the product is about 2,550.
    mean / 12 + mean * part / 2_780
}
