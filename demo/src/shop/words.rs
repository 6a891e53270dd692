//! Words, and the words that may follow each of them.

use super::random::Random;

const WORDS: usize = 3_000;
const FOLLOWERS: usize = 12;
#[rustfmt::skip]
const SYLLABLES: [&str; 48] = [
    "an", "ar", "ba", "ben", "ca", "cel", "con", "da", "de", "den", "di", "el", "en", "er", "fi", "for", "ga", "gen", "ha",
    "in", "ing", "ka", "ke", "la", "le", "lo", "ma", "men", "mi", "na", "ne", "no", "or", "pa", "per", "po", "ra", "re", "ri",
    "sa", "se", "ta", "te", "ti", "tor", "un", "va", "ver",
];

/// The words of all texts, with their usual followers.
pub(super) struct Vocabulary {
    words: Vec<String>,
    followers: Vec<[u16; FOLLOWERS]>,
}

impl Vocabulary {
    pub(super) fn new() -> Self {
        let mut random = Random::named("vocabulary");
        let words = (0..WORDS).map(|_| new_word(&mut random)).collect();
        // The numbers are below 65,536, so they fit.
        let mut follower = || random.skewed_below(WORDS) as u16;
        let followers = (0..WORDS).map(|_| std::array::from_fn(|_| follower())).collect();
        Self { words, followers }
    }
}

fn new_word(random: &mut Random) -> String {
    (0..random.between(1, 3)).map(|_| *random.pick(&SYLLABLES)).collect()
}

/// A source of words, each of which follows from the one before.
pub(super) struct Speaker<'a> {
    vocabulary: &'a Vocabulary,
    current: usize,
    pub(super) random: Random,
}

impl<'a> Speaker<'a> {
    pub(super) fn new(vocabulary: &'a Vocabulary, mut random: Random) -> Self {
        let current = random.below(WORDS);
        Self { vocabulary, current, random }
    }

    pub(super) fn word(&mut self) -> &'a str {
        self.current = if self.random.one_in(6) {
            self.random.skewed_below(WORDS)
        } else {
            usize::from(self.vocabulary.followers[self.current][self.random.skewed_below(FOLLOWERS)])
        };
        &self.vocabulary.words[self.current]
    }

    /// Some words with a full stop.
    pub(super) fn sentence(&mut self) -> String {
        let mut sentence = self.capitalised();
        for _ in 0..self.random.between(4, 11) {
            sentence.push(' ');
            sentence.push_str(self.word());
        }
        sentence.push('.');
        sentence
    }

    /// An identifier like `userName`.
    pub(super) fn identifier(&mut self) -> String {
        let mut name = self.word().to_owned();
        if self.random.one_in(2) {
            name.push_str(&self.capitalised());
        }
        name
    }

    /// An identifier like `user_name`.
    pub(super) fn snake(&mut self) -> String {
        let (first, second) = (self.word(), self.word());
        format!("{first}_{second}")
    }

    fn capitalised(&mut self) -> String {
        let word = self.word();
        word[..1].to_uppercase() + &word[1..]
    }
}
