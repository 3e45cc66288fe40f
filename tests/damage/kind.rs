//! What can happen to a file.

use std::fs;
use std::path::Path;

use crate::faults::Random;

/// What is done to a file of the store.
#[derive(Debug, Clone, Copy)]
pub(super) enum Damage {
    Removed,
    Emptied,
    /// Cut off at this length.
    Cut(usize),
    /// This bit of this byte is the other.
    Flipped {
        at: usize,
        bit: u8,
    },
    /// As a disk that has lost blocks reads.
    Zeroed {
        at: usize,
        length: usize,
    },
    /// As a disk that has mixed up blocks reads.
    Garbage {
        at: usize,
        length: usize,
        seed: u8,
    },
}

impl Damage {
    pub(super) fn by_chance(random: &mut Random, length: usize) -> Self {
        let at = random.index(length.max(1));
        let block = 1 << random.index(13);
        match random.below(5) {
            0 => Self::Cut(at),
            1 | 2 => Self::Flipped { at, bit: u8::try_from(random.below(8)).unwrap() },
            3 => Self::Zeroed { at: at / block * block, length: block },
            _ => {
                let seed = u8::try_from(random.below(256)).unwrap();
                Self::Garbage { at: at / block * block, length: block, seed }
            }
        }
    }

    pub(super) fn apply(self, file: &Path) {
        let mut bytes = fs::read(file).unwrap();
        let range = |at: usize, length: usize, bytes: &[u8]| {
            at.min(bytes.len())..(at + length).min(bytes.len())
        };
        match self {
            Self::Removed => return fs::remove_file(file).unwrap(),
            Self::Emptied => bytes.clear(),
            Self::Cut(length) => bytes.truncate(length),
            Self::Flipped { at, bit } => bytes[at] ^= 1 << bit,
            Self::Zeroed { at, length } => {
                let range = range(at, length, &bytes);
                bytes[range].fill(0);
            }
            Self::Garbage { at, length, seed } => {
                let range = range(at, length, &bytes);
                let mut next = seed;
                bytes[range].fill_with(|| {
                    next = next.wrapping_mul(141).wrapping_add(7);
                    next
                });
            }
        }
        fs::write(file, bytes).unwrap();
    }
}

/// Where the last byte is that is not zero: the newest changes are right before it.
pub(super) fn used_length(file: &Path) -> usize {
    let bytes = fs::read(file).unwrap();
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}
