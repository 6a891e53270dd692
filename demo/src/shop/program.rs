//! Programs and libraries that look like ELF files: functions of machine code that call one another,
//! tables of their addresses, names, and constants.
//!
//! The model covers only what matters to compression and to finding shared bytes. Calls hold the distance to their
//! target, as on x86-64. So when a rebuild makes one function longer, all later ones move, and every call across it
//! and every table entry behind it changes by the same small amount.

use super::random::Random;
use super::words::{Speaker, Vocabulary};

const IDIOMS: usize = 900;
const FUNCTION_ALIGNMENT: usize = 16;
const HEADER_BYTES: usize = 64;
const SYMBOL_BYTES: usize = 24;
/// The number of functions that a rebuild makes longer, unless it is a new version.
pub(super) const FEW_FIXES: usize = 4;

/// Opcodes, each with the number of bytes behind it that state registers or offsets.
#[rustfmt::skip]
const INSTRUCTIONS: [(&[u8], usize); 24] = [
    (&[0x48, 0x89], 1), (&[0x48, 0x8B], 1), (&[0x48, 0x8B, 0x45], 1), (&[0x48, 0x89, 0x44, 0x24], 1), (&[0x89], 1),
    (&[0x8B, 0x40], 1), (&[0x48, 0x85], 1), (&[0x74], 1), (&[0x75], 1), (&[0xEB], 1), (&[0x0F, 0xB6], 1), (&[0x31, 0xC0], 0),
    (&[0x48, 0x83, 0xC4], 1), (&[0x48, 0x83, 0xEC], 1), (&[0x83, 0xF8], 1), (&[0x4C, 0x89], 1), (&[0x41, 0x5C], 0),
    (&[0x41, 0x54], 0), (&[0x55], 0), (&[0x5D, 0xC3], 0), (&[0x66, 0x90], 0), (&[0xC7, 0x45], 2), (&[0x48, 0x63], 1),
    (&[0x0F, 0x84], 4),
];

/// Sequences of instructions that compilers emit over and over.
pub(super) struct Idioms {
    sequences: Vec<Vec<u8>>,
}

impl Idioms {
    pub(super) fn new() -> Self {
        let mut random = Random::named("idioms");
        let mut sequence = || {
            let mut bytes = Vec::new();
            for _ in 0..random.between(2, 6) {
                push_instruction(&mut bytes, &mut random);
            }
            bytes
        };
        Self { sequences: (0..IDIOMS).map(|_| sequence()).collect() }
    }
}

fn push_instruction(code: &mut Vec<u8>, random: &mut Random) {
    let (opcode, operand_bytes) = INSTRUCTIONS[random.skewed_below(INSTRUCTIONS.len())];
    code.extend_from_slice(opcode);
    // These are multiples of 8 below 256, so they fit.
    let near = (random.skewed_below(32) * 8) as u8;
    match operand_bytes {
        0 => {}
        1 => code.push(near),
        _ => code.extend((0..operand_bytes).map(|at| if at < 2 { random.bits() as u8 } else { 0 })),
    }
}

/// A place in a function that holds the distance to a function or a constant.
struct Reference {
    at: usize,
    target: Target,
}

enum Target {
    Function(usize),
    Constant(usize),
}

struct Function {
    code: Vec<u8>,
    references: Vec<Reference>,
}

/// A build of a program: the first one, or a later one with some functions longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Build {
    First,
    Fixed { functions: usize },
}

/// Makes a program of about `bytes`. Its contents depend on its name alone.
pub(super) fn program(vocabulary: &Vocabulary, idioms: &Idioms, name: &str, bytes: usize, build: Build) -> Vec<u8> {
    let mut random = Random::named(name);
    let constants = constants(vocabulary, random.clone(), bytes / 6);
    let mut functions = functions(idioms, &mut random, bytes * 3 / 4, constants.len());
    if let Build::Fixed { functions: fixes } = build {
        lengthen(&mut functions, idioms, &mut Random::named(&format!("fix {name}")), fixes);
    }
    link(&functions, &constants, &mut Speaker::new(vocabulary, random))
}

/// Makes messages and tables of numbers.
fn constants(vocabulary: &Vocabulary, random: Random, bytes: usize) -> Vec<u8> {
    let mut speaker = Speaker::new(vocabulary, random);
    let mut constants = Vec::with_capacity(bytes + 256);
    while constants.len() < bytes {
        if speaker.random.one_in(6) {
            let row = (0..32).flat_map(|_| (speaker.random.bits() as u16 >> 4).to_le_bytes());
            constants.extend(row);
        } else {
            constants.extend_from_slice(speaker.sentence().as_bytes());
            constants.push(0);
        }
    }
    constants
}

