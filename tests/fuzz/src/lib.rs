//! How an input spells the words that a target's grammar is made of.

/// The lowest byte that stands for a word.
const FIRST: u8 = 0xe0;

/// The text of an input: a byte from 0xe0 up stands for one of the words, any other for itself.
///
/// So a few bytes make a nearly right text, without a dictionary or a corpus to start from.
pub fn spell(input: &[u8], words: &[&str]) -> Vec<u8> {
    let mut text = Vec::with_capacity(input.len() * 4);
    for byte in input {
        match byte.checked_sub(FIRST).and_then(|index| words.get(usize::from(index))) {
            Some(word) => text.extend_from_slice(word.as_bytes()),
            None => text.push(*byte),
        }
    }
    text
}