fn functions(idioms: &Idioms, random: &mut Random, bytes: usize, constant_bytes: usize) -> Vec<Function> {
    // The mean of the sizes below is about 335.
    let count = (bytes / 335).max(8);
    (0..count)
        .map(|index| {
            let code_bytes = random.between(32, 300) + random.skewed_below(620);
            function(idioms, random, code_bytes, (index, count, constant_bytes))
        })
        .collect()
}

type Surroundings = (usize, usize, usize);

fn function(idioms: &Idioms, random: &mut Random, code_bytes: usize, surroundings: Surroundings) -> Function {
    let mut function = Function { code: vec![0x55, 0x48, 0x89, 0xE5], references: Vec::new() };
    while function.code.len() < code_bytes {
        match random.below(32) {
            0 => refer(&mut function, random, surroundings),
            1..=9 => function.code.extend_from_slice(&idioms.sequences[random.skewed_below(IDIOMS)]),
            _ => push_instruction(&mut function.code, random),
        }
    }
    function.code.extend_from_slice(&[0x5D, 0xC3]);
    function
}

/// Adds a call, usually of a function nearby, or the address of a constant.
fn refer(function: &mut Function, random: &mut Random, (index, count, constant_bytes): Surroundings) {
    let target = if random.one_in(5) && constant_bytes > 0 {
        function.code.extend_from_slice(&[0x48, 0x8D, 0x3D]);
        Target::Constant(random.below(constant_bytes))
    } else {
        function.code.push(0xE8);
        let nearby = (index + random.below(60)).saturating_sub(30).min(count - 1);
        Target::Function(if random.one_in(3) { random.skewed_below(count) } else { nearby })
    };
    function.references.push(Reference { at: function.code.len(), target });
    function.code.extend_from_slice(&[0; 4]);
}

fn lengthen(functions: &mut [Function], idioms: &Idioms, random: &mut Random, fixes: usize) {
    for fix in 0..fixes {
        // The fixes are spread over the program, so that no two builds share a tail.
        let at = functions.len() * (2 * fix + 1) / (2 * fixes);
        for _ in 0..random.between(4, 20) {
            functions[at].code.extend_from_slice(&idioms.sequences[random.below(IDIOMS)]);
        }
    }
}

/// Links a file of header, constants, functions, table of addresses, symbols, and names.
fn link(functions: &[Function], constants: &[u8], names: &mut Speaker<'_>) -> Vec<u8> {
    let code_start = (HEADER_BYTES + constants.len()).next_multiple_of(4_096);
    let addresses = place(functions, code_start);
    let mut file = header();
    file.extend_from_slice(constants);
    file.resize(code_start, 0);
    for (function, address) in functions.iter().zip(&addresses) {
        file.resize(*address, 0x90);
        file.extend_from_slice(&function.code);
        patch_references(&mut file[*address..], *address, &function.references, &addresses);
    }
    file.resize(file.len().next_multiple_of(4_096), 0);
    push_tables(&mut file, functions, &addresses, names);
    file
}

fn header() -> Vec<u8> {
    let mut header = b"\x7FELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3E\0\x01\0\0\0".to_vec();
    header.resize(HEADER_BYTES, 0);
    header
}

fn place(functions: &[Function], code_start: usize) -> Vec<usize> {
    let mut next = code_start;
    let mut place_one = |function: &Function| {
        let address = next;
        next = (next + function.code.len()).next_multiple_of(FUNCTION_ALIGNMENT);
        address
    };
    functions.iter().map(&mut place_one).collect()
}

fn patch_references(code: &mut [u8], address: usize, references: &[Reference], addresses: &[usize]) {
    for reference in references {
        let target = match reference.target {
            Target::Function(index) => addresses[index],
            Target::Constant(offset) => HEADER_BYTES + offset,
        };
        let after = address + reference.at + 4;
        // Programs are far below 2 GiB, so the distance fits, as two's complement.
        let distance = target.wrapping_sub(after) as u32;
        code[reference.at..reference.at + 4].copy_from_slice(&distance.to_le_bytes());
    }
}

fn push_tables(file: &mut Vec<u8>, functions: &[Function], addresses: &[usize], names: &mut Speaker<'_>) {
    for address in addresses.iter().step_by(6) {
        file.extend_from_slice(&(*address as u64).to_le_bytes());
    }
    let mut strings = vec![0];
    for (function, address) in functions.iter().zip(addresses).step_by(8) {
        let mut symbol = Vec::with_capacity(SYMBOL_BYTES);
        symbol.extend_from_slice(&(strings.len() as u32).to_le_bytes());
        symbol.extend_from_slice(&[0x12, 0, 0x0E, 0]);
        symbol.extend_from_slice(&(*address as u64).to_le_bytes());
        symbol.extend_from_slice(&(function.code.len() as u64).to_le_bytes());
        file.extend_from_slice(&symbol);
        strings.extend_from_slice(names.snake().as_bytes());
        strings.push(0);
    }
    file.extend_from_slice(&strings);
}
